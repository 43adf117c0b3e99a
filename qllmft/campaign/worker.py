"""The loop of every process that works on a search: take a trial, train it, write down what came of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft.campaign.liveness import Liveness
from qllmft.campaign.permission import Permission
from qllmft.campaign.queue import PlannedRun, QueueProgress, QueueReporter, Standing, do_run
from qllmft.campaign.search import SearchPlan
from qllmft.campaign.space import Parameter, Point, Value, grid
from qllmft.campaign.storage import Storage
from qllmft.campaign.store import ERROR, IDENTITY, POINT, RESULT, REUSED, WORKER, SearchState, SearchStore
from qllmft.randomness import derive_seed
from qllmft.statistics import Accuracy

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

POLL_S = 1.0  # between two looks at a search whose trials are all taken
GLANCE_S = 0.05  # between two looks at a trial that is about to choose its configuration


@dataclass(frozen=True)
class TrialResult:
    """What a run of a trial came to."""

    identity: str  # of the run
    validation: Accuracy  # accuracy of the selected epoch
    validation_loss: float  # of that epoch, in nats
    parameters: int  # trained ones
    seconds: float  # of the training
    epochs_before: int  # epochs that were done before this call


def do_trial_run(run: PlannedRun, progress: QueueProgress, permission: Permission | None = None) -> TrialResult:
    """One run of a trial, waited for where others do it; a plan that is not this process's own needs a permission."""
    folder = run.folder(progress.runs)
    before = run.config.train.epochs if run.is_finished(progress.runs) else folder.checkpoint.epochs_done()
    options = permission.options_for(run.config) if permission else None
    record = do_run(run, progress, backend_options=options)
    head, loss = record.head, folder.validation_loss(record.selected_epoch)
    return TrialResult(record.identity, head.validation, loss, head.parameters, head.seconds, before)


def search_in_child(storage: Storage, name: str, folder: Path, reporter: QueueReporter) -> None:
    """Work on a search of another process of this machine, which keeps its runs in ``folder``."""
    with closing(SearchStore.join(storage, name)) as store, Liveness(folder / ".workers") as liveness:
        progress = QueueProgress(reporter, folder / "runs")
        Worker(store, liveness, lambda run: do_trial_run(run, progress), progress).work()


@dataclass(frozen=True)
class Worker:
    """One of those that work on a search."""

    store: SearchStore  # the search
    liveness: Liveness  # the sign of life of this process
    execute: Callable[[PlannedRun], TrialResult]  # does a run
    progress: QueueProgress  # looks and tells
    halted: Callable[[], bool] = lambda: False  # says when to stop before the search is finished

    def work(self) -> None:
        """Work until the search is finished, by this worker or by others.

        Raises:
            UserError: where a configuration cannot be trained, or the storage fails.
            KeyboardInterrupt: where a training was interrupted; the trial is anybody's again.
        """
        standing = SearchStanding(self.store.plan, self.progress)
        with self.store.storage.explained():
            while not self.halted():
                self._recover()
                state = self.store.state()
                if self.store.top_up(state):
                    continue
                standing.update(state)
                if state.finished:
                    return
                if state.available:
                    self._take_one()
                else:
                    time.sleep(POLL_S)

    def _recover(self) -> None:
        """Give up the trials of dead processes."""
        self.store.give_up_stale()
        running = self.store.state().running
        dead = self.liveness.dead(str(trial.user_attrs.get(WORKER)) for trial in running.values())
        if not dead:
            return
        # read again: before it died a process may have finished what was still running above
        for number, trial in self.store.state().running.items():
            if trial.user_attrs.get(WORKER) in dead:
                self.store.give_up(number)

    def _take_one(self) -> None:
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        seed = derive_seed(int(self.store.plan.base["seed"]), "proposal", len(self.store.trials())) % 2**32
        attempt = _Attempt(self)
        try:
            self.store.study(seed).optimize(attempt, n_trials=1)
        except (ValueError, UpdateFinishedTrialError):
            trial = attempt.trial
            if attempt.failed or trial is None or self.store.trials()[trial.number].state != TrialState.FAIL:
                raise
            # others gave it up while this process stood still; they have taken it up again
            self.progress.reporter.message("a trial was given up by others, because this process was not heard of")


class _Attempt:
    """What optuna calls for a trial."""

    def __init__(self, worker: Worker) -> None:
        self.trial: Trial | None = None
        self.failed = False
        self._worker = worker
        self._plan = worker.store.plan

    def __call__(self, trial: Trial) -> float:
        """Mean validation accuracy over the seeds, in [0, 1]."""
        from optuna import TrialPruned

        self.trial = trial
        trial.set_user_attr(WORKER, self._worker.liveness.name)
        if self._plan.is_list and IDENTITY not in trial.user_attrs:
            raise TrialPruned("others had taken the last that waited")
        point = {parameter.name: suggest(trial, parameter, self._plan.sampler) for parameter in self._plan.parameters}
        runs = self._plan.runs(point)
        identity = runs[0].config.identity
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
            results = [self._worker.execute(run) for run in runs]
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
            trials = self._worker.store.trials()
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
    """What a trial keeps in the search's store: lists over the seeds."""
    return {
        "runs": [result.identity for result in results],
        "validation": [result.validation.value for result in results],
        "validation_loss": [result.validation_loss for result in results],
        "parameters": results[0].parameters,
        "seconds": [result.seconds for result in results],
        "epochs_before": [result.epochs_before for result in results],
    }


class SearchStanding:
    """How far a search has come, for a queue's progress; the runs of its configurations are made once."""

    def __init__(self, plan: SearchPlan, progress: QueueProgress) -> None:
        self._plan = plan
        self._progress = progress
        self._runs: dict[str, list[PlannedRun]] = {}

    def update(self, state: SearchState) -> None:
        """Tell where the search stands, now and while trials run. Trials that are not known yet cost the mean."""
        done = sum(self._cost(identity, trial.user_attrs[POINT]) for identity, trial in state.done.items())
        if self._plan.is_list:
            total = sum(self._cost(identity, point) for identity, point in self._plan.points.items())
        else:
            mean = done / len(state.done) if state.done else self._first_cost()
            done += mean * state.repeats
            total = mean * self._plan.size
        standing = Standing(
            runs=self._plan.size * self._plan.seeds,
            finished=(len(state.done) + state.repeats) * self._plan.seeds,
            done=done,
            cost=total,
            best=max((trial.value or 0.0 for trial in state.done.values()), default=None),
        )
        self._progress.watch(lambda: self._with_running(standing, state))

    def _with_running(self, standing: Standing, state: SearchState) -> Standing:
        """The standing with the runs of other trials that are in this machine's folder: of a list, those of any."""
        running = {trial.user_attrs.get(IDENTITY): trial.user_attrs.get(POINT) for trial in state.running.values()}
        known = self._plan.points if self._plan.is_list else {i: point for i, point in running.items() if i and point}
        others = [self._runs_of(i, point) for i, point in known.items() if i not in state.done]
        runs = {run.identity: run for of_one in others for run in of_one} | self._progress.begun
        finished, done = self._progress.done(runs.values())
        return replace(standing, finished=standing.finished + finished, done=standing.done + done)

    def _first_cost(self) -> float:
        point = next(grid(self._plan.parameters))
        return self._cost(self._plan.identity(point), point)

    def _cost(self, identity: str, point: Point) -> float:
        """Of all runs of a configuration."""
        return sum(run.cost for run in self._runs_of(identity, point))

    def _runs_of(self, identity: str, point: Point) -> list[PlannedRun]:
        if identity not in self._runs:
            self._runs[identity] = self._plan.runs(point)
        return self._runs[identity]
