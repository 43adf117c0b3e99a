"""How far a sweep has come, and how long the rest will take, though its trials differ a hundredfold in cost."""

from __future__ import annotations

import time
from collections.abc import Callable

from qllmft.config import RunConfig
from qllmft.experiments.search.plan import Plan
from qllmft.experiments.search.study import POINT, Board
from qllmft.work import circuit_work

_OVERHEAD = 2.0**16  # of a training step, in the unit of a gate on one amplitude


def relative_cost(config: RunConfig) -> float:
    """Work of a training, in gates on one amplitude a sample: epochs times gates times 2^Q."""
    return (_OVERHEAD + circuit_work(config.model)) * config.train.epochs


class TimeLeft:
    """An estimate from the work that was done while this process watched, by all workers.

    Args:
        plan: of the study.
        clock: seconds.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._costs: dict[str, float] = {}
        self._total = 0.0
        self._done = 0.0
        self._first: tuple[float, float] | None = None  # seconds and work when it began to watch

    def update(self, board: Board) -> None:
        """Take in where the study stands."""
        known = self._plan.points | {identity: trial.user_attrs[POINT] for identity, trial in board.done.items()}
        for identity, point in known.items():
            if identity not in self._costs:
                self._costs[identity] = relative_cost(self._plan.configurations(point)[0])
        self._done = sum(self._costs[identity] for identity in board.done)
        if self._plan.is_list:
            self._total = sum(self._costs[identity] for identity in self._plan.points)
        else:
            mean = self._done / len(board.done) if board.done else 1.0
            self._done += mean * board.repeats
            self._total = mean * self._plan.size
        if self._first is None:
            self._first = (self._clock(), self._done)

    def share(self, trial: str | None = None, fraction: float = 0.0) -> float:
        """Of the work, in [0, 1].

        Args:
            trial: identity of one at work.
            fraction: of it that is done.
        """
        return self._work(trial, fraction) / self._total if self._total else 0.0

    def seconds(self, trial: str | None = None, fraction: float = 0.0) -> float | None:
        """Time left; None before anything was done."""
        if self._first is None:
            return None
        began, before = self._first
        work = self._work(trial, fraction)
        if work <= before:
            return None
        return max(0.0, (self._clock() - began) * (self._total - work) / (work - before))

    def _work(self, trial: str | None, fraction: float) -> float:
        return min(self._done + fraction * self._costs.get(trial or "", 0.0), self._total)
