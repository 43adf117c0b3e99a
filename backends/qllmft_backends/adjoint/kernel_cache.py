"""numba's cache of compiled kernels on disk, for changes of their sources and for several processes at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from numba import njit
from numba.core import sigutils
from numba.core.caching import IndexDataCacheFile
from numba.core.ccallback import CFunc

_STAMP = "sources.sha256"  # beside the kernels
_LOCK = "kernels.lock"  # beside them, too
_digests: dict[Path, str] = {}  # by folder of kernels, of the sources that this process has


def drop_stale_kernels(sources: Iterable[Path], cache: Path) -> None:
    """Delete numba's ``cache`` if a source has changed since it was written.

    numba compares only the file of a kernel itself, but a kernel contains functions and constants of other files. A
    stale kernel passes wrong arguments to a new one, which can end the process.
    """
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(sources))).hexdigest()
    _digests[cache] = digest
    if _stamp_of(cache) == digest:
        return
    with suppress(OSError):  # a folder that cannot be written has no cache of numba's
        cache.mkdir(parents=True, exist_ok=True)
        with _only_process(cache):
            if _stamp_of(cache) == digest:  # another process was first
                return
            for pattern in ("*.nb[ic]", "*.compiled"):
                for file in cache.glob(pattern):
                    file.unlink(missing_ok=True)
            (cache / _STAMP).write_text(digest, encoding="ascii")


def _stamp_of(cache: Path) -> str | None:
    """Return the digest of the sources of a folder's kernels, None if it has none."""
    try:
        return (cache / _STAMP).read_text(encoding="ascii", errors="replace")
    except OSError:
        return None


@contextmanager
def _only_process(cache: Path) -> Iterator[None]:
    """Let one process at a time change a folder of kernels, where the file system has locks."""
    lock = FileLock(cache / _LOCK)
    with suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


class KernelFile(IndexDataCacheFile):  # type: ignore[misc]
    """A function's compiled variants on disk.

    numba numbers them in an index without a lock. Two processes that compile different variants at a time can give both
    the same number, and a later process then runs one in place of the other.
    """

    def save(self, key: Any, data: Any) -> None:
        """Keep a variant, unless the folder has kernels of other sources by now."""
        with _only_process(self._folder):
            if self._is_of_these_sources:
                super().save(key, data)

    def load(self, key: Any) -> Any:
        """Return a variant, or None if there is none of these sources."""
        return super().load(key) if self._is_of_these_sources else None

    @property
    def _folder(self) -> Path:
        return Path(self._cache_path)

    @property
    def _is_of_these_sources(self) -> bool:
        digest = _digests.get(self._folder)
        return digest is None or _stamp_of(self._folder) == digest


def cached_njit(**options: Any) -> Callable[..., Any]:
    """Return numba's decorator `njit` with these options, whose compiled functions are kept in a `KernelFile`."""
    decorate = njit(cache=True, **options)

    def compile_function(function: Callable[..., Any]) -> Any:
        dispatcher = decorate(function)
        _use_kernel_file(dispatcher)
        return dispatcher

    return compile_function


def cached_callback(function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """Compile a function for callers in C as numba's `cfunc` does, and keep it in a `KernelFile`."""
    parts = sigutils.normalize_signature(signature)
    callback = CFunc(function, parts, locals={}, options=options)
    callback.enable_caching()
    _use_kernel_file(callback)
    callback.compile()
    return callback


def _use_kernel_file(compiled: Any) -> None:
    """Let a function of numba's keep its variants in a `KernelFile`. Without a folder it keeps none."""
    file = getattr(compiled._cache, "_cache_file", None)
    if file is not None:
        file.__class__ = KernelFile
