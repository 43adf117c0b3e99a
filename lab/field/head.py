"""Heads of the bench: what a file of ``rows`` defines, and the heads that the folder has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from qiskit import QuantumCircuit
from torch import Tensor, nn

from lab.field import rows
from qllmft import UserError

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # C of logistic regressions


class ValuesHead(nn.Module):
    """Module whose scores (N,) are a readout of values (N, V), such as those of a circuit.

    Attributes:
        readout: maps values (N, V) to scores (N, 1).
        noise: each value when the circuit returns pure noise.
        fixed_numbers: numbers of the module that are not trained.
    """

    readout: Callable[[Tensor], Tensor]
    noise = 0.0
    fixed_numbers = 0

    def values(self, x: Tensor) -> Tensor:
        """Return the values (N, V) of features (N, D)."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N,) of features (N, D)."""
        return self.readout(self.values(x)).squeeze(-1)


def make_mlp(width: int) -> Callable[[int, torch.Generator], nn.Module]:
    """Return a maker of MLPs with one hidden layer."""
    return lambda features, _: nn.Sequential(
        nn.Linear(features, width), nn.ReLU(), nn.Linear(width, 1), nn.Flatten(-2)
    )


@dataclass(frozen=True)
class Head:
    """Row of the bench: a torch module that the bench trains, or estimators with scikit-learn's interface.

    A module maps features (N, D) to scores (N,), above 0 for label 1. If it has a circuit, it is a `ValuesHead`, and
    its method ``states``, if there is one, returns the circuit's states (N, 2^Q).
    """

    name: str
    source: str  # paper, or what the row is a control for
    tables: tuple[str, ...]  # tables of the plan that show it
    # torch module of the number of features and of a source of initial weights
    module: Callable[[int, torch.Generator], nn.Module] | None = None
    # estimators of a seed and of the module of ``base_head``; the validation AUC chooses one
    estimators: Callable[[int, Any], Sequence[Any]] | None = None
    base_head: str = ""  # head whose trained module the estimators take
    family: str = ""  # class in `FAMILIES` that contains the circuit's values
    circuit: Callable[[], QuantumCircuit] | None = None  # of one text, with its loading
    vectorised: bool = True  # torch.vmap can train the seeds' modules at once

    def __post_init__(self) -> None:
        if (self.module is None) == (self.estimators is None):
            count = "none" if self.module is None else "both"
            raise UserError(
                f"the head {self.name!r} has {count} of module and estimators, expected one. "
                "Give one in its file in lab/field/rows."
            )


def find_heads() -> dict[str, Head]:
    """Return the heads of the folder ``rows`` by name, each the value ``HEAD`` of a file."""
    heads = [
        import_module(f"{rows.__name__}.{module.name}").HEAD
        for module in iter_modules(rows.__path__)
    ]
    return {head.name: head for head in heads}


def table_heads(table: str) -> list[Head]:
    """Return the heads of a table, in the order of their files."""
    return [head for head in find_heads().values() if table in head.tables]
