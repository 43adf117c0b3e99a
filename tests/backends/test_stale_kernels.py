"""Kernels that numba compiled from former sources are not used."""

from qllmft_backends.adjoint.compiled import drop_stale_kernels


def test_a_change_of_any_source_drops_all_kernels(tmp_path):
    (tmp_path / "gates.py").write_text("one")
    cache = tmp_path / "__pycache__"
    drop_stale_kernels(tmp_path)
    for name in ("gates.x.nbi", "gates.x.1.nbc", "gates.cpython-311.pyc"):
        (cache / name).touch()
    drop_stale_kernels(tmp_path)
    assert len(list(cache.iterdir())) == 4, "nothing has changed"
    (tmp_path / "gates.py").write_text("two")
    drop_stale_kernels(tmp_path)
    assert sorted(file.name for file in cache.iterdir()) == [
        "gates.cpython-311.pyc",
        "sources.sha256",
    ]
