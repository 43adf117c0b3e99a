"""Chunks over the machine's cores: a pool that sleeps when idle, and a caller that never waits for a busy core.

OpenMP's threads spin; beside another busy process that costs a factor of 40. Here the calling thread works through the
chunks itself, helpers take what they get to, and a helper that has not started by the end is called off.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache


def thread_count() -> int:
    """Threads that the engine uses: ``QLLMFT_THREADS``, else the processors that this process may run on.

    Raises:
        ValueError: where ``QLLMFT_THREADS`` is not a positive number.
    """
    return _thread_count(os.environ.get("QLLMFT_THREADS", ""))


@cache
def _thread_count(text: str) -> int:
    """The same, asked once: a pass over a small circuit takes less time than a few questions to the system."""
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(
                f"QLLMFT_THREADS is {text!r}, expected a positive whole number; unset it to use all cores."
            )
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int, helpers: int) -> ThreadPoolExecutor:
    """Helper threads of ``process``: a forked child has none of its parent's threads and makes its own."""
    del process
    return ThreadPoolExecutor(helpers, thread_name_prefix="qllmft")


def for_each(count: int, work: Callable[[int], None]) -> None:
    """Call ``work(i)`` for i in 0..count-1 on several threads; it must release the GIL and write disjoint places."""
    helpers = min(thread_count(), count) - 1
    if helpers < 1:
        for i in range(count):
            work(i)
        return
    counter = itertools.count()  # next() on it is atomic

    def drain() -> None:
        while (i := next(counter)) < count:
            work(i)

    futures: list[Future[None]] = [_pool(os.getpid(), helpers).submit(drain) for _ in range(helpers)]
    try:
        drain()
    finally:
        started = [future for future in futures if not future.cancel()]
        for future in started:
            future.result()
