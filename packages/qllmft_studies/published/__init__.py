"""Numbers that the paper prints, from ``published.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

# in %, a number, in percentage points, in qubits, in hours
Quantity = Literal["accuracy", "parameters", "difference", "crossover", "training_time"]


@dataclass(frozen=True)
class Published:
    """Number that the paper prints."""

    quantity: Quantity
    label: str  # of the row, as printed
    value: float
    where: str  # table, caption or section
    preset: str | None = None  # of the same experiment here; None if there is none
    than: str | None = None  # subtracted preset of a difference
    sweep: str | None = None  # table of the sweep whose best value this is


@dataclass(frozen=True)
class Paper:
    """All printed numbers, with the body and the texts that they were measured on."""

    body: str
    dimension: int  # D, of its embeddings
    data: str
    values: tuple[Published, ...]  # in the order of the paper
    figures: dict[str, str]  # the printed numbers of each figure, in words

    def values_for(self, quantity: Quantity) -> list[Published]:
        """Return the values of one quantity."""
        return [value for value in self.values if value.quantity == quantity]

    def value_for_preset(self, quantity: Quantity, preset: str) -> Published | None:
        """Return the printed value of a quantity for a preset, or None if there is none."""
        return next((value for value in self.values_for(quantity) if value.preset == preset), None)

    def names(self, source: str) -> bool:
        """Return whether a data set has the name of the paper's: its last part, in any case of letters.

        >>> [paper_numbers().names(source) for source in ("SetFit/sst2", "SST2", "reviews.csv")]
        [True, True, False]
        """
        last = self.data.rpartition("/")[2]
        return source.rpartition("/")[2].lower() == last


@cache
def paper_numbers() -> Paper:
    """Read ``published.toml``."""
    tree = tomllib.loads((resources.files(__name__) / "published.toml").read_text(encoding="utf-8"))
    values = []
    for entry in tree["results"]:
        accuracy = entry.pop("accuracy")
        parameters = entry.pop("parameters", None)
        sweep = entry.pop("sweep")
        values.append(Published("accuracy", value=accuracy, sweep=sweep, **entry))
        if parameters is not None:
            values.append(Published("parameters", value=parameters, **entry))
    for quantity in ("difference", "crossover", "training_time"):
        values += [Published(quantity, **entry) for entry in tree[quantity]]
    return Paper(
        tree["body"], tree["dimension"], tree["data"], tuple(values), dict(tree["figures"])
    )
