"""Files of compiled kernels in a folder of this user alone, each with a keyed digest.

The digest is compared before a file is used. A file that does not fit the key and its name is removed, and the kernel
is compiled again. Without a folder or without room on the disk, nothing is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

from qllmft_base.files import write_bytes
from qllmft_engine.bounds import MAX_KERNEL_BYTES

KERNEL = ".kernel"  # suffix of a function's code
MARK = ".compiled"  # suffix of an empty file which says that functions are there
_KEY_FILE = "key"
_KEY_BYTES = 32
_DIGEST = "sha256"
_DIGEST_BYTES = 32
_STALE_AFTER_S = 86_400  # of files of other sources: a process with these may still run
_PACKAGE = Path(__file__).absolute().parent


class KernelStore:
    """Kernels on disk.

    Attributes:
        folder: private folder of the files.
    """

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder = folder
        self._key = key

    def load(self, name: str) -> bytes | None:
        """Return the content of a file, or None if there is none. A file with another digest is removed."""
        try:
            data = _read_file(self.folder / name)
        except FileNotFoundError:
            return None
        except OSError:  # a link, a folder, a pipe
            data = b""
        digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
        if hmac.compare_digest(digest, self._digest(name, content)):
            return content
        _remove(self.folder / name)
        for mark in self.folder.glob(f"*{MARK}"):  # the functions are no longer all there
            _remove(mark)
        return None

    def save(self, name: str, content: bytes) -> None:
        """Keep a file if the disk has room for it."""
        with suppress(OSError):
            write_bytes(self.folder / name, self._digest(name, content) + content)

    def remove_stale(self, prefix: str) -> None:
        """Remove old files whose names do not begin with a prefix, that of the present sources."""
        oldest = time.time() - _STALE_AFTER_S
        with suppress(OSError):
            for path in self.folder.iterdir():
                is_present = path.name.startswith(prefix) or path.name == _KEY_FILE
                if not is_present and path.lstat().st_mtime < oldest:
                    _remove(path)

    def _digest(self, name: str, content: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b"\0" + content, _DIGEST)


@cache
def open_store() -> KernelStore | None:
    """Return the store of this process, or None if no folder can be written that belongs to this user alone.

    Its folder is in the one that ``NUMBA_CACHE_DIR`` names, else beside the package, else among this user's caches. The
    key is beside the package if possible, so that a folder of ``NUMBA_CACHE_DIR`` never brings its own.
    """
    named_folder = os.environ.get("NUMBA_CACHE_DIR")
    named_places = [Path(named_folder).absolute()] if named_folder else []
    folder = _first_private([*named_places, *_default_places()])
    if folder is None:
        return None
    for place in (*_default_places(), *named_places):
        key_folder = _private_folder(place)
        key = None if key_folder is None else _read_key(key_folder)
        if key is not None:
            return KernelStore(folder, key)
    return None


def _default_places() -> Iterable[Path]:
    """Yield the package's folder of compiled files, then this user's caches."""
    import platformdirs

    yield _PACKAGE / "__pycache__"
    yield Path(platformdirs.user_cache_dir("qllmft", appauthor=False))


def _first_private(places: Iterable[Path]) -> Path | None:
    return next((folder for place in places if (folder := _private_folder(place))), None)


def _private_folder(place: Path) -> Path | None:
    """Return this user's folder of kernels in a place, made if it is missing. None if others may have written to it."""
    user = str(os.geteuid()) if hasattr(os, "geteuid") else "user"
    installation = hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:12]
    folder = place / f"qllmft-kernels-{user}-{installation}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        is_private = _make_private(folder)
    except OSError:
        return None
    return folder if is_private and os.access(folder, os.W_OK | os.X_OK) else None


def _make_private(folder: Path) -> bool:
    """Close a folder of this user to others, and return whether it is one."""
    if os.name != "posix":  # a new folder has the rights of its parent, of this user's profile
        return folder.is_dir() and not folder.is_symlink()
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(descriptor)
        if facts.st_uid != os.geteuid():
            return False
        if stat.S_IMODE(facts.st_mode) & 0o077:
            os.fchmod(descriptor, 0o700)
            _remove(folder / _KEY_FILE)  # others may know it; without it, no file fits
    finally:
        os.close(descriptor)
    return True


def _read_key(folder: Path) -> bytes | None:
    """Return the key in a private folder, made if it is missing or damaged. None if the disk is full."""
    path = folder / _KEY_FILE
    for _ in range(2):
        with suppress(OSError):
            key = _read_file(path)
            if len(key) == _KEY_BYTES:
                return key
        _remove(path)
        with suppress(OSError):
            write_bytes(path, secrets.token_bytes(_KEY_BYTES))
    return None


def _read_file(path: Path) -> bytes:
    """Return the content of a regular file. OSError for a link, a folder, a pipe or a large file."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_KERNEL_BYTES:
            raise OSError(f"{path} is no file of kernels")
        return file.read(MAX_KERNEL_BYTES)


def _remove(path: Path) -> None:
    """Remove what has the name of a file, if this is possible."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
