"""Kernels that numba compiled from former sources are not used."""

import os
import subprocess
import sys
from pathlib import Path

from qllmft_backends.adjoint.compiled.stale import drop_stale_kernels


def test_a_change_of_any_source_drops_all_kernels(tmp_path):
    sources = [tmp_path / "gates.py", tmp_path / "schedule.py"]
    for source in sources:
        source.write_text("one")
    cache = tmp_path / "cache" / "kernels"
    drop_stale_kernels(sources, cache)
    for name in ("gates.x.nbi", "gates.x.1.nbc", "gates.cpython-311.pyc"):
        (cache / name).touch()
    drop_stale_kernels(sources, cache)
    assert len(list(cache.iterdir())) == 4, "nothing has changed"
    sources[1].write_text("two")
    drop_stale_kernels(sources, cache)
    assert sorted(file.name for file in cache.iterdir()) == [
        "gates.cpython-311.pyc",
        "sources.sha256",
    ]


def test_the_cache_may_be_elsewhere(tmp_path):
    """Numba's own setting says where, and marks and stamps lie beside the kernels."""
    program = """
from qllmft_backends.adjoint.compiled import ahead
ahead.mark_compiled("float32")
print(ahead._mark("float32", ahead.REAL_GATES))
"""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    mark = Path(
        subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()
    )
    assert mark.is_relative_to(tmp_path)
    stamp = mark.with_name("sources.sha256")
    assert mark.is_file()
    stamp.write_text("of former sources")
    command[-1] = "from qllmft_backends.adjoint.compiled import layers"  # any module with kernels
    subprocess.run(command, env=environment, check=True)
    assert stamp.read_text() != "of former sources"
    assert not mark.exists()
