"""Sweeps: searches that are campaigns of runs without test texts, and the time that their epochs take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from qllmft.config import RunConfig, parse_config
from qllmft.config.presets import Preset
from qllmft.config.settings import with_settings
from qllmft.run import SharedInputs
from qllmft.run.needs import epoch_core_seconds
from qllmft_base.errors import UserError
from qllmft_studies.file import SettingsByName
from qllmft_studies.grid import Parameter, Point, check_size, grid, grid_size, point_text
from qllmft_studies.runs import Plan, PlannedRun
from qllmft_studies.samplers import TpePlan, sobol_points
from qllmft_studies.search_space import Space

Sampler = Literal["grid", "tpe", "qmc"]
DEFAULT_TRIALS = 32  # of tpe and qmc
MAX_POINTS_PER_NEW_ONE = 20  # quasi-Monte Carlo points looked at for each one that is new


@dataclass(frozen=True)
class Sweep:
    """Search for the configuration with the highest mean validation score over seeds."""

    space: Space
    # grid and qmc have fixed lists of points; tpe proposes each from earlier results
    sampler: Sampler
    preset: Preset  # of all configurations
    settings: SettingsByName  # of all configurations, by dotted name; they win over the preset
    parameters: tuple[Parameter, ...]  # those of the space that are varied
    trials: int | None = None  # of tpe and qmc; None: the whole grid
    # runs of each configuration, with the seeds s, s + 1, …; s is `first_seed`
    seeds: int = 1
    # J; tpe proposes trial k from the results of the trials 0 to k - J
    in_flight: int = 1

    @cached_property
    def first_seed(self) -> int:
        """Return the first seed of each configuration."""
        seeds = {
            name: value
            for name, value in with_settings(self.preset.settings, self.settings).items()
            if name == "seed"
        }
        return parse_config(seeds, f"sweep {self.space.name}").seed

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
            points = sobol_points(self.parameters, self.first_seed)
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

    def configurations(self, point: Point) -> list[RunConfig]:
        """Return a point's configurations, one per seed, or raise a UserError if settings do not fit together."""
        settings = dict(self.settings)
        for parameter in self.parameters:
            settings |= parameter.settings_at(point[parameter.name])
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        try:
            return [self.preset.config({**settings, "seed": seed}) for seed in seeds]
        except UserError as error:
            raise UserError(f"{self._origin(point)}: {error}") from None

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
    preset = space.load_preset(space.preset)
    settings = {"baselines.names": [], **space.settings, **overrides}
    sweep = Sweep(space, sampler, preset, settings, tuple(parameters), trials, seeds, in_flight)
    points = grid_size(parameters) if sampler == "grid" else trials or DEFAULT_TRIALS
    check_size(points * seeds, "points of the search times --seeds")
    # raises if settings do not fit together
    _ = sweep.points if sweep.is_list else sweep.head_configs()
    return sweep


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
