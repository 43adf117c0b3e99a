"""Launches of Triton's kernels, and their compilation at the same time, ahead of the first launch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import triton

_only_compiles = ContextVar("only_compiles", default=False)


def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
    """Launch a kernel over a number of programs. Inside `compile_together`, ask for its compilation only."""
    if _only_compiles.get():
        kernel.warmup(*arguments, grid=(programs,), **constants)
    else:
        kernel[(programs,)](*arguments, **constants)


@contextmanager
def compile_together() -> Iterator[None]:
    """Compile in several threads the kernels that are launched inside, and launch none of them.

    The tensors that they would write keep what is in the memory.
    """
    with ThreadPoolExecutor() as executor, triton.AsyncCompileMode(executor):
        token = _only_compiles.set(True)
        try:
            yield
        finally:
            _only_compiles.reset(token)
