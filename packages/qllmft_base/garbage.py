"""Python's collection of garbage in processes that run nothing but qllmft.

A collection looks through the objects of all libraries, of which torch and transformers alone make hundreds of
thousands. Programs that import qllmft keep Python's settings.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_PER_COLLECTION = 100_000  # new ones; Python's 700 have a thousand collections in a run


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect garbage seldom until the process ends, and not at its end, where Python ignores what is frozen."""
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    try:
        yield
    finally:
        gc.freeze()
