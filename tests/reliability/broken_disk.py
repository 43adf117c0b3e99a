"""Disks that fail, for the process that calls these functions: a full one, and one that cannot be written."""

import builtins
import errno
import io
import os
import sys
from pathlib import Path

_CHANGES = {
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.truncate",
    "os.utime",
    "os.chmod",
    "os.link",
    "os.symlink",
}


def fill(folder: Path, counter: Path, nth: int) -> None:
    """Let the disk be full from the ``nth`` write to a file below ``folder`` on: half of it is written, then nothing.

    Args:
        folder: files elsewhere are spared.
        counter: a file that gets one byte a write.
        nth: counted from 1; 0: never.
    """
    written = os.open(counter, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Disk(io.FileIO):
        def write(self, data):
            number = os.fstat(written).st_size + 1
            os.write(written, b".")
            if nth and number >= nth:
                if number == nth:
                    super().write(memoryview(data).cast("B")[: len(data) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)
            return super().write(data)

    real = io.open

    def open_on_disk(
        file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest, **options
    ):
        if not (
            set(mode) & set("wax+") and isinstance(file, str | os.PathLike) and _below(file, folder)
        ):
            return real(file, mode, buffering, encoding, errors, newline, *rest, **options)
        raw = Disk(os.fspath(file), mode.replace("b", "").replace("t", ""))
        binary = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return (
            binary
            if "b" in mode
            else io.TextIOWrapper(binary, encoding or "utf-8", errors, newline)
        )

    builtins.open = io.open = open_on_disk


def protect(folder: Path) -> None:
    """Let whatever would change ``folder`` fail as on a file system that is mounted for reading only."""

    def refuse(event, arguments):
        if event == "open":
            path, mode, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or bool(
                set(mode or "") & set("wax+")
            )
        elif event == "os.mkdir":
            path = arguments[0]
            changes = not Path(path).exists()
        elif event in _CHANGES:
            path = arguments[0]
            changes = True
        else:
            return
        if changes and isinstance(path, str | os.PathLike) and _below(path, folder):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), os.fspath(path))

    sys.addaudithook(refuse)


def _below(path, folder):
    return Path(path).absolute().is_relative_to(folder)
