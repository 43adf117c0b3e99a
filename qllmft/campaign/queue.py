"""A queue of runs: each is trained, taken up or looked up, once, however many processes work on the same runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from qllmft.campaign.cost import begun_cost, run_cost
from qllmft.config import RunConfig
from qllmft.events import DataChecked, EpochEnded, Event, Message, StageStarted, ignore
from qllmft.run import RunFolder, RunRecord, Tracking, run_tracked
from qllmft.run.lock import RunBusyError

LOOK_S = 1.0  # between two looks at how far a queue has come, and at runs that children are at work on


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be done; its folder is named by its identity."""

    config: RunConfig  # the whole run
    label: str  # what progress calls it: "Single sQE 10Q, seed 0"
    read_test: bool = True  # whether the run reads the test set; without it the run ends after validation

    @cached_property
    def identity(self) -> str:
        """The configuration's."""
        return self.config.identity

    @cached_property
    def cost(self) -> float:
        """Cost of the run beside other runs."""
        return run_cost(self.config, read_test=self.read_test)

    def folder(self, runs: Path) -> RunFolder:
        """The run's folder in the folder of all runs."""
        return RunFolder(runs / self.identity)

    def is_finished(self, runs: Path) -> bool:
        """Whether the run's record is there."""
        folder = self.folder(runs)
        return folder.result_file.exists() or (not self.read_test and folder.validation_file.exists())


@dataclass(frozen=True)
class Standing:
    """How far a queue has come, by the work of all processes."""

    runs: int  # number of runs
    finished: int  # those of them that are finished
    done: float  # what is done of the cost
    cost: float  # of all runs
    best: float | None = None  # highest validation accuracy so far, in [0, 1], of a queue that searches for it
    seconds_left: float | None = None  # time left; None before anything was done

    @property
    def share(self) -> float:
        """What is done of the work, in [0, 1]."""
        return min(self.done / self.cost, 1.0) if self.cost else 0.0


class QueueReporter:
    """Callbacks of a queue; called with the events of the runs that are trained here. Override what is of interest."""

    tracking = Tracking()  # who is told of each run that is trained here

    def __call__(self, event: Event) -> None:
        """Handle an event of a run."""
        if isinstance(event, Message):
            self.message(event.text)

    def message(self, text: str) -> None:
        """Handle a line of text."""

    def stands(self, standing: Standing) -> None:
        """Before the first run, in and after each run, and after each look at a search's store."""

    def run_begins(self, label: str) -> None:
        """Before each run that is trained here; not before those that are finished or that others train."""

    def run_begins_elsewhere(self, label: str) -> None:
        """Before each run that a child of this process trains."""

    def run_ends(self, label: str, validation: float) -> None:
        """After each run that was trained here or by a child, with its validation accuracy in [0, 1]."""


class QueueProgress:
    """Looks how far a queue has come and tells its reporter, with the time left.

    Args:
        reporter: who is told.
        runs: the folder of all runs.
        clock: seconds that go up.

    Attributes:
        begun: the runs that were begun here since the last `watch`, by identity.
        check: called at each look; raises where the work is to end.
    """

    def __init__(self, reporter: QueueReporter, runs: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.reporter, self.runs = reporter, runs
        self.begun: dict[str, PlannedRun] = {}
        self.check: Callable[[], None] = lambda: None
        self._clock = clock
        self._look: Callable[[], Standing] | None = None
        self._looked = -math.inf
        self._first: tuple[float, float] | None = None  # when it was looked first, and what was done by then

    def done(self, planned: Iterable[PlannedRun]) -> tuple[int, float]:
        """How many runs are finished, and what is done of the cost of all, by their folders, whoever works on them."""
        there = {path.name for path in self.runs.iterdir()} if self.runs.is_dir() else set()
        finished, cost = 0, 0.0
        for run in planned:
            if run.identity in there and run.is_finished(self.runs):
                finished, cost = finished + 1, cost + run.cost
            elif run.identity in there:
                cost += begun_cost(run.config, run.folder(self.runs).epochs_done())
        return finished, cost

    def watch(self, look: Callable[[], Standing]) -> None:
        """Look this way from now on, and tell."""
        self._look = look
        self.begun.clear()
        self.tell(at_once=True)

    def tell(self, *, at_once: bool = False) -> None:
        """Tell how far the queue has come; nothing where that was told less than a second ago."""
        now = self._clock()
        if self._look is None or not (at_once or now - self._looked >= LOOK_S):
            return
        self.check()
        self._looked, standing = now, self._look()
        if self._first is None or standing.done < self._first[1]:  # a killed run has lost what no checkpoint had
            self._first = now, standing.done
        began, earlier = self._first
        worked = standing.done - earlier  # what was done before tells nothing of the speed
        left = (now - began) * (standing.cost - standing.done) / worked if worked > 0 else None
        self.reporter.stands(replace(standing, seconds_left=left))


def do_run(
    run: PlannedRun, progress: QueueProgress, *, wait: bool = True, backend_options: Mapping[str, Any] | None = None
) -> RunRecord:
    """Train a run, or go on with it from its checkpoint, or look up its record.

    Args:
        run: what is to be done.
        progress: whose folder of runs it is in; it looks and tells.
        wait: where another process works on the run, wait for it and take its record.
        backend_options: see `run_experiment`.

    Raises:
        UserError: for bad input.
        RunBusyError: where another process works on the run, and ``wait`` is off.
        KeyboardInterrupt: where training was interrupted; the same call goes on.
    """
    listener = None if run.is_finished(progress.runs) else _RunListener(run, progress)
    outcome = run_tracked(
        run.config,
        run.folder(progress.runs).path,
        listener or ignore,
        progress.reporter.tracking,
        read_test=run.read_test,
        wait=wait,
        backend_options=backend_options,
    )
    if outcome.record is None:
        raise KeyboardInterrupt
    if listener:
        listener.end(outcome.record)
    return outcome.record


def do_free(planned: Sequence[PlannedRun], runs: Path, reporter: QueueReporter) -> None:
    """Do runs as long as there is one that is neither finished nor worked on by another process; see `do_all`."""
    progress = QueueProgress(reporter, runs)
    done = True
    while done:
        done = False
        for run in planned:
            if not run.is_finished(runs):
                with suppress(RunBusyError):
                    do_run(run, progress, wait=False)
                    done = True


def do_all(
    planned: Sequence[PlannedRun], progress: QueueProgress, children_at_work: Callable[[], bool] = lambda: False
) -> list[RunRecord]:
    """Do every run that is not finished. Processes that are given the same runs share them out among themselves.

    A run that another process works on is left to it. When all that are left are such runs, this process waits for
    one of them: it finds it finished, or goes on with it where the other process has died.

    Args:
        planned: the runs, each with an identity of its own.
        progress: whose folder of runs they are in; it looks and tells.
        children_at_work: whether processes of this command are at work on the runs; they are waited for without a word.

    Returns:
        The records, in the order of ``planned``.

    Raises:
        UserError: for bad input.
        KeyboardInterrupt: where a run was interrupted; the same call goes on.
    """
    cost = sum(run.cost for run in planned)
    progress.watch(lambda: Standing(len(planned), *progress.done(planned), cost))
    records: dict[int, RunRecord] = {}
    while len(records) < len(planned):
        left = [index for index in range(len(planned)) if index not in records]
        for index in left:
            try:
                records[index] = do_run(planned[index], progress, wait=False)
            except RunBusyError:
                continue
        if any(index in records for index in left):
            continue
        if children_at_work():
            progress.tell()
            time.sleep(LOOK_S)
        else:
            records[left[0]] = do_run(planned[left[0]], progress)
    progress.tell(at_once=True)
    return [records[index] for index in range(len(planned))]


class _RunListener:
    """Forwards a run's events to the queue's reporter, and lets the queue's progress look after each epoch.

    The run begins with the first work on it: until then another process may have it.
    """

    def __init__(self, run: PlannedRun, progress: QueueProgress) -> None:
        self._run, self._progress, self._queue = run, progress, progress.reporter
        self._begun = False

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageStarted):
            self._begin()
        if not isinstance(event, DataChecked):  # the runs share their texts, and each record holds the findings
            self._queue(event)
        if isinstance(event, EpochEnded):
            self._progress.tell()

    def end(self, record: RunRecord) -> None:
        """Report the end of the run; nothing is said where another process made it."""
        if self._begun:
            self._progress.tell(at_once=True)
            self._queue.run_ends(self._run.label, record.head.validation.value)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._progress.begun[self._run.identity] = self._run
            self._progress.tell(at_once=True)
            self._queue.run_begins(self._run.label)
