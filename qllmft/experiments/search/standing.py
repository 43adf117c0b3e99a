"""How far a search has come, in runs and in what they cost, though its trials differ a hundredfold in cost."""

from __future__ import annotations

from qllmft.experiments.queue import QueueProgress
from qllmft.experiments.search.plan import SearchPlan
from qllmft.experiments.search.space import Point, grid
from qllmft.experiments.search.store import POINT, SearchState


class SearchStanding:
    """Counts the runs of a search for a queue's progress; the costs of its configurations are worked out once."""

    def __init__(self, plan: SearchPlan, progress: QueueProgress) -> None:
        self._plan = plan
        self._progress = progress
        self._costs: dict[str, float] = {}

    def update(self, state: SearchState) -> None:
        """Tell where the search stands. Of trials that are not known beforehand the mean cost is expected."""
        done = sum(self._cost(identity, trial.user_attrs[POINT]) for identity, trial in state.done.items())
        if self._plan.is_list:
            total = sum(self._cost(identity, point) for identity, point in self._plan.points.items())
        else:
            mean = done / len(state.done) if state.done else self._first_cost()
            done += mean * state.repeats
            total = mean * self._plan.size
        self._progress.update(
            runs=self._plan.size * self._plan.seeds,
            finished=(len(state.done) + state.repeats) * self._plan.seeds,
            cost=total,
            finished_cost=done,
            best=max((trial.value or 0.0 for trial in state.done.values()), default=None),
        )

    def _first_cost(self) -> float:
        point = next(grid(self._plan.parameters))
        return self._cost(self._plan.identity(point), point)

    def _cost(self, identity: str, point: Point) -> float:
        """Of all runs of a configuration."""
        if identity not in self._costs:
            self._costs[identity] = sum(run.cost for run in self._plan.runs(point))
        return self._costs[identity]
