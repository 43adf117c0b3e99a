"""numba's cache of kernels: those of former sources are not used, and processes do not mix theirs up."""

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import qllmft_backends
from qllmft_backends.adjoint.compiled import frames, passes, work_queue
from qllmft_backends.adjoint.kernel_cache import KernelFile, drop_stale_kernels


def test_a_change_of_any_source_drops_all_kernels(tmp_path):
    sources = [tmp_path / "gates.py", tmp_path / "schedule.py"]
    for source in sources:
        source.write_text("one")
    cache = tmp_path / "cache" / "kernels"
    drop_stale_kernels(sources, cache)
    for name in ("gates.x.nbi", "gates.x.1.nbc", "gates.cpython-311.pyc"):
        (cache / name).touch()
    drop_stale_kernels(sources, cache)
    assert len(list(cache.iterdir())) == 5, "nothing has changed"
    sources[1].write_text("two")
    drop_stale_kernels(sources, cache)
    assert sorted(file.name for file in cache.iterdir()) == [
        "gates.cpython-311.pyc",
        "kernels.lock",
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


def test_variants_that_are_compiled_at_a_time_are_all_kept(tmp_path):
    """By threads, each with a lock of its own, as processes have."""
    file = KernelFile(str(tmp_path), "gates.apply", "stamp")
    keys = list(itertools.product(range(4), range(40)))

    def save_variants(process):
        for key in keys:
            if key[0] == process:
                file.save(key, f"code of {key}")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save_variants, range(4)))
    assert [file.load(key) for key in keys] == [f"code of {key}" for key in keys]


def test_a_process_of_former_sources_neither_reads_nor_writes_kernels(tmp_path):
    source = tmp_path / "gates.py"
    source.write_text("one")
    cache = tmp_path / "cache"
    drop_stale_kernels([source], cache)
    file = KernelFile(str(cache), "gates.apply", "stamp")
    file.save("float32", "code")
    assert file.load("float32") == "code"
    (cache / "sources.sha256").write_text("of newer sources")
    assert file.load("float32") is None
    file.save("float64", "code")
    (cache / "sources.sha256").unlink()
    drop_stale_kernels([source], cache)
    assert file.load("float32") is None
    assert file.load("float64") is None


def test_every_kernel_that_is_kept_has_such_a_file():
    """Also those of other modules, which one process compiles while another one does."""
    package = Path(qllmft_backends.__file__).parent
    texts = {file: file.read_text(encoding="utf-8") for file in package.rglob("*.py")}
    keepers = [file.name for file, text in texts.items() if "cache=True" in text]
    assert keepers == ["kernel_cache.py"]
    for function in (passes.forward, work_queue.serve, frames.find_outcomes):
        assert isinstance(function._cache._cache_file, KernelFile)
