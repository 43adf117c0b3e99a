"""Compilation of the engine's functions in processes of their own, before they are needed.

numba compiles one function at a time in a process, and the cache on disk is shared by all processes.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import numba

from qllmft_base.current_folder import child_environment
from qllmft_engine.kernel_cache import PREFIX
from qllmft_engine.kernel_store import MARK, open_store

# A collection of garbage among the objects of numba's types takes a tenth of the time, and finds
# little. Python's last one, at exit, ignores what is frozen.
_PROGRAM = """import gc, sys
gc.disable()
from qllmft_base.current_folder import ignore_current_folder
ignore_current_folder()
from qllmft_engine.compiled import passes
getattr(passes, sys.argv[2])(sys.argv[1])
gc.freeze()"""
REAL_GATES = "chunk_functions"  # of `passes`
SHOTS = "shot_functions"
COMPLEX_GATES = "complex_chunk_functions"
_compiled_here: set[tuple[str, str]] = set()  # (functions, dtype)
_processes: dict[tuple[str, str], subprocess.Popen[bytes]] = {}


def _mark(dtype: str, functions: str) -> str:
    """Return the name of the file which says that the functions of a dtype are on disk."""
    return f"{PREFIX}-{functions}-{dtype}-{numba.__version__}-{platform.python_version()}{MARK}"


def is_compiled(dtype: str, functions: str = REAL_GATES) -> bool:
    """Return whether this process or an earlier one compiled the functions of a dtype. An error costs time only."""
    if (functions, dtype) in _compiled_here:
        return True
    store = open_store()
    return store is not None and store.load(_mark(dtype, functions)) is not None


def mark_compiled(dtype: str, functions: str = REAL_GATES) -> None:
    """Keep that the functions of a dtype are on disk."""
    _compiled_here.add((functions, dtype))
    store = open_store()
    if store is not None and store.load(_mark(dtype, functions)) is None:
        store.save(_mark(dtype, functions), b"")


def compile_ahead(dtypes: Iterable[str], functions: str = REAL_GATES) -> None:
    """Start to compile the functions of each dtype that is not compiled yet, each in a process."""
    if (os.cpu_count() or 1) < 2 or open_store() is None:
        return
    for dtype in dtypes:
        if not is_compiled(dtype, functions) and (functions, dtype) not in _processes:
            with suppress(OSError):  # without the process, this one compiles
                _processes[functions, dtype] = subprocess.Popen(  # noqa: S603
                    [sys.executable, "-P", "-c", _PROGRAM, dtype, functions],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=child_environment(),
                )


def compile_here(dtype: str, functions: str = REAL_GATES) -> None:
    """Compile the functions of a dtype in this process, or wait for the process that does."""
    # it imports this module
    passes = import_module("qllmft_engine.compiled.passes")
    getattr(passes, functions)(dtype)


def kernel_folder() -> Path | None:
    """Return the folder of compiled functions on disk, None if no folder of this user can be written."""
    store = open_store()
    return None if store is None else store.folder


def count_compiling() -> int:
    """Return the number of processes that compile at the moment."""
    return sum(process.poll() is None for process in _processes.values())


def wait_for_compilation(dtype: str, functions: str = REAL_GATES) -> None:
    """Wait for the process that compiles the functions of a dtype, if there is one."""
    process = _processes.pop((functions, dtype), None)
    if process is not None:
        process.wait()
