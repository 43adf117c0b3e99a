"""How long training will take, from one batch, in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor, nn

GB = 1e9


def seconds_of(value: Callable[[], Tensor], module: nn.Module, repeats: int = 3) -> tuple[float, float]:
    """Wall time of computing ``value`` and of its gradient, in seconds; leaves the weights of ``module`` as they were.

    Args:
        value: computes one number from a batch.
        module: whose weights it depends on.
        repeats: the fastest counts: the first compiles, and any may be held up by other processes.
    """
    module.eval()
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        started = time.perf_counter()
        result = value()
        forward = time.perf_counter() - started
        result.backward()  # type: ignore[no-untyped-call]
        best = min(best, (forward, time.perf_counter() - started - forward), key=sum)
    module.zero_grad()
    return best


def minutes(seconds: float) -> str:
    """A duration for people.

    >>> minutes(89), minutes(120)
    ('89 s', '2 min')
    """
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
