"""One thread for libraries such as BLAS and OpenMP, where many small fits would wait for threads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Literal

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread(user_api: Literal["blas"] | None = None) -> Iterator[None]:
    """Limit BLAS, or all libraries with threads of their own if ``user_api`` is None, to one thread inside."""
    with _find_libraries(len(sys.modules)).limit(limits=1, user_api=user_api):
        yield


@lru_cache(maxsize=1)
def _find_libraries(_n_modules: int) -> ThreadpoolController:
    """Find the loaded libraries, which takes milliseconds. Libraries come with modules, so a new one looks again."""
    return ThreadpoolController()
