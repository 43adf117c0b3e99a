"""What the paper prints, as data: ``published.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, get_args

Quantity = Literal["accuracy", "parameters", "difference", "crossover", "training_time"]


@dataclass(frozen=True)
class Published:
    """One number of the paper."""

    quantity: Quantity  # what it is
    label: str  # the row, as the paper has it
    value: float  # the number
    unit: str  # of the value: ``%``, ``parameters``, ``percentage points``, ``qubits`` or ``h``
    where: str  # table, caption or section
    preset: str | None = None  # makes the same experiment here; None where no preset does
    than: str | None = None  # of a difference, the preset that is subtracted
    sweep: str | None = None  # the table of the sweep that the value is the best of


@dataclass(frozen=True)
class Paper:
    """All that is published, and what its numbers were measured with."""

    body: str  # the language model
    dimension: int  # D, of its embeddings
    data: str  # the texts
    values: tuple[Published, ...]  # in the order of the paper
    figures: dict[str, str]  # by figure, which of its numbers are printed

    def of(self, quantity: Quantity) -> list[Published]:
        """The values of one quantity."""
        return [value for value in self.values if value.quantity == quantity]

    def of_preset(self, quantity: Quantity, preset: str) -> Published | None:
        """The value of a quantity that is printed for a preset; None where there is none."""
        return next((value for value in self.of(quantity) if value.preset == preset), None)


@cache
def published() -> Paper:
    """Read ``published.toml``."""
    tree = tomllib.loads((resources.files(__name__) / "published.toml").read_text(encoding="utf-8"))
    quantities: tuple[Quantity, ...] = get_args(Quantity)
    values = tuple(
        Published(quantity=quantity, unit=tree[quantity]["unit"], **entry)
        for quantity in quantities
        for entry in tree[quantity]["entries"]
    )
    return Paper(tree["body"], tree["dimension"], tree["data"], values, dict(tree["figures"]))
