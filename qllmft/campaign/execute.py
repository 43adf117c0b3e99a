"""Execution of a plan: every run is done once, however many processes and machines work on the same folder."""

from __future__ import annotations

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from qllmft.campaign.plan import FinishedRuns, Plan, PlannedRun
from qllmft.events import (
    CampaignAdvanced,
    DataChecked,
    EpochEnded,
    Event,
    Message,
    OnEvent,
    RunEnded,
    RunStarted,
    StageStarted,
    ignore,
)
from qllmft.run import RunRecord, SharedInputs, Tracking, run_tracked
from qllmft.run.lock import RunBusyError

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
        now, folder = self._clock(), self._finished.folder
        if not at_once and now - self._last_look < LOOK_S:
            return
        self._last_look = now
        planned = self._plan.runs(self._finished)
        begun = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        done = math.fsum(
            run.cost(None if self._finished.has(run) else run.folder(folder).epochs_done())
            for run in planned
            if run.identity in begun
        )
        cost = math.fsum(run.cost() for run in planned)
        # runs that are not planned yet cost the mean of the others
        share = min(done / cost * len(planned) / self._plan.size, 1.0) if cost else 0.0
        # a killed run falls back to its last checkpoint
        if self._start is None or share < self._start[1]:
            self._start = now, share
        began, before = self._start
        left = (now - began) * (1 - share) / (share - before) if share > before else None
        count, task = sum(map(self._finished.has, planned)), planned[0].config.data.task
        best = self._best() if self._plan.selects else None
        self._on_event(CampaignAdvanced(self._plan.size, count, share, best, left, task))

    def _best(self) -> float | None:
        """Return the highest mean validation score among points whose seeds are all finished."""
        points: defaultdict[str, dict[str, PlannedRun]] = defaultdict(dict)
        for run in self._plan.runs(self._finished):
            points[json.dumps(run.point)][run.identity] = run
        whole = [
            runs.values() for runs in points.values() if all(map(self._finished.has, runs.values()))
        ]
        return max(map(self._finished.mean_validation, whole), default=None)


def do_run(
    run: PlannedRun,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
) -> RunRecord:
    """Do a run, continue it from its checkpoint, or check and read its record.

    Args:
        run: the run.
        runs: folder of the campaign's run folders.
        on_event: gets the run's events.
        tracking: services that follow the run.
        inputs: texts and embeddings that runs of this process share; None: of this run alone.

    Raises:
        UserError: for bad input, or if the run was finished on other texts.
        RunBusyError: if another process works on the run.
        KeyboardInterrupt: if training was interrupted; the same call continues.
    """
    started = False

    def listen(event: Event) -> None:
        nonlocal started
        # until then another process may have the run
        if isinstance(event, StageStarted) and not started:
            started = True
            on_event(RunStarted(run.label))
        # the runs share their texts, and each record holds the findings
        if not isinstance(event, DataChecked):
            on_event(event)

    outcome = run_tracked(
        run.config,
        run.folder(runs).path,
        ignore if run.is_finished(runs) else listen,
        tracking,
        read_test=run.read_test,
        wait=False,
        inputs=inputs,
    )
    if outcome.record is None:
        raise KeyboardInterrupt
    if started:
        score = outcome.record.head.validation.value
        on_event(RunEnded(run.label, score, run.config.data.task))
    return outcome.record


def do_all(
    plan: Plan,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
    others_at_work: Callable[[], bool] = lambda: False,
) -> None:
    """Do every run of a plan that is not finished, and wait for those of other processes.

    A run that another process works on is left to it. If that process dies, this one continues the run.
    Errors are those of `do_run`.

    Args:
        plan: the runs.
        runs: folder of their folders.
        on_event: gets the events of the runs and the campaign's progress.
        tracking: services that follow the runs.
        inputs: texts and embeddings that the runs share.
        others_at_work: returns whether other processes of this command are alive, which are waited for silently.
    """
    finished, inputs = FinishedRuns(runs), inputs or SharedInputs()
    checked: set[str] = set()
    waited_for = ""
    progress = CampaignProgress(plan, finished, on_event)
    progress.report(at_once=True)
    while left := {r.identity: r for r in plan.runs(finished) if r.identity not in checked}:
        before, busy = len(checked), ""
        for run in left.values():
            try:
                do_run(run, runs, progress, tracking, inputs)
                checked.add(run.identity)
            except RunBusyError as error:
                busy = str(error)
        if len(checked) == before:
            if busy != waited_for and not others_at_work():
                waited_for = busy
                on_event(Message(f"{busy}; waiting for it"))
            progress.report()
            time.sleep(LOOK_S)
    progress.report(at_once=True)
