"""Processes of Python with bounds of time, memory and output, for what reads a stranger's file.

`run_python` starts one, and what it runs calls `limit_resources` after its imports. It imports nothing from the current
folder, and sees neither the environment of this process nor its standard input. Time is bounded on every system. The
kernel bounds memory on Linux only, and processor time and output on macOS too. It needs no other module of the package,
so that such a process starts quickly.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

NO_MEMORY_CODE = 12  # exit code of a process that got no more memory

_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
# threads and pools reserve memory that counts as used
_FRUGAL_VARIABLES = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "RUST_BACKTRACE": "0",
}


def run_python(
    code: str, *, packages: Sequence[str], timeout_s: float, **streams: Any
) -> subprocess.CompletedProcess[bytes]:
    """Run code in a new process that imports what this one can, but nothing from the current folder.

    Args:
        code: statements of Python.
        packages: names of the packages that the code imports, beside `qllmft_base`, even from the current folder.
        timeout_s: after which the process is killed.
        streams: of `subprocess.run`: ``stdin`` or ``input``, ``stdout`` and ``stderr``.

    Raises:
        subprocess.TimeoutExpired: if the time is over.
    """
    command, environment = python_command(code, packages)
    return subprocess.run(  # noqa: S603 - the content goes to its input, and is no command
        command, timeout=timeout_s, check=False, env=environment, **streams
    )


def python_command(code: str, packages: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command of `run_python`, and the environment of its process."""
    paths = [path for path in sys.path if _is_trusted(path)]
    roots = dict.fromkeys(map(_root, ("qllmft_base", *packages)))
    # libraries read their settings from the current folder
    setup = f"import os, sys; os.chdir(os.sep); sys.path[:] = {[*paths, *roots]!r}; "
    environment = {name: os.environ[name] for name in _LOADER_VARIABLES if name in os.environ}
    return [sys.executable, "-I", "-S", "-c", setup + code], environment | _FRUGAL_VARIABLES


def _root(package: str) -> str:
    """Return the folder that holds a package, which may be installed by a hook of its own and not by `sys.path`."""
    return str(Path(str(import_module(package).__file__)).parents[1])


def _is_trusted(path: str) -> bool:
    """Return whether modules may be imported from an entry of `sys.path`, which the current folder may be."""
    if not Path(path).is_absolute():
        return False
    with suppress(OSError):  # it may have been deleted
        return Path(path).resolve() != Path.cwd()
    return True


def open_exchange() -> tuple[BinaryIO, BinaryIO, Any]:
    """Return the file in the place of this process's standard error, its standard output, and the file's JSON.

    What a library prints from now on goes nowhere, as it is no answer.
    """
    exchange = os.fdopen(os.dup(2), "r+b")
    output = os.fdopen(os.dup(1), "r+b")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    return exchange, output, json.loads(exchange.read())


def limit_resources(
    seconds: int,
    memory_bytes: int,
    output_bytes: int | None = None,
    *,
    binds_children: bool = True,
) -> None:
    """Bound this process from now on, where the system can.

    Args:
        seconds: of processor time.
        memory_bytes: beyond what it has now.
        output_bytes: of each file that it writes; None: any number.
        binds_children: processes that it starts have no larger bounds; if not, they set their own.
    """
    if sys.platform == "win32":
        return
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    last_second = int(usage.ru_utime + usage.ru_stime) + 1 + seconds
    bounds = [(resource.RLIMIT_CORE, 0, 0), (resource.RLIMIT_CPU, last_second, last_second + 1)]
    if output_bytes is not None:
        bounds.append((resource.RLIMIT_FSIZE, output_bytes, output_bytes))
    statm = Path("/proc/self/statm")
    if statm.exists():  # what is mapped counts, which is more than what is used
        mapped_bytes = int(statm.read_text().split()[0]) * resource.getpagesize()
        max_bytes = mapped_bytes + memory_bytes
        bounds.append((resource.RLIMIT_AS, max_bytes, max_bytes))
    for kind, bound, hard_bound in bounds:
        resource.setrlimit(
            kind, (bound, hard_bound if binds_children else resource.getrlimit(kind)[1])
        )


def is_out_of_time(returncode: int) -> bool:
    """Return whether the bound of processor time ended a process."""
    return returncode in (-getattr(signal, "SIGXCPU", 0), -getattr(signal, "SIGKILL", 0))


def is_out_of_memory(returncode: int, messages: Sequence[str] = ()) -> bool:
    """Return whether a process ended in the way of one that gets no more memory, or says so."""
    is_killed = returncode < 0 or returncode == NO_MEMORY_CODE
    return is_killed or any("emory" in message for message in messages)
