"""Search by a tree-structured Parzen estimator: each proposal follows from the results before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qllmft.campaign.grid import Parameter, Value
from qllmft.campaign.plan import FinishedRuns, PlannedRun
from qllmft.campaign.sweep import Sweep
from qllmft.randomness import derive_seed
from qllmft.versions import import_extra

if TYPE_CHECKING:
    from optuna import Study, Trial


class TpePlan:
    """Plan of a search by optuna's TPE sampler, in memory.

    Proposal k depends on the results of the proposals 0 to k - J, with J = ``sweep.in_flight``, and on its own seed.
    So any process finds the same proposals from the folders of the finished runs.
    """

    selects = True

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._study: Study | None = None
        self._trials: list[Trial] = []
        # of each trial; a configuration that is proposed again repeats them
        self._runs: list[list[PlannedRun]] = []
        self._told = 0  # number of trials whose value the sampler has

    def __reduce__(self) -> tuple[type[TpePlan], tuple[Sweep]]:
        """Pickle the search alone: a child process repeats the proposals."""
        return TpePlan, (self._sweep,)

    @property
    def size(self) -> int:
        """Return the number of runs of all trials."""
        return self._sweep.size * self._sweep.seeds

    def runs(self, finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Propose as many trials as the results allow, and return the runs of all."""
        while len(self._runs) < self._sweep.size and self._tell(finished):
            self._runs.append(self._propose())
        return [run for runs in self._runs for run in runs]

    def _tell(self, finished: FinishedRuns) -> bool:
        """Tell the sampler the results that the next proposal depends on, or return False if one is missing."""
        while self._told <= len(self._runs) - self._sweep.in_flight:
            runs = self._runs[self._told]
            if not all(map(finished.has, runs)):
                return False
            assert self._study is not None
            self._study.tell(self._trials[self._told], finished.mean_validation(runs))
            self._told += 1
        return True

    def _propose(self) -> list[PlannedRun]:
        optuna: Any = import_extra("optuna", "--sampler tpe needs optuna")
        number = len(self._trials)
        sampler = optuna.samplers.TPESampler(
            seed=derive_seed(int(self._sweep.base["seed"]), "proposal", number) % 2**32,
            n_startup_trials=max(4, min(10, self._sweep.size // 4)),
            constant_liar=self._sweep.in_flight > 1,
        )
        if self._study is None:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self._study = optuna.create_study(direction="maximize")
        self._study.sampler = sampler
        trial = self._study.ask()
        self._trials.append(trial)
        return self._sweep.runs({p.name: _suggest(trial, p) for p in self._sweep.parameters})


def _suggest(trial: Trial, parameter: Parameter) -> Value:
    """Return a level, or a number on the scale of a parameter that has one."""
    if parameter.scale == "log" and len(parameter.values) > 1:
        return trial.suggest_float(parameter.name, *parameter.limits, log=True)
    return trial.suggest_categorical(parameter.name, parameter.labels)
