"""One process at a time works on a run: a lock that the system takes back when its holder dies, even by kill -9."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from qllmft.files import write_text

LOCK, HOLDER = ".lock", ".lock-holder"  # files of a run's folder


class RunBusyError(Exception):
    """Another process works on the run. The message names the run and the process."""


@contextmanager
def sole_use(folder: Path, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """While no other process works in ``folder``, made where it is missing; RunBusyError where it may not wait.

    Args:
        folder: of the run.
        on_wait: called with a sentence before this process waits for another one; None: it does not wait.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    lock = _acquired(folder, on_wait)
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_text(folder / HOLDER, f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
        yield
    finally:
        with suppress(OSError):  # a system that does not let go of open files keeps an empty one
            (folder / HOLDER).unlink()
            (folder / LOCK).unlink()
            for path in missing or [folder]:  # only where nothing was begun: they are empty
                path.rmdir()
        lock.release()


def _acquired(folder: Path, on_wait: Callable[[str], None] | None) -> FileLock:
    """The lock, on a file that is still there: a holder takes its file away before it lets go of it."""
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LOCK).touch()
            before = (folder / LOCK).stat().st_ino
            lock = _taken(folder, on_wait)
        except FileNotFoundError:  # the folder itself was taken away meanwhile, where nothing was begun
            continue
        except FileExistsError:  # the same, between the try to make it and the look what is there
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise
            continue
        with suppress(FileNotFoundError):
            if (folder / LOCK).stat().st_ino == before:
                return lock
        lock.release()


def _taken(folder: Path, on_wait: Callable[[str], None] | None) -> FileLock:
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        busy = f"the run {folder} is worked on by {_holder(folder)}"
        if on_wait is None:
            raise RunBusyError(busy) from None
        on_wait(f"{busy}; waiting for it")
        lock.acquire()
    return lock


def _holder(folder: Path) -> str:
    for _ in range(20):  # half a second: where the lock was just taken, its holder is about to write its name
        with suppress(OSError):
            return (folder / HOLDER).read_text(encoding="utf-8").strip()
        time.sleep(0.025)
    return "another process"  # it was given back meanwhile
