"""Compiled kernels of former sources, which numba would use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_STAMP = "sources.sha256"  # beside the kernels


def drop_stale_kernels(sources: Iterable[Path], cache: Path) -> None:
    """Delete numba's ``cache`` if a source has changed since it was written.

    numba compares only the file of a kernel itself, but a kernel contains functions and constants of other files. A
    stale kernel passes wrong arguments to a new one, which can end the process.
    """
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(sources))).hexdigest()
    with suppress(OSError):  # a folder that cannot be written has no cache of numba's
        stamp = cache / _STAMP
        if stamp.is_file() and stamp.read_text(encoding="ascii", errors="replace") == digest:
            return
        for pattern in ("*.nb[ic]", "*.compiled"):
            for file in cache.glob(pattern):
                file.unlink(missing_ok=True)
        cache.mkdir(parents=True, exist_ok=True)
        stamp.write_text(digest, encoding="ascii")
