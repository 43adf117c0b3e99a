"""Lock of a folder for one process; the system releases it if the process dies, even by kill -9."""

from __future__ import annotations

import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from qllmft.bounds import MAX_LOCK_HOLDER_BYTES
from qllmft_base.errors import UserError
from qllmft_base.files import make_folder, open_regular, read_text, write_text

LOCK_FILE = ".lock"  # files of a run's folder
HOLDER_FILE = ".lock-holder"
_MAX_ATTEMPTS = 100  # to make a folder that other processes delete


class RunBusyError(Exception):
    """Another process works on the run."""


@contextmanager
def sole_use(folder: Path, on_wait: Callable[[str], None] | None) -> Iterator[None]:
    """Lock ``folder``, which is made if it is missing, during a block.

    ``on_wait`` gets a sentence before this process waits for another one; if it is None, RunBusyError is raised.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()] or [folder]
    try:
        lock = _acquire_lock(folder, on_wait)
    except UserError:
        _delete_lock(folder, missing)
        raise
    try:
        since = datetime.now().astimezone().isoformat(timespec="seconds")
        write_text(
            folder / HOLDER_FILE, f"process {os.getpid()} on {socket.gethostname()} since {since}\n"
        )
        yield
    finally:
        _delete_lock(folder, missing)
        lock.release()


def _delete_lock(folder: Path, new_folders: list[Path]) -> None:
    with suppress(OSError):  # an empty file remains if the system cannot delete open files
        (folder / HOLDER_FILE).unlink(missing_ok=True)
        (folder / LOCK_FILE).unlink()
        for path in new_folders:  # fails unless they are empty
            path.rmdir()


def _acquire_lock(folder: Path, on_wait: Callable[[str], None] | None) -> FileLock:
    """Return the lock on a file that still exists: the holder deletes the file before it releases the lock."""
    for _ in range(_MAX_ATTEMPTS):
        try:
            make_folder(folder)
            if (folder / LOCK_FILE).is_symlink():  # it could create or empty a file elsewhere
                raise UserError(
                    f"{folder / LOCK_FILE} is a link, expected a file of this folder. Delete it."
                )
            (folder / LOCK_FILE).touch()
            _check_flock(folder)
            inode = (folder / LOCK_FILE).stat().st_ino
            lock = _wait_for_lock(folder, on_wait)
        except FileNotFoundError:  # another process has deleted the empty folder
            continue
        # another process did so between the attempt to make it and the check of its kind
        except FileExistsError:
            with suppress(FileNotFoundError):
                if not stat.S_ISDIR(folder.lstat().st_mode):
                    raise
            continue
        with suppress(FileNotFoundError):
            if (folder / LOCK_FILE).stat().st_ino == inode:
                return lock
        lock.release()
    raise UserError(
        f"the folder {folder} cannot be made. Is a link in its path broken, or a disk not there? Choose another folder."
    )


def _check_flock(folder: Path) -> None:
    """Raise UserError if the file system has no locks, as Lustre may be mounted."""
    if sys.platform == "win32":
        return
    import fcntl

    with open_regular(folder / LOCK_FILE) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_UN)  # nothing is locked yet, so this has no effect
        except OSError as error:
            raise UserError(
                f"{folder} cannot be locked ({error.strerror}), which keeps two processes from writing the same run. "
                "Choose a folder on another file system, or mount this one with flock."
            ) from error


def _wait_for_lock(folder: Path, on_wait: Callable[[str], None] | None) -> FileLock:
    lock = FileLock(folder / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        holder = "another process"  # which has released it since
        # half a second: a process that has just acquired the lock is about to write its name
        for _ in range(20):
            with suppress(OSError, ValueError):  # UserError and broken UTF-8 are ValueErrors
                holder = read_text(folder / HOLDER_FILE, MAX_LOCK_HOLDER_BYTES).strip()
                break
            time.sleep(0.025)
        busy = f"the run {folder} is worked on by {holder}"
        if on_wait is None:
            raise RunBusyError(busy) from None
        on_wait(f"{busy}. Waiting for it.")
        lock.acquire()
    return lock
