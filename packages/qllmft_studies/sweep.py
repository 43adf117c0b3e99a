"""Plans of sweeps, their estimates, and the grids of baselines (tables VIII and IX).

A search by a tree-structured Parzen estimator (TPE) proposes each configuration from the results before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.stats import qmc

from qllmft.baselines import (
    BASELINES,
    check_baselines,
    collect_answers,
    fit_and_score,
    score_answers,
)
from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import with_settings
from qllmft.events import OnEvent, stage
from qllmft.run import ModelResult, SharedInputs
from qllmft.run.needs import epoch_core_seconds
from qllmft.run.vectors import embed_tables
from qllmft_base.errors import UserError
from qllmft_base.randomness import derive_seed
from qllmft_base.versions import import_extra
from qllmft_studies.grid import Parameter, Point, check_size, grid, grid_size, point_text
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun
from qllmft_studies.search_space import Space

if TYPE_CHECKING:
    from optuna import Study, Trial

Sampler = Literal["grid", "tpe", "qmc"]
DEFAULT_TRIALS = 32  # of tpe and qmc
# first trials of tpe, before it learns; a longer search has as many, so that it contains the shorter one
RANDOM_TRIALS = 8
MAX_POINTS_PER_NEW_ONE = 20  # quasi-Monte Carlo points looked at for each one that is new


@dataclass(frozen=True)
class Sweep:
    """Search for the configuration with the highest mean validation score over seeds."""

    space: Space
    # grid and qmc have fixed lists of points; tpe proposes each from earlier results
    sampler: Sampler
    base: dict[str, Any]  # settings of all configurations, as a tree
    parameters: tuple[Parameter, ...]  # those of the space that are varied
    trials: int | None = None  # of tpe and qmc; None: the whole grid
    # runs of each configuration, with the seeds s, s + 1, …; s is that of base
    seeds: int = 1
    # J; tpe proposes trial k from the results of the trials 0 to k - J
    in_flight: int = 1

    @property
    def rows(self) -> list[str]:
        """Return the names of parameters; the best of each combination of their values is tested too."""
        return [
            parameter.name for parameter in self.parameters if parameter.name in self.space.rows
        ]

    @property
    def is_list(self) -> bool:
        """Return whether all points are known beforehand."""
        return self.sampler != "tpe"

    @property
    def size(self) -> int:
        """Return the number of trials."""
        return len(self.points) if self.is_list else self.trials or DEFAULT_TRIALS

    @cached_property
    def points(self) -> dict[str, Point]:
        """Return the points of a list by the identity of their first seed's configuration, in order."""
        points_by_identity: dict[str, Point] = {}
        if self.sampler == "grid":
            most_points = grid_size(self.parameters)
            points = grid(self.parameters)
        else:
            most_points = self.trials or DEFAULT_TRIALS
            points = self._sobol_points()
            if all(parameter.scale is None for parameter in self.parameters):
                most_points = min(most_points, grid_size(self.parameters))
        for n_tried, point in enumerate(points):
            points_by_identity.setdefault(self.configurations(point)[0].identity, point)
            # few levels have fewer points
            if (
                len(points_by_identity) == most_points
                or n_tried > MAX_POINTS_PER_NEW_ONE * most_points
            ):
                break
        return points_by_identity

    def _sobol_points(self) -> Iterator[Point]:
        """Yield points of a scrambled Sobol' sequence without end.

        A longer search contains the shorter one.
        A parameter with a scale gets numbers between its levels, and another one gets the level of its interval.
        """
        rng = np.random.default_rng(derive_seed(int(self.base["seed"]), "sobol"))
        sequence = qmc.Sobol(len(self.parameters), scramble=True, rng=rng)
        while True:
            (row,) = sequence.random(1)
            pairs = zip(self.parameters, row, strict=True)
            yield {
                parameter.name: parameter.at_fraction(float(fraction))
                for parameter, fraction in pairs
            }

    def configurations(self, point: Point) -> list[RunConfig]:
        """Return a point's configurations, one per seed, or raise a UserError if settings do not fit together."""
        tree = self.base
        for parameter in self.parameters:
            tree = with_settings(tree, parameter.settings_at(point[parameter.name]))
        seeds = range(int(tree["seed"]), int(tree["seed"]) + self.seeds)
        return [parse_config(tree | {"seed": seed}, self._origin(point)) for seed in seeds]

    def _origin(self, point: Point) -> str:
        """Return the name of a point in errors."""
        values = ", ".join(f"{name} = {label}" for name, label in point.items())
        return f"sweep {self.space.name}, {values}"

    def runs(self, point: Point, *, read_test: bool = False) -> list[PlannedRun]:
        """Return the runs of a point, one per seed."""
        label = point_text(point)
        seed = (", seed {}" if self.seeds > 1 else "") + (", test" if read_test else "")
        return [
            PlannedRun(config, label + seed.format(config.seed), read_test, point)
            for config in self.configurations(point)
        ]

    @property
    def listed_points(self) -> Iterable[Point]:
        """Return all points of a list, or those at the levels, since tpe has numbers between the levels too."""
        return self.points.values() if self.is_list else grid(self.parameters)

    def head_configs(self) -> dict[str, RunConfig]:
        """Return a configuration of every head, body and backend of the listed points, by its name in errors."""
        configs_by_head: dict[str, tuple[str, RunConfig]] = {}
        for point in self.listed_points:
            config = self.configurations(point)[0]
            key = config.model_dump_json(include={"model", "body", "backend"})
            configs_by_head.setdefault(key, (self._origin(point), config))
        return dict(configs_by_head.values())

    def plan(self) -> Plan:
        """Return the plan of the search's runs, which do not read the test set."""
        if not self.is_list:
            return TpePlan(self)
        return Plan([run for point in self.points.values() for run in self.runs(point)], True)


def make_sweep(
    space: Space,
    sampler: Sampler,
    overrides: dict[str, Any],
    *,
    trials: int | None = None,
    seeds: int = 1,
    in_flight: int = 1,
) -> Sweep:
    """Make a `Sweep` over the parameters of a space that ``overrides`` do not fix.

    Args:
        space: the search space.
        sampler: how its points are chosen.
        overrides: settings of all configurations, by dotted name.
        trials: number of points of tpe and qmc; None: 32 of them, or the whole grid.
        seeds: number of runs of each configuration.
        in_flight: number of trials of tpe at a time.

    Raises:
        UserError: if settings do not fit together, or nothing is left to search.
    """
    if in_flight < 1:
        raise UserError(f"--jobs got {in_flight}, expected 1 or more.")
    if trials is not None and sampler == "grid":
        raise UserError(
            f"--trials got {trials}, and the sampler {sampler} has a fixed number of points. "
            "Omit it, or choose --sampler tpe or qmc."
        )
    parameters = []
    for parameter in space.parameters:
        fixed_settings = overrides.keys() & set(parameter.settings)
        if not fixed_settings:
            parameters.append(parameter)
        elif len(fixed_settings) < len(parameter.settings):
            raise UserError(
                f"--set {', '.join(sorted(fixed_settings))} fixes a part of {parameter.name!r}, whose settings go "
                f"together: {', '.join(parameter.settings)}. Give all of them, or none."
            )
    if not parameters:
        raise UserError(
            f"--set fixes every parameter of {space.name}. Nothing is left to search. Use `qllmft train`."
        )
    base = space.load_preset(space.preset).config(
        {"baselines.names": [], **space.settings, **overrides}
    )
    # settings without a value are omitted, so that a default that depends on others keeps depending
    # on them
    tree = base.model_dump(mode="json", exclude_none=True)
    sweep = Sweep(space, sampler, tree, tuple(parameters), trials, seeds, in_flight)
    points = grid_size(parameters) if sampler == "grid" else trials or DEFAULT_TRIALS
    check_size(points * seeds, "points of the search times --seeds")
    # raises if settings do not fit together
    _ = sweep.points if sweep.is_list else sweep.head_configs()
    return sweep


class TpePlan(Plan):
    """Plan of a search by optuna's TPE sampler, in memory.

    Proposal k depends on the results of the proposals 0 to k - J, with J = ``sweep.in_flight``, and on its own seed.
    So any process finds the same proposals from the folders of the finished runs, and a longer search contains the
    shorter one.
    """

    def __init__(self, sweep: Sweep) -> None:
        super().__init__((), selects=True)
        self._sweep = sweep
        self._study: Study | None = None
        self._trials: list[Trial] = []
        # of each trial; a configuration that is proposed again repeats them
        self._runs: list[list[PlannedRun]] = []
        self._n_told = 0  # number of trials whose value the sampler has

    def __reduce__(self) -> tuple[type[TpePlan], tuple[Sweep]]:
        """Pickle the search alone: a child process repeats the proposals."""
        return TpePlan, (self._sweep,)

    @property
    def size(self) -> int:
        """Return the number of runs of all trials."""
        return self._sweep.size * self._sweep.seeds

    def runs(self, finished: FinishedRuns) -> Sequence[PlannedRun]:
        """Propose as many trials as the results allow, and return the runs of all."""
        can_propose = True
        while can_propose and len(self._runs) < self._sweep.size:
            # the sampler gets the results that the next proposal depends on
            while can_propose and self._n_told <= len(self._runs) - self._sweep.in_flight:
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
        seed = derive_seed(int(self._sweep.base["seed"]), "proposal", len(self._trials))
        self._study.sampler = optuna.samplers.TPESampler(
            seed=seed % 2**32,
            n_startup_trials=RANDOM_TRIALS,
            constant_liar=self._sweep.in_flight > 1,
        )
        trial = self._study.ask()
        self._trials.append(trial)
        point: Point = {}
        for parameter in self._sweep.parameters:
            if parameter.scale == "log" and len(parameter.values) > 1:
                point[parameter.name] = trial.suggest_float(
                    parameter.name, *parameter.limits, log=True
                )
            else:
                point[parameter.name] = trial.suggest_categorical(parameter.name, parameter.labels)
        self._runs.append(self._sweep.runs(point))


# --- execution


def estimate_epoch_times(
    sweep: Sweep, inputs: SharedInputs
) -> list[tuple[RunConfig, float, float]]:
    """Return for each structure its first configuration, all its epochs, and the processor seconds of one epoch."""
    points = list(sweep.listed_points)
    configs_by_structure: dict[str, list[RunConfig]] = {}
    for config in (sweep.configurations(point)[0] for point in points):
        adjoint = config.backend.entry.adjoint
        adam = config.train.optimizer == "adam"
        if config.body.learns or not (adjoint and adam):
            raise UserError("only frozen language models, Adam and the backend adjoint are timed.")
        configs_by_structure.setdefault(f"{config.structure} {config.train.batch_size}", []).append(
            config
        )
    epoch_times = []
    for configs in configs_by_structure.values():
        first = configs[0]
        epochs = sum(config.train.epochs for config in configs)
        n_classes = inputs.corpus(first.data).n_classes
        sizes = inputs.splits(first.data, first.seed).sizes
        seconds = epoch_core_seconds(first, inputs.dimension(first), n_classes, sizes)
        epoch_times.append((first, epochs * sweep.size * sweep.seeds / len(points), seconds))
    return epoch_times


def search_baseline(
    name: str, config: RunConfig, on_event: OnEvent, inputs: SharedInputs
) -> ModelResult:
    """Fit a baseline with every setting of its grid, select on validation, and test the best.

    Args:
        name: of the baseline.
        config: texts, split and body; its head is ignored.
        on_event: gets the stages.
        inputs: texts and embeddings.

    Raises:
        UserError: if the baseline is not one of the task, or the texts or the body are missing.
    """
    check_baselines([name], config.data.task)
    if config.data.validation_folds is not None:
        raise UserError(
            f"data.validation_folds is {config.data.validation_folds}, and a search of baselines chooses on texts that "
            "are not trained on. Leave it out."
        )
    splits = inputs.splits(config.data, config.seed)
    tables = {"training": splits.train, "validation": splits.validation}
    _, (train, validation) = embed_tables(tables, config.body, on_event, inputs=inputs)
    n_classes = inputs.corpus(config.data).n_classes
    head = BASELINES[name].make_head(config, 0, train.x.shape[1], n_classes)
    with stage(on_event, "fitting", head.name):
        fitted = fit_and_score(head, train, validation, n_classes)
    model_result = ModelResult(
        head.name, fitted.validation, head.n_parameters, fitted.seconds, head.settings
    )
    _, (test,) = embed_tables({"test": splits.test}, config.body, on_event, inputs=inputs)
    return replace(model_result, test=score_answers(test, collect_answers(head, test, n_classes)))
