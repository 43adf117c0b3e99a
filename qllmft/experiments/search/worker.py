"""The loop of every process that works on a study: take a trial, train it, write down what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.config import RunConfig
from qllmft.experiments.search.liveness import Presence
from qllmft.experiments.search.permission import Permission
from qllmft.experiments.search.space import Parameter, Point, Value
from qllmft.experiments.search.study import ERROR, IDENTITY, POINT, RESULT, REUSED, WORKER, Board, StudyBook
from qllmft.experiments.search.trials import TrialResult, run_trial
from qllmft.randomness import derive_seed
from qllmft.run import Reporter

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

POLL_S = 1.0  # between two looks at a study whose trials are all taken
GLANCE_S = 0.05  # between two looks at a trial that is about to choose its configuration


class SweepReporter(Reporter):
    """What a sweep tells whoever watches it; a trial's own reports come through the same object."""

    def standing(self, board: Board) -> None:
        """Where the study stands; called before each trial and while waiting."""

    def trial(self, point: Point, config: RunConfig) -> None:
        """What is trained next."""


Execute = Callable[[RunConfig], TrialResult]


def local_execute(runs: Path, reporter: Reporter, permission: Permission | None = None) -> Execute:
    """Train here; without the test set. ``permission`` is needed where the plan is not this process's own."""

    def execute(config: RunConfig) -> TrialResult:
        options = permission.options_for(config) if permission else None
        return run_trial(config, runs, reporter, read_test=False, backend_options=options)

    return execute


@dataclass(frozen=True)
class Worker:
    """One of those that work on a study.

    Attributes:
        book: the study.
        presence: this process's sign of life.
        execute: trains a configuration.
        reporter: who watches.
        halted: says when to stop before the study is finished.
    """

    book: StudyBook
    presence: Presence
    execute: Execute
    reporter: SweepReporter
    halted: Callable[[], bool] = lambda: False

    def work(self) -> None:
        """Work until the study is finished, by this worker or by others.

        Raises:
            UserError: where a configuration cannot be trained, or the storage fails.
            KeyboardInterrupt: where a training was interrupted; the trial is anybody's again.
        """
        with self.book.storage.explained():
            while not self.halted():
                self._recover()
                board = self.book.board()
                if self.book.top_up(board):
                    continue
                self.reporter.standing(board)
                if board.finished:
                    return
                if board.available:
                    self._take_one()
                else:
                    time.sleep(POLL_S)

    def _recover(self) -> None:
        """Give up the trials of dead processes."""
        self.book.give_up_stale()
        running = self.book.board().running
        dead = self.presence.dead(str(trial.user_attrs.get(WORKER)) for trial in running.values())
        if not dead:
            return
        # read again: before it died a process may have finished what was still running above
        for number, trial in self.book.board().running.items():
            if trial.user_attrs.get(WORKER) in dead:
                self.book.give_up(number)

    def _take_one(self) -> None:
        from optuna.exceptions import UpdateFinishedTrialError

        plan = self.book.plan
        seed = derive_seed(int(plan.base["seed"]), "proposal", len(self.book.trials())) % 2**32
        study = self.book.study(seed)
        attempt = _Attempt(self)
        try:
            study.optimize(attempt, n_trials=1)
        except (ValueError, UpdateFinishedTrialError):
            # a trial that others gave up while this process stood still; they have taken it up again
            if attempt.trial is None or not _is_over(study.get_trials(deepcopy=False)[attempt.trial.number]):
                raise
            if attempt.failed:
                raise
            self.reporter.message("a trial was given up by others, because this process had not been heard of")


def _is_over(trial: FrozenTrial) -> bool:
    from optuna.trial import TrialState

    return trial.state == TrialState.FAIL


class _Attempt:
    """What optuna calls for a trial."""

    def __init__(self, worker: Worker) -> None:
        self.trial: Trial | None = None
        self.failed = False
        self._worker = worker
        self._plan = worker.book.plan

    def __call__(self, trial: Trial) -> float:
        """Mean validation accuracy over the seeds, in [0, 1]."""
        from optuna import TrialPruned

        self.trial = trial
        trial.set_user_attr(WORKER, self._worker.presence.name)
        if self._plan.is_list and IDENTITY not in trial.user_attrs:
            raise TrialPruned("others had taken the last of the queue")
        point = {parameter.name: suggest(trial, parameter, self._plan.sampler) for parameter in self._plan.parameters}
        configurations = self._plan.configurations(point)
        identity = configurations[0].identity
        if not self._plan.is_list:
            trial.set_user_attr(POINT, point)
            trial.set_user_attr(IDENTITY, identity)
        earlier = self._earlier(trial.number, identity)
        if earlier is not None and earlier.value is not None:
            if self._plan.is_list:
                raise TrialPruned("others have done it meanwhile")
            trial.set_user_attr(REUSED, earlier.number)
            return earlier.value
        try:
            results = []
            for config in configurations:
                self._worker.reporter.trial(point, config)
                results.append(self._worker.execute(config))
        except Exception as error:
            self.failed = True
            trial.set_user_attr(ERROR, str(error) or repr(error))
            raise
        trial.set_user_attr(RESULT, summary(results))
        return math.fsum(result.validation.value for result in results) / len(results)

    def _earlier(self, number: int, identity: str) -> FrozenTrial | None:
        """The finished trial of the same configuration.

        Two that choose the same at the same time are told apart by number: who is earlier goes on, and who is later
        looks only when all earlier ones have said what they chose.

        Raises:
            TrialPruned: where another one is at work on it, or there are trials enough.
        """
        from optuna import TrialPruned
        from optuna.trial import TrialState

        while True:
            trials = self._worker.book.trials()
            before = [t for t in trials[:number] if t.state in (TrialState.RUNNING, TrialState.WAITING)]
            if all(IDENTITY in t.user_attrs for t in before):
                break
            self._worker._recover()
            time.sleep(GLANCE_S)
        same = [t for t in trials if t.number != number and t.user_attrs.get(IDENTITY) == identity]
        complete = sum(t.state == TrialState.COMPLETE for t in trials)
        if not self._plan.is_list and complete + len(before) >= self._plan.size:
            raise TrialPruned("there are trials enough")
        done = [t for t in same if t.state == TrialState.COMPLETE]
        if done:
            return done[0]
        if any(t in before for t in same):
            raise TrialPruned("another trial of this configuration is under way")
        return None


def suggest(trial: Trial, parameter: Parameter, sampler: str) -> Value:
    """A parameter's level in a trial; for a search beyond the grid, a number on its scale where it has one."""
    if parameter.scale == "log" and sampler in ("qmc", "tpe") and len(parameter.values) > 1:
        return trial.suggest_float(parameter.name, *parameter.limits, log=True)
    return trial.suggest_categorical(parameter.name, parameter.labels)


def summary(results: list[TrialResult]) -> dict[str, Any]:
    """What a trial keeps in the study: lists over the seeds."""
    return {
        "runs": [result.identity for result in results],
        "validation": [result.validation.value for result in results],
        "validation_loss": [result.validation_loss for result in results],
        "parameters": results[0].parameters,
        "seconds": [result.seconds for result in results],
        "epochs_before": [result.epochs_before for result in results],
    }
