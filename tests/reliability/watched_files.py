"""Every change that a process makes to the files of a folder, and every POST: recorded, and one broken."""

import ctypes
import functools
import os
import platform
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")
KINDS = (
    "create", "write", "truncate", "sync", "sync folder", "rename", "unlink", "mkdir", "rmdir", "link", "symlink",
    "POST header", "POST body", "POST answer",
)  # fmt: skip
DIES = -1
_RECORD = struct.Struct("=IIIIQQ")


@dataclass(frozen=True)
class Operation:
    """One change.

    Attributes:
        kind: of `KINDS`.
        inode: of the file; 0: a change of names.
        offset: of the first byte of a write, or the new length.
        path: of the name that changed.
        data: what was written, the new name, or the first line of a request.
    """

    kind: str
    inode: int
    offset: int
    path: str
    data: bytes


def read_journal(journal: Path) -> list[Operation]:
    """The operations of a process that has ended, in their order."""
    content = journal.read_bytes()
    operations = []
    at = 0
    while at < len(content):
        kind, first, second, _, inode, offset = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        path = content[at : at + first]
        data = content[at + first : at + first + second]
        at += first + second
        operations.append(Operation(KINDS[kind - 1], inode, offset, os.fsdecode(path), data))
    return operations


@functools.cache
def library() -> Path:
    """The compiled library; a test is skipped where there is no C compiler, or another system."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        pytest.skip("system calls are watched on Linux on x86-64 only")
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler (cc)")
    file = Path(tempfile.mkdtemp(prefix="qllmft-watched-")) / "watched_files.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-pthread", "-o", str(file), str(SOURCE)]
    subprocess.run(command, check=True)
    return file


def watch(library: Path, folder: Path, journal: Path, nth: int = 0, fault: int = 0) -> None:
    """Watch this process from now on.

    Args:
        library: see `library`.
        folder: changes below it are operations, and so are the parts of each POST.
        journal: a file elsewhere, which gets them.
        nth: number of the operation that is broken, counted from 1; 0: none.
        fault: its error; `DIES`: the process dies in its place.
    """
    watched = ctypes.CDLL(str(library)).watch
    watched.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_int]
    if watched(os.fsencode(folder), os.fsencode(journal), nth, fault):
        raise OSError("this system lets no process watch its own system calls (seccomp)")
