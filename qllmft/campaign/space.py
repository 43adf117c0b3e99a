"""Search spaces: settings of a configuration with the values to try, each in a TOML file that names its table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator
from scipy.stats import qmc

from qllmft.baselines import BASELINES
from qllmft.campaign import spaces
from qllmft.config.presets import load_preset
from qllmft.config.toml_files import Content, Settings, names_in, read_chosen, validated
from qllmft.errors import UserError
from qllmft.randomness import derive_seed
from qllmft_backends.plugins import BUILT_IN
from qllmft_backends.validation import faults

Value = None | bool | int | float | str
Point = dict[str, Value]  # a parameter's name to the label of its level, or to a number between its levels


class Parameter(Content):
    """What is varied: one setting, or several that go together."""

    name: str  # for people and in the search's store; the setting's own where there is one
    settings: tuple[str, ...] = Field(min_length=1)  # dotted names
    values: tuple[tuple[Value, ...], ...] = Field(min_length=1)  # a row a level, a value a setting; the table's order
    # "log": searches by qmc and tpe draw log-uniformly from smallest to largest value; None: they choose among values
    scale: Literal["log"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, tree: Any) -> Any:
        """``setting = "a.b"`` with plain values is short for one setting of that name."""
        if isinstance(tree, dict) and "setting" in tree:
            tree = {"name": tree["setting"], "settings": [tree["setting"]], **tree}
            del tree["setting"]
            if isinstance(tree.get("values"), list):
                tree["values"] = [[value] for value in tree["values"]]
        return tree

    @model_validator(mode="after")
    def _one_value_a_setting(self) -> Parameter:
        if any(len(row) != len(self.settings) for row in self.values):
            raise ValueError(f"{self.name}: each value needs {len(self.settings)} entries, one a setting")
        positive = [value for row in self.values for value in row if isinstance(value, int | float) and value > 0]
        if self.scale == "log" and (len(self.settings) > 1 or len(positive) < len(self.values)):
            raise ValueError(f"{self.name}: a logarithmic scale needs one setting with positive numbers")
        return self

    @property
    def labels(self) -> tuple[Value, ...]:
        """Of the levels: the value itself, or the values with slashes between, as the paper writes 1/48."""
        if len(self.settings) == 1:
            return tuple(value for (value,) in self.values)
        return tuple("/".join(str(value) for value in row) for row in self.values)

    @property
    def limits(self) -> tuple[float, float]:
        """Smallest and largest value of a parameter with a scale."""
        numbers = [float(value) for (value,) in self.values if isinstance(value, int | float)]
        return min(numbers), max(numbers)

    def settings_at(self, label: Value) -> dict[str, Value]:
        """Overrides by dotted names at a level, or at a number between the levels."""
        for known, row in zip(self.labels, self.values, strict=True):
            if known == label and isinstance(known, bool) == isinstance(label, bool):
                return dict(zip(self.settings, row, strict=True))
        if self.scale == "log":
            return {self.settings[0]: label}
        raise ValueError(f"{self.name} has the levels {', '.join(map(str, self.labels))}, and got {label!r}.")

    def at_fraction(self, fraction: float) -> Value:
        """The level, or the number on the scale, at ``fraction`` in [0, 1) of the way from the first to the last."""
        if self.scale == "log":
            low, high = (math.log(limit) for limit in self.limits)
            return math.exp(low + fraction * (high - low))
        return self.labels[int(fraction * len(self.values))]


class Quick(Content):
    """What a search in small has in the place of the whole one's."""

    settings: Settings = Field({})  # of all configurations, by dotted names
    values: dict[str, list[Any]] = Field({})  # by parameter's name


class Space(Content):
    """One search."""

    name: str  # as on the command line
    title: str  # one line for people
    table: str = "none"  # of the paper, in Roman numerals; "none" where it is not the paper's
    preset: str = ""  # where the settings come from
    settings: Settings = Field({})  # differences of all configurations from the preset, by dotted names
    parameters: tuple[Parameter, ...] = ()  # what is varied
    rows: tuple[str, ...] = ()  # those whose values are the rows of the paper's results: the best of each is tested
    baseline: str | None = (
        None  # the classical baseline whose own grid is the search; preset and parameters are empty then
    )
    quick: Quick | None = None  # the same search in small, for an hour on two cores; None where there is none

    @model_validator(mode="after")
    def _searches_something(self) -> Space:
        if self.baseline is not None and not (self.baseline in BASELINES and BASELINES[self.baseline].is_grid):
            grids = [name for name in BASELINES if BASELINES.source(name) == BUILT_IN and BASELINES[name].is_grid]
            raise ValueError(f"baseline is {self.baseline!r}; expected one with a grid: {', '.join(grids)}")
        if self.baseline is None and not (self.preset and self.parameters):
            raise ValueError("a search needs a preset and [[parameters]], each with a setting and its values")
        names = [parameter.name for parameter in self.parameters]
        if len(set(names)) < len(names):
            raise ValueError(f"two parameters have the same name; there are {', '.join(names)}")
        if unknown := set(self.rows) - {parameter.name for parameter in self.parameters if parameter.scale is None}:
            raise ValueError(f"rows of {', '.join(sorted(unknown))}, which is no parameter without a scale")
        if self.quick and (unknown := self.quick.values.keys() - set(names)):
            raise ValueError(f"quick.values of {', '.join(sorted(unknown))}, which is no parameter")
        return self

    @property
    def size(self) -> int:
        """Points of the grid."""
        return math.prod(len(parameter.values) for parameter in self.parameters)

    def in_small(self) -> Space | None:
        """The same search in small, under a name of its own; None where there is none."""
        if self.quick is None:
            return None
        parameters = [_with_values(p, self.quick.values.get(p.name)) for p in self.parameters]
        own = {"name": f"{self.name}-quick", "title": f"{self.title}, in small", "quick": None}
        settings = self.settings | self.quick.settings
        return self.model_copy(update={**own, "settings": settings, "parameters": tuple(parameters)})


def grid(parameters: Sequence[Parameter]) -> Iterator[Point]:
    """Every combination of levels; the last parameter changes fastest."""
    names = [parameter.name for parameter in parameters]
    for labels in itertools.product(*(parameter.labels for parameter in parameters)):
        yield dict(zip(names, labels, strict=True))


def sobol_points(parameters: Sequence[Parameter], seed: int) -> Iterator[Point]:
    """Points of a scrambled Sobol' sequence without end: a longer search contains the shorter one.

    A parameter with a scale takes numbers between its levels, another one the level of its interval.
    """
    sequence = qmc.Sobol(len(parameters), scramble=True, rng=np.random.default_rng(derive_seed(seed, "sobol")))
    while True:
        for row in sequence.random(1):
            yield {p.name: p.at_fraction(float(fraction)) for p, fraction in zip(parameters, row, strict=True)}


def space_names() -> list[str]:
    """Names of the searches that the package has, sorted."""
    return names_in(spaces.__name__)


def load_space(choice: str) -> Space:
    """A search of the package by its name, or one's own by the path of its TOML file; UserError where there is none."""
    name, tree = read_chosen(spaces.__name__, choice, "sweep")
    space = validated(Space, {"name": name, **tree}, f"sweep {choice}")
    try:
        space.in_small()
        if space.preset:
            load_preset(space.preset)
    except ValidationError as error:
        raise UserError(f"sweep {choice}: quick.values: {faults(error)[0].message}.") from None
    except UserError as error:
        raise UserError(f"sweep {choice}: preset: {error}") from None
    return space


def _with_values(parameter: Parameter, values: list[Any] | None) -> Parameter:
    if values is None:
        return parameter
    rows = values if len(parameter.settings) > 1 else [[value] for value in values]
    return Parameter.model_validate({**parameter.model_dump(), "values": rows})
