"""Samplers of points: a Sobol' sequence, optuna's tree-structured Parzen estimator (TPE), and a draw from the grid.

A search by TPE proposes each configuration from the results before it, so its plan grows while its runs finish.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from scipy.stats import qmc

from qllmft_base.randomness import derive_seed, draw_indices
from qllmft_base.versions import import_extra
from qllmft_studies.grid import Parameter, Point, grid
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun

if TYPE_CHECKING:
    from optuna import Study, Trial

# first trials of tpe, before it learns; a longer search has as many, so that it contains the shorter one
RANDOM_TRIALS = 8


def draw_points(parameters: Sequence[Parameter], count: int, seed: int, name: str) -> list[Point]:
    """Draw points of a grid without repetition, or return the whole grid if it has no more.

    Args:
        parameters: of the grid.
        count: number of points.
        seed: of the draw.
        name: of the search space, whose draw is independent of those of others.
    """
    points = list(grid(parameters))
    return [points[index] for index in draw_indices(len(points), count, seed, "settings", name)]


def sobol_points(parameters: Sequence[Parameter], seed: int) -> Iterator[Point]:
    """Yield points of a scrambled Sobol' sequence without end.

    A longer search contains the shorter one.
    A parameter with a scale gets numbers between its levels, and another one gets the level of its interval.
    """
    rng = np.random.default_rng(derive_seed(seed, "sobol"))
    sequence = qmc.Sobol(len(parameters), scramble=True, rng=rng)
    while True:
        (row,) = sequence.random(1)
        pairs = zip(parameters, row, strict=True)
        yield {parameter.name: parameter.at_fraction(float(share)) for parameter, share in pairs}


class _Search(Protocol):
    """What a sampler knows of a search."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...
    @property
    def size(self) -> int: ...  # number of trials
    @property
    def seeds(self) -> int: ...  # of each trial
    @property
    def first_seed(self) -> int: ...
    @property
    def in_flight(self) -> int: ...  # trials at a time
    def runs(self, point: Point) -> list[PlannedRun]: ...


class TpePlan(Plan):
    """Plan of a search by optuna's TPE sampler, in memory.

    Proposal k depends on the results of the proposals 0 to k - J, with J = ``search.in_flight``, and on its own seed.
    So any process finds the same proposals from the folders of the finished runs, and a longer search contains the
    shorter one.
    """

    def __init__(self, search: _Search) -> None:
        super().__init__((), selects=True)
        self._search = search
        self._study: Study | None = None
        self._trials: list[Trial] = []
        # of each trial; a configuration that is proposed again repeats them
        self._runs: list[list[PlannedRun]] = []
        self._n_told = 0  # number of trials whose value the sampler has

    def __reduce__(self) -> tuple[type[TpePlan], tuple[_Search]]:
        """Pickle the search alone: a child process repeats the proposals."""
        return TpePlan, (self._search,)

    @property
    def size(self) -> int:
        """Return the number of runs of all trials."""
        return self._search.size * self._search.seeds

    def runs(self, finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Propose as many trials as the results allow, and return the runs of all."""
        can_propose = True
        while can_propose and len(self._runs) < self._search.size:
            # the sampler gets the results that the next proposal depends on
            while can_propose and self._n_told <= len(self._runs) - self._search.in_flight:
                runs = self._runs[self._n_told]
                if can_propose := all(map(finished.has, runs)):
                    assert self._study is not None
                    self._study.tell(self._trials[self._n_told], finished.mean_validation(runs))
                    self._n_told += 1
            if can_propose:
                self._propose()
        return [run for runs in self._runs for run in runs]

    def _propose(self) -> None:
        """Add the runs of one more trial."""
        optuna: Any = import_extra("optuna", "--sampler tpe needs optuna")
        if self._study is None:
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            self._study = optuna.create_study(direction="maximize")
        seed = derive_seed(self._search.first_seed, "proposal", len(self._trials))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32,
            n_startup_trials=RANDOM_TRIALS,
            constant_liar=self._search.in_flight > 1,
        )
        trial = self._study.ask()
        self._trials.append(trial)
        point: Point = {}
        for parameter in self._search.parameters:
            if parameter.scale == "log" and len(parameter.values) > 1:
                point[parameter.name] = trial.suggest_float(
                    parameter.name, *parameter.limits, log=True
                )
            else:
                point[parameter.name] = trial.suggest_categorical(parameter.name, parameter.labels)
        self._runs.append(self._search.runs(point))
