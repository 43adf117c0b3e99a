"""Duration of training, from one batch, and in words."""

from __future__ import annotations

import time
from collections.abc import Callable

from torch import Tensor, nn

GB = 1e9


def seconds_of(
    value: Callable[[], Tensor], module: nn.Module, repeats: int = 3
) -> tuple[float, float]:
    """Measure the wall time of ``value``, one number, and of its gradient, in seconds, without a change of the weights.

    The fastest repetition counts, since the first one compiles and other processes may delay any.
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


def duration_text(seconds: float) -> str:
    """Return a duration in words.

    >>> duration_text(89), duration_text(120), duration_text(9000)
    ('89 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
