"""A queue of runs: each is trained, taken up or looked up, once, however many processes work on the same runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qllmft.config import RunConfig
from qllmft.data import Findings
from qllmft.experiments.cost import BEGINNING, TimeLeft, epoch_cost, run_cost
from qllmft.run import PassingReporter, Reporter, RunFolder, RunRecord, Tracking, run_tracked
from qllmft.run.lock import RunBusyError
from qllmft.training import EpochMetrics

LOOK_S = 0.2  # between two looks at runs that children are at work on


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be done; its folder is named by its identity."""

    config: RunConfig  # the whole run
    label: str  # what progress calls it: "Single sQE 10Q, seed 0"
    read_test: bool = True  # whether the run reads the test set; without it the run ends after validation

    @property
    def cost(self) -> float:
        """Cost of the run beside other runs."""
        return run_cost(self.config, read_test=self.read_test)

    def folder(self, runs: Path) -> RunFolder:
        """The run's folder in the folder of all runs."""
        return RunFolder(runs / self.config.identity)

    def is_finished(self, runs: Path) -> bool:
        """Whether the run's record is there."""
        folder = self.folder(runs)
        return folder.result_file.exists() or (not self.read_test and folder.validation_file.exists())


@dataclass(frozen=True)
class Standing:
    """How far a queue has come, by the work of all processes.

    Attributes:
        runs: number of runs.
        finished: those of them that are finished.
        share: of the work that is done, in [0, 1].
        seconds_left: time left; None before anything was done.
        best: highest validation accuracy so far, in [0, 1], of a queue that searches for it; else None.
        running: what of ``share`` is of runs that are at work.
    """

    runs: int
    finished: int
    share: float = 0.0
    seconds_left: float | None = None
    best: float | None = None
    running: float = 0.0


class QueueReporter(Reporter):
    """Callbacks of a queue beside those of the runs that are trained here. Override what is of interest.

    Attributes:
        tracking: who is told of each run that is trained here.
    """

    tracking = Tracking()

    def stands(self, standing: Standing) -> None:
        """Before the first run, after each epoch and each run, and after each look at a search's store."""

    def run_begins(self, label: str) -> None:
        """Before each run that is trained here; not before those that are finished or that others train."""

    def run_begins_elsewhere(self, label: str) -> None:
        """Before each run that another process of this command trains."""

    def run_ends(self, label: str, validation: float) -> None:
        """After each run that this command trained, with its validation accuracy in [0, 1]."""


class QueueProgress:
    """Counts what a queue has done and tells its reporter."""

    def __init__(self, reporter: QueueReporter, clock: Callable[[], float] = time.monotonic) -> None:
        self.reporter = reporter
        self._time_left = TimeLeft(clock)
        self._runs = self._finished = 0
        self._best: float | None = None

    def update(self, *, runs: int, finished: int, cost: float, finished_cost: float, best: float | None = None) -> None:
        """Take in how many runs there are and what they cost, and how many of them are finished."""
        self._runs, self._finished, self._best = runs, finished, best
        self._time_left.update(finished_cost, cost)
        self._tell()

    def running(self, cost: float, earlier: float = 0.0) -> None:
        """Take in what is done of the run at work; see `TimeLeft.running`."""
        self._time_left.running(cost, earlier)
        self._tell()

    def run_finished(self, cost: float) -> None:
        """Count one finished run more."""
        self._finished += 1
        self._time_left.update(self._time_left.finished + cost, self._time_left.total)
        self._tell()

    def _tell(self) -> None:
        time_left = self._time_left
        share, running = time_left.share, time_left.running_share
        self.reporter.stands(Standing(self._runs, self._finished, share, time_left.seconds, self._best, running))


def do_run(
    run: PlannedRun,
    runs: Path,
    progress: QueueProgress,
    *,
    wait: bool = True,
    backend_options: Mapping[str, Any] | None = None,
) -> RunRecord:
    """Train a run, or go on with it from its checkpoint, or look up its record.

    Args:
        run: what is to be done.
        runs: the folder of all runs.
        progress: counts and tells.
        wait: where another process works on the run, wait for it and take its record.
        backend_options: see `run_experiment`.

    Raises:
        UserError: for bad input.
        RunBusyError: where another process works on the run, and ``wait`` is off.
        KeyboardInterrupt: where training was interrupted; the same call goes on.
    """
    reporter = Reporter() if run.is_finished(runs) else _ReporterOfRun(run, progress)
    outcome = run_tracked(
        run.config,
        run.folder(runs).path,
        reporter,
        progress.reporter.tracking,
        read_test=run.read_test,
        wait=wait,
        backend_options=backend_options,
    )
    if outcome.record is None:
        raise KeyboardInterrupt
    if isinstance(reporter, _ReporterOfRun):
        reporter.end(outcome.record)
    return outcome.record


def do_free(planned: Sequence[PlannedRun], runs: Path, reporter: QueueReporter) -> None:
    """Do runs as long as there is one that is neither finished nor worked on by another process; see `do_all`."""
    progress = QueueProgress(reporter)
    done = True
    while done:
        done = False
        for run in planned:
            _count(planned, runs, progress)
            if not run.is_finished(runs):
                with suppress(RunBusyError):
                    do_run(run, runs, progress, wait=False)
                    done = True


def do_all(
    planned: Sequence[PlannedRun],
    runs: Path,
    reporter: QueueReporter,
    children_at_work: Callable[[], bool] = lambda: False,
) -> list[RunRecord]:
    """Do every run that is not finished. Processes that are given the same runs share them out among themselves.

    A run that another process works on is left to it. When all that are left are such runs, this process waits for
    one of them: it finds it finished, or goes on with it where the other process has died.

    Args:
        planned: the runs, each with an identity of its own.
        runs: the folder of all runs.
        reporter: who watches.
        children_at_work: whether processes of this command are at work on the runs; they are waited for without a word.

    Returns:
        The records, in the order of ``planned``.

    Raises:
        UserError: for bad input.
        KeyboardInterrupt: where a run was interrupted; the same call goes on.
    """
    progress = QueueProgress(reporter)
    records: dict[int, RunRecord] = {}
    while len(records) < len(planned):
        left = [index for index in range(len(planned)) if index not in records]
        for index in left:
            _count(planned, runs, progress)
            try:
                records[index] = do_run(planned[index], runs, progress, wait=False)
            except RunBusyError:
                continue
        if any(index in records for index in left):
            continue
        if children_at_work():
            time.sleep(LOOK_S)
        else:
            records[left[0]] = do_run(planned[left[0]], runs, progress)
    _count(planned, runs, progress)
    return [records[index] for index in range(len(planned))]


def _count(planned: Sequence[PlannedRun], runs: Path, progress: QueueProgress) -> None:
    """Look which runs are finished, whoever did them."""
    finished = [run for run in planned if run.is_finished(runs)]
    progress.update(
        runs=len(planned),
        finished=len(finished),
        cost=sum(run.cost for run in planned),
        finished_cost=sum(run.cost for run in finished),
    )


class _ReporterOfRun(PassingReporter):
    """Passes a run's reports on to the queue's reporter, and its epochs to the queue's progress as cost.

    The run begins with the first work on it: until then another process may have it.
    """

    def __init__(self, run: PlannedRun, progress: QueueProgress) -> None:
        super().__init__(progress.reporter)
        self._run, self._progress, self._queue = run, progress, progress.reporter
        self._begun = False

    def findings(self, _found: Findings) -> None:
        """Nothing: the runs share their texts, and each record holds what was found in them."""

    def embedding(self, total: int, body: str) -> AbstractContextManager[Callable[[int], None]]:
        self._begin()
        return super().embedding(total, body)

    def contrastive(self, steps: int, done: int) -> AbstractContextManager[Callable[[int], None]]:
        self._begin()
        return super().contrastive(steps, done)

    def fitting(self, name: str) -> AbstractContextManager[None]:
        self._begin()
        return super().fitting(name)

    @contextmanager
    def training(self, epochs: int, done: int) -> Iterator[Callable[[EpochMetrics], None]]:
        self._begin()
        each = epoch_cost(self._run.config)
        self._progress.running(BEGINNING + done * each, earlier=done * each)
        with super().training(epochs, done) as show:

            def report(metrics: EpochMetrics) -> None:
                show(metrics)
                self._progress.running(BEGINNING + metrics.epoch * each)

            yield report

    def end(self, record: RunRecord) -> None:
        """The run has its record; nothing is said where another process made it."""
        if self._begun:
            self._progress.run_finished(self._run.cost)
            self._queue.run_ends(self._run.label, record.head.validation.value)

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._queue.run_begins(self._run.label)
