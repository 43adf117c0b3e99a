"""Moment until which a call waits."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Deadline:
    """Moment ``seconds`` after its construction."""

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Return the seconds that are left. 0 once it has passed."""
        return max(0.0, self._start + self.seconds - time.monotonic())
