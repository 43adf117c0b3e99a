"""Progress of a campaign: runs that are left to do, those that are done, and the time that is left."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Set

from qllmft.events import (
    CampaignAdvanced,
    EpochEnded,
    Event,
    OnEvent,
    RunEnded,
)
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun

REPORT_INTERVAL_S = 1.0  # between two reports


class CampaignProgress:
    """Listener that forwards all events and adds `CampaignAdvanced` after epochs and runs, once per second at most."""

    def __init__(
        self,
        plan: Plan,
        finished: FinishedRuns,
        on_event: OnEvent,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plan = plan
        self._finished = finished
        self._on_event = on_event
        self._clock = clock
        self._last_report = -math.inf
        # time of the first look, and the share done by then
        self._start: tuple[float, float] | None = None

    def rounds(self, checked: Set[str]) -> Iterator[dict[str, PlannedRun]]:
        """Yield the planned runs, by identity, without the ``checked`` ones, again and again until none is left.

        Args:
            checked: identities of the runs that are finished and were read. The caller adds to it between two rounds.
        """
        self.report(at_once=True)
        while unchecked_runs := {
            run.identity: run
            for run in self._plan.runs(self._finished)
            if run.identity not in checked
        }:
            yield unchecked_runs
            self.report()
        self.report(at_once=True)

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
        folder = self._finished.folder
        if not at_once and now - self._last_report < REPORT_INTERVAL_S:
            return
        self._last_report = now
        planned = self._plan.runs(self._finished)
        begun_identities = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        done = math.fsum(
            run.cost(None if self._finished.has(run) else run.folder(folder).epochs_done())
            for run in planned
            if run.identity in begun_identities
        )
        cost = math.fsum(run.cost() for run in planned)
        # runs that are not planned yet cost the mean of the others
        share = min(done / cost * len(planned) / self._plan.size, 1.0) if cost else 0.0
        # a killed run falls back to its last checkpoint
        if self._start is None or share < self._start[1]:
            self._start = now, share
        start_time, start_share = self._start
        seconds_left = (
            (now - start_time) * (1 - share) / (share - start_share)
            if share > start_share
            else None
        )
        n_finished = sum(map(self._finished.has, planned))
        task = planned[0].config.data.task
        points: defaultdict[str, dict[str, PlannedRun]] = defaultdict(dict)
        for run in planned if self._plan.selects else ():
            points[json.dumps(run.point)][run.identity] = run
        # of points whose seeds are all finished
        complete_points = [
            point_runs.values()
            for point_runs in points.values()
            if all(map(self._finished.has, point_runs.values()))
        ]
        best = max(map(self._finished.mean_validation, complete_points), default=None)
        self._on_event(
            CampaignAdvanced(self._plan.size, n_finished, share, best, seconds_left, task)
        )
