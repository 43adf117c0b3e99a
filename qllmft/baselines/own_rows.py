"""Rows of a run that come from one Python file of the user's own: see `qllmft.heads.own_head`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from qllmft.baselines.checks import is_estimator
from qllmft.baselines.grid import GridBaseline
from qllmft.baselines.head import BASELINES, Baseline, FittedHead, Head
from qllmft.baselines.without_circuit import fit_without_circuit
from qllmft.config import RunConfig
from qllmft.heads.own_head import (
    OWN_HEADS,
    OwnHead,
    as_classifier,
    is_estimator_like,
    load_own_head,
)
from qllmft.tasks import TASKS
from qllmft.training.head import TorchHead
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.training import Examples

CONTROL = "no_circuit"  # end of the name of a control


@dataclass(eq=False)
class OwnTorchHead(TorchHead):
    """Torch module of a user's file, whose model is loaded only with that file."""

    own_head: str = ""  # name in `qllmft.heads.own_head.OWN_HEADS`


def use_own_heads(choices: Iterable[str]) -> dict[str, str]:
    """Run the files of ``--head`` options, and make each head and its separable twin a baseline by name.

    Args:
        choices: ``FILE.py:NAME`` each.

    Returns:
        Names of the baselines by names without the hash, such as ``my_circuit.make`` of a study's file.

    Raises:
        UserError: if a file does not have such a head, or two have the same name.
    """
    names: dict[str, str] = {}
    for choice in choices:
        head = load_own_head(choice)
        for own_head in filter(None, (head, head.twin)):
            short_name = own_head.name.rpartition(".")[0]
            if short_name in names:
                raise UserError(f"--head names {short_name} twice. Leave one out.")
            names[short_name] = own_head.name
            baseline = Baseline(
                own_head.label, partial(_make_row, own_head), tuned=False, tasks=tuple(TASKS)
            )
            BASELINES.register(own_head.name, baseline, replace=True)
    return names


def register_controls(names: Mapping[str, str]) -> dict[str, str]:
    """Make the control of each of `use_own_heads` a baseline, and return all names by names without the hash.

    In a run's table the control has its place beside the head. In a study it is a row of its own.
    """
    controls: dict[str, str] = {}
    for short_name, name in names.items():
        own_head = OWN_HEADS[name]
        if own_head.separable:
            continue
        front, _, digest = name.rpartition(".")
        control_name = f"{front}.{CONTROL}.{digest}"
        baseline = Baseline(
            f"{own_head.label}, no circuit",
            partial(_make_control, own_head),
            tuned=True,
            tasks=tuple(TASKS),
        )
        BASELINES.register(control_name, baseline, replace=True)
        controls[f"{short_name}.{CONTROL}"] = control_name
    return {**names, **controls}


@dataclass(eq=False)
class OwnControl:
    """Linear model of the circuit's inputs of a user's head, which it trains again."""

    name: str
    head: OwnTorchHead
    control: FittedHead | None = None

    def fit(self, train: Examples, validation: Examples) -> None:
        """Train the head, then the linear model of its latent values."""
        self.head.fit(train, validation)
        self.control = fit_without_circuit(self.head, train, validation)
        if self.control is None:
            raise UserError(
                f"the row {self.name!r} needs a torch.nn.Sequential with one circuit among its layers, and the head "
                "is another module. Leave the row out."
            )

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the answers of the linear model for embeddings (N, D)."""
        latent = self.head.latent(torch.from_numpy(x))
        assert latent is not None
        assert self.control is not None  # it was fitted
        answers: NDArray[Any] = self.control.head.predict(latent.numpy())
        return answers

    def exact_score(self, examples: Examples) -> None:
        """Return None: no circuit, no noise."""

    @property
    def interrupted(self) -> bool:
        """Return whether the training of the head was interrupted."""
        return self.head.interrupted

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters of the layers before the circuit and of the linear model."""
        assert self.control is not None
        return self.head.n_encoder_parameters + self.control.head.n_parameters

    @property
    def settings(self) -> dict[str, Any]:
        """Return the penalty of the linear model."""
        return {} if self.control is None else self.control.head.settings


def _make_control(
    own_head: OwnHead, config: RunConfig, size: int, dimension: int, n_labels: int
) -> Head:
    """Return the control of a user's head, see `_make_row`."""
    row = _make_row(own_head, config, size, dimension, n_labels)
    name = f"{own_head.label}, no circuit"
    if not isinstance(row, OwnTorchHead):
        raise UserError(
            f"the row {name!r} is of a circuit, and the head is a {type(row).__name__} without one. Leave the row out."
        )
    return OwnControl(name, row)


def _make_row(own_head: OwnHead, config: RunConfig, _: int, dimension: int, n_labels: int) -> Head:
    """Return the row of a user's head, not yet fitted.

    Args:
        own_head: the head.
        config: of the run.
        _: number of trained parameters of the run's own head.
        dimension: D of the embeddings.
        n_labels: k, number of labels or targets.
    """
    made = own_head.make(dimension, n_labels, config.seed)
    if isinstance(made, nn.Module):
        classifier = as_classifier(own_head.label, made, dimension, n_labels, config.seed)
        return OwnTorchHead(
            own_head.label,
            classifier,
            config.train,
            config.seed,
            converges=True,
            controlled=not own_head.separable,
            own_head=own_head.name,
        )
    if not is_estimator_like(made):
        raise UserError(
            f"the head {own_head.label!r} made an object of {type(made).__name__}, expected a torch module, a "
            "QuantumCircuit or an object with fit and predict. Correct its file."
        )
    make: Any = made if is_estimator(made) else partial(deepcopy, made)
    return GridBaseline(own_head.label, make, [{}])
