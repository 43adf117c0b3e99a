"""Points of a search: combinations of settings from a grid, or spread over it."""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from qllmft.config.section import Section
from qllmft_base.errors import UserError
from qllmft_studies.bounds import MAX_CAMPAIGN_RUNS

Value = None | bool | int | float | str
# the label of a level, or a number between the levels, by the parameter's name
Point = dict[str, Value]


class Parameter(Section):
    """Setting that a search varies, or several settings that go together."""

    name: str  # for people; by default the setting's own
    settings: tuple[str, ...] = Field(min_length=1)  # dotted names
    # a row per level, a value per setting
    values: tuple[tuple[Value, ...], ...] = Field(min_length=1)
    # "log": qmc and tpe draw log-uniformly between the smallest and the largest value; None: they
    # choose a level
    scale: Literal["log"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, tree: Any) -> Any:
        """Expand ``setting = "a.b"`` with plain values."""
        if isinstance(tree, dict) and "setting" in tree:
            tree = {"name": tree["setting"], "settings": [tree["setting"]], **tree}
            del tree["setting"]
            if isinstance(tree.get("values"), list):
                tree["values"] = [[value] for value in tree["values"]]
        return tree

    @model_validator(mode="after")
    def _check_values(self) -> Parameter:
        if any(len(row) != len(self.settings) for row in self.values):
            raise ValueError(
                f"{self.name}: each value needs {len(self.settings)} entries, one per setting"
            )
        for value in itertools.chain(*self.values):
            # NaN compares as False
            if isinstance(value, int | float) and not abs(value) <= sys.float_info.max:
                raise ValueError(
                    f"{self.name}: a value is {str(value)[:20]}, expected a finite number below 1.8e308"
                )
        all_values = itertools.chain(*self.values)
        positive = [
            number for number in all_values if isinstance(number, int | float) and number > 0
        ]
        if self.scale == "log" and (len(self.settings) > 1 or len(positive) < len(self.values)):
            raise ValueError(
                f"{self.name}: a logarithmic scale needs one setting with positive numbers"
            )
        return self

    @property
    def labels(self) -> tuple[Value, ...]:
        """Return the label of each level: its value, or its values with slashes between, such as 1/48."""
        if len(self.settings) == 1:
            return tuple(value for (value,) in self.values)
        return tuple("/".join(str(value) for value in row) for row in self.values)

    @property
    def limits(self) -> tuple[float, float]:
        """Return the smallest and the largest value of a parameter with a scale."""
        numbers = [float(value) for (value,) in self.values if isinstance(value, int | float)]
        return min(numbers), max(numbers)

    def settings_at(self, label: Value) -> dict[str, Value]:
        """Return the settings by dotted name at a level, or at a number between the levels."""
        for level, row in zip(self.labels, self.values, strict=True):
            if level == label and isinstance(level, bool) == isinstance(label, bool):
                return dict(zip(self.settings, row, strict=True))
        if self.scale == "log":
            return {self.settings[0]: label}
        raise ValueError(
            f"{self.name} has the levels {', '.join(map(str, self.labels))}, and got {label!r}."
        )

    def at_fraction(self, fraction: float) -> Value:
        """Return the level, or the number on the scale, at ``fraction`` in [0, 1) from the first to the last."""
        if self.scale == "log":
            low, high = (math.log(limit) for limit in self.limits)
            return math.exp(low + fraction * (high - low))
        return self.labels[int(fraction * len(self.values))]

    def with_values(self, values: list[Any]) -> Parameter:
        """Return the parameter with other levels, written as in a file."""
        rows = values if len(self.settings) > 1 else [[value] for value in values]
        return Parameter.model_validate({**self.model_dump(), "values": rows})


def check_size(count: int, description: str) -> None:
    """Raise UserError if a campaign has more than `MAX_CAMPAIGN_RUNS` points or runs."""
    if count > MAX_CAMPAIGN_RUNS:
        raise UserError(
            f"{description}: got {count:,}, expected at most {MAX_CAMPAIGN_RUNS:,}. Leave some out."
        )


def grid_size(parameters: Sequence[Parameter]) -> int:
    """Return the number of combinations of levels."""
    return math.prod(len(parameter.values) for parameter in parameters)


def grid(parameters: Sequence[Parameter]) -> Iterator[Point]:
    """Yield every combination of levels, or raise UserError for too many. The last parameter changes fastest."""
    check_size(grid_size(parameters), "points of the grid")
    names = [parameter.name for parameter in parameters]
    for labels in itertools.product(*(parameter.labels for parameter in parameters)):
        yield dict(zip(names, labels, strict=True))


def short_name(setting: str) -> str:
    """Return a setting's name without its section."""
    return setting.rsplit(".", 1)[-1]


def level_text(level: object) -> str:
    """Return a level for people."""
    return f"{level:.4g}" if isinstance(level, float) else str(level)


def point_text(point: Mapping[str, object]) -> str:
    """Return a point for people: "main_layers 2, lr 0.005"."""
    return ", ".join(f"{short_name(name)} {level_text(level)}" for name, level in point.items())
