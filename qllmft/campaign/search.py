"""What is searched, whole: any worker reads it from the search's store and needs nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationError

from qllmft.campaign.queue import PlannedRun
from qllmft.campaign.screening import screening_points
from qllmft.campaign.space import Parameter, Point, Space, grid, sobol_points
from qllmft.config import RunConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.config.settings import with_settings
from qllmft.config.toml_files import Content
from qllmft.errors import UserError
from qllmft_backends.validation import faults

Sampler = Literal["grid", "tpe", "qmc", "screening"]
DEFAULT_TRIALS = 32  # of tpe and qmc
LONGEST_SEQUENCE = 20  # quasi-Monte Carlo points looked at for each one that is new


class SearchPlan(Content):
    """A search: configurations, the order of trying them, and the objective: mean validation accuracy over seeds."""

    space: str  # name of the search space
    sampler: Sampler  # grid, qmc and screening: points known beforehand; tpe proposes each from those before
    trials: int | None = Field(default=None, ge=1)  # of tpe and qmc; None: the whole list of the other two
    seeds: int = Field(default=1, ge=1)  # runs of each configuration, with the seeds s, s+1, … where s is that of base
    base: dict[str, Any]  # settings of all configurations, as a tree
    parameters: tuple[Parameter, ...]  # what is varied
    rows: tuple[str, ...] = ()  # names of parameters; the best of each combination of their values is tested too
    table: str = "none"  # of the paper, in Roman numerals; "none" where it is not the paper's
    grace_s: int = Field(default=120, ge=2)  # seconds unheard of, after which a worker elsewhere counts as dead

    @property
    def fingerprint(self) -> str:
        """Hash of all that decides about the configurations and their order; more trials are the same search."""
        content = self.model_dump(mode="json", exclude={"trials", "grace_s", "rows", "table"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def is_list(self) -> bool:
        """Whether all points are known beforehand."""
        return self.sampler != "tpe"

    @property
    def size(self) -> int:
        """Trials in all."""
        return len(self.points) if self.is_list else self.trials or DEFAULT_TRIALS

    @cached_property
    def points(self) -> dict[str, Point]:
        """Points of a list by identity, in their order; none for tpe."""
        found: dict[str, Point] = {}
        for looked, point in enumerate(self._sequence()):
            found.setdefault(self.identity(point), point)
            if self.sampler == "qmc":
                wanted = self.trials or DEFAULT_TRIALS
                if len(found) == wanted or looked > LONGEST_SEQUENCE * wanted:  # few levels: there may be fewer points
                    break
        return found

    def _sequence(self) -> Iterator[Point]:
        if self.sampler == "grid":
            yield from grid(self.parameters)
        elif self.sampler == "qmc":
            yield from sobol_points(self.parameters, int(self.base["seed"]))
        elif self.sampler == "screening":
            yield from screening_points(self.parameters)

    def configurations(self, point: Point) -> list[RunConfig]:
        """The configurations of a point, one a seed; UserError where settings do not fit together."""
        tree = self.base
        for parameter in self.parameters:
            tree = with_settings(tree, parameter.settings_at(point[parameter.name]))
        first = int(tree["seed"])
        return [parse_config(tree | {"seed": first + i}, self._where(point)) for i in range(self.seeds)]

    def _where(self, point: Point) -> str:
        """What an error calls a point."""
        return f"sweep {self.space}, " + ", ".join(f"{name} = {label}" for name, label in point.items())

    def identity(self, point: Point) -> str:
        """The identity of a point: that of its configuration with the first seed."""
        return self.configurations(point)[0].identity

    def runs(self, point: Point) -> list[PlannedRun]:
        """The runs of a point, one a seed, without the test set."""
        label = point_text(point)
        seed = ", seed {}" if self.seeds > 1 else ""
        return [
            PlannedRun(config, label + seed.format(config.seed), read_test=False)
            for config in self.configurations(point)
        ]

    def each_head(self) -> dict[str, RunConfig]:
        """A configuration of every head, body and backend that the search has, by what an error calls it.

        Of a search by tpe, which has numbers between the levels, those at the levels.

        Raises:
            UserError: the first point whose settings do not fit together.
        """
        found: dict[str, tuple[str, RunConfig]] = {}
        for point in self.points.values() if self.is_list else grid(self.parameters):
            config = self.configurations(point)[0]
            found.setdefault(config.model_dump_json(include={"model", "body", "backend"}), (self._where(point), config))
        return dict(found.values())


def short_name(setting: str) -> str:
    """A setting's name without its section."""
    return setting.rsplit(".", 1)[-1]


def level_text(level: object) -> str:
    """A level as people write it."""
    return f"{level:.4g}" if isinstance(level, float) else str(level)


def point_text(point: Point) -> str:
    """A point in a few words: "main_layers 2, lr 0.005"."""
    return ", ".join(f"{short_name(name)} {level_text(level)}" for name, level in point.items())


def make_plan(
    space: Space, sampler: Sampler, overrides: dict[str, Any], *, trials: int | None, seeds: int, grace_s: int
) -> SearchPlan:
    """A plan from a search space and a command's options; UserError where options do not fit together.

    Args:
        space: with parameters; not a baseline's.
        sampler: how to search.
        overrides: settings by dotted names; one that is a parameter's fixes it.
        trials: of tpe and qmc.
        seeds: runs of each configuration.
        grace_s: see `SearchPlan`.
    """
    if trials is not None and sampler in ("grid", "screening"):
        raise UserError(
            f"--trials got {trials}, and the sampler {sampler} has a fixed number of points. "
            "Leave it out, or choose --sampler tpe or qmc."
        )
    parameters = tuple(p for p in space.parameters if not overrides.keys() & set(p.settings))
    for parameter in space.parameters:
        given = overrides.keys() & set(parameter.settings)
        if given and len(given) < len(parameter.settings):
            raise UserError(
                f"--set {', '.join(sorted(given))} fixes a part of {parameter.name!r}, whose settings go together: "
                f"{', '.join(parameter.settings)}. Give all of them, or none."
            )
    if not parameters:
        raise UserError(f"--set fixes every parameter of {space.name}; nothing is left to search. Use `qllmft train`.")
    base = load_preset(space.preset).config({"baselines.names": [], **space.settings, **overrides})
    # unset settings are left out, so that a default that depends on others keeps depending on them
    tree = base.model_dump(mode="json", exclude_none=True)
    try:
        plan = SearchPlan(
            space=space.name,
            sampler=sampler,
            trials=trials,
            seeds=seeds,
            base=tree,
            parameters=parameters,
            rows=tuple(p.name for p in parameters if p.name in space.rows and sampler != "screening"),
            table=space.table,
            grace_s=grace_s,
        )
    except ValidationError as error:
        raise UserError(f"--{faults(error)[0]}.") from None
    _ = plan.points if plan.is_list else plan.each_head()  # finds what does not fit together
    return plan
