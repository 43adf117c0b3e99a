"""What numba compiles: kernels on registers of 64 bytes, from single gates up to whole programs."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

_STAMP = "sources.sha256"  # beside numba's cache


def drop_stale_kernels(folder: Path) -> None:
    """Delete numba's cache of ``folder`` if a source has changed since it was written.

    numba compares only the file of a kernel itself, but a kernel contains functions of other files. A stale kernel
    passes wrong arguments to a new one, which can end the process.
    """
    cache = folder / "__pycache__"
    digest = hashlib.sha256(
        b"".join(file.read_bytes() for file in sorted(folder.glob("*.py")))
    ).hexdigest()
    with suppress(OSError):  # a folder that cannot be written has no cache of numba's
        stamp = cache / _STAMP
        if stamp.is_file() and stamp.read_text(encoding="ascii", errors="replace") == digest:
            return
        for pattern in ("*.nb[ic]", "*.compiled"):
            for file in cache.glob(pattern):
                file.unlink(missing_ok=True)
        cache.mkdir(exist_ok=True)
        stamp.write_text(digest, encoding="ascii")


drop_stale_kernels(Path(__file__).parent)
