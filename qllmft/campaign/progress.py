"""Progress of a campaign, from the folders of its runs."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from qllmft.campaign.plan import FinishedRuns, Plan, PlannedRun
from qllmft.events import CampaignAdvanced, EpochEnded, Event, OnEvent, RunEnded

LOOK_S = 1.0  # between two looks at the folders of the runs


class CampaignProgress:
    """Listener that forwards all events and adds `CampaignAdvanced` after epochs and runs, once per second at most."""

    def __init__(
        self,
        plan: Plan,
        finished: FinishedRuns,
        on_event: OnEvent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan, self._finished, self._on_event, self._clock = plan, finished, on_event, clock
        self._last_look = -math.inf
        # time of the first look, and the share done by then
        self._start: tuple[float, float] | None = None

    def __call__(self, event: Event) -> None:
        """Forward an event, and report progress if the event ended an epoch or a run."""
        if isinstance(event, RunEnded):
            self.report(at_once=True)
        self._on_event(event)
        if isinstance(event, EpochEnded):
            self.report()

    def report(self, *, at_once: bool = False) -> None:
        """Report progress, unless the last look was less than a second ago and ``at_once`` is False."""
        now = self._clock()
        if not at_once and now - self._last_look < LOOK_S:
            return
        self._last_look = now
        planned = self._plan.runs(self._finished)
        share = self._share(planned)
        # a killed run falls back to its last checkpoint
        if self._start is None or share < self._start[1]:
            self._start = now, share
        began, before = self._start
        left = (now - began) * (1 - share) / (share - before) if share > before else None
        count = sum(self._finished.has(run) for run in planned)
        best, task = self._best(planned), planned[0].config.data.task
        self._on_event(CampaignAdvanced(self._plan.size, count, share, best, left, task))

    def _share(self, planned: Sequence[PlannedRun]) -> float:
        """Return the finished share of the cost. Runs that are not planned yet cost the mean of the others."""
        folder = self._finished.folder
        begun = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        done = math.fsum(
            run.cost
            if self._finished.has(run)
            else run.begun_cost(run.folder(folder).epochs_done())
            for run in planned
            if run.identity in begun
        )
        cost = math.fsum(run.cost for run in planned)
        return min(done / cost * len(planned) / self._plan.size, 1.0) if cost else 0.0

    def _best(self, planned: Sequence[PlannedRun]) -> float | None:
        """Return the highest mean validation score among points whose seeds are all finished."""
        if not self._plan.selects:
            return None
        points: defaultdict[str, dict[str, PlannedRun]] = defaultdict(dict)
        for run in planned:
            points[json.dumps(run.point)][run.identity] = run
        whole = [
            runs.values() for runs in points.values() if all(map(self._finished.has, runs.values()))
        ]
        return max(map(self._finished.mean_validation, whole), default=None)
