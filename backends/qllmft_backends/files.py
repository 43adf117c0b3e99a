"""Files that are written completely or not at all, and read only if they are regular files."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

# numbers of the system's errors for a disk or a quota that is full, and for a file at its greatest size (`ulimit -f`);
# Windows has no quota
FULL_DISK = frozenset({errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)})
MAKE_ROOM = "Make room there, and run the same command again."  # the remedy


class NotRegularError(OSError):
    """Pipe or device in the place of a file: it could be read without end, or wait without end."""


@contextmanager
def open_regular(path: Path, *, append: bool = False) -> Iterator[BinaryIO]:
    """Open a regular file to read it, or to ``append`` to it unless it is a link, or raise OSError."""

    def open_descriptor(name: str, flags: int) -> int:
        # otherwise a pipe waits for its writer
        flags |= getattr(os, "O_NONBLOCK", 0) | (getattr(os, "O_NOFOLLOW", 0) if append else 0)
        descriptor = os.open(name, flags, 0o666)
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # `open` itself refuses a folder
            os.close(descriptor)
            raise NotRegularError(
                errno.EINVAL, "it is a pipe or a device, expected a regular file", name
            )
        return descriptor

    with open(path, "ab" if append else "rb", opener=open_descriptor) as file:
        yield file


def write_bytes(path: Path, content: bytes, temporary: Path | None = None) -> None:
    """Write a file in one step: a crash or a full disk leaves the old content or the new one, never a part.

    Until it is complete, the content is in ``temporary``, by default a hidden file of this process beside it.
    """
    make_folder(path.parent)
    temporary = temporary or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)  # a link in its place would lead the content elsewhere
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        # a full disk is found by a write, which has no name, and people do not know the temporary one
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)
            del error.filename2  # of a renaming; None would be shown
        raise
    with suppress(OSError):  # some file systems have no such thing
        sync_folder(path.parent)


def is_temporary(name: str) -> bool:
    """Return whether `write_bytes` writes to a file of this name before it renames it.

    >>> [is_temporary(name) for name in (".config.toml.4711", "config.toml", ".lock")]
    [True, False, False]
    """
    stem, _, process = name.rpartition(".")
    return stem.startswith(".") and len(stem) > 1 and process.isdecimal()


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, whose names survive a power cut as far as the file system allows it."""
    missing_folders = list(takewhile(lambda path: not path.exists(), (folder, *folder.parents)))
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing_folders:
        with suppress(OSError):
            sync_folder(path.parent)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder, which takes the place of ``folder`` if the block ends without an error.

    A crash or a full disk leaves the old folder with all its files, the new one, or none, never a part. Beside it there
    may remain a hidden folder, which the next call deletes.
    """
    fresh_folder, former_folder = (
        folder.with_name(f".{folder.name}.{suffix}") for suffix in ("new", "old")
    )
    for path in (fresh_folder, former_folder):
        shutil.rmtree(path, ignore_errors=True)
    make_folder(fresh_folder.parent)
    fresh_folder.mkdir()
    try:
        yield fresh_folder
        for path in (fresh_folder, *fresh_folder.rglob("*")):
            sync_folder(path) if path.is_dir() else sync_file(path)
        if folder.exists():
            folder.rename(former_folder)
        fresh_folder.rename(folder)
    except BaseException:
        if former_folder.exists() and not folder.exists():
            former_folder.rename(folder)
        shutil.rmtree(fresh_folder, ignore_errors=True)
        raise
    with suppress(OSError):
        sync_folder(folder.parent)
    shutil.rmtree(former_folder, ignore_errors=True)


def sync_file(path: Path) -> None:
    """Make the content of a file survive a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make the names of a folder's new files survive a power cut. Only POSIX can do this, and needs it."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_path(folder: Path) -> None:
    """Make the names in a folder survive a power cut, and its own name and those of its parents on the same device."""
    sync_folder(folder)
    folder = folder.absolute()
    for parent in folder.parents:
        if parent.stat().st_dev != folder.stat().st_dev:
            return
        # of a folder that this user cannot list, and so has not made
        with suppress(PermissionError):
            sync_folder(parent)
