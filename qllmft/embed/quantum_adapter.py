"""Adapter of circuits: the weights W of a linear layer become W + alpha · U diag(s) Vᵀ.

U and V are columns of circuits' matrices (see `CircuitColumns`), so the number of trained weights of a layer grows with
the logarithm of its size. The values s begin at zero, and so does the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from qllmft.config import BodyConfig
from qllmft.config.quantum_adapter import QuantumAdapterConfig
from qllmft.embed.circuit_columns import CircuitColumns
from qllmft.embed.linear_layers import linear_layers, some_names
from qllmft.errors import UserError
from qllmft_backends.validation import faults

KIND = "quantum_adapter"


class CircuitLinear(nn.Module):
    """Frozen linear layer with a change of its weights by two circuits."""

    def __init__(self, layer: nn.Module, settings: QuantumAdapterConfig) -> None:
        super().__init__()
        self.base_layer = layer
        self._alpha = settings.alpha
        inputs, outputs = sizes_of(layer)
        self.input = CircuitColumns(inputs, settings.rank, settings.layers)
        self.output = CircuitColumns(outputs, settings.rank, settings.layers)
        self.values = nn.Parameter(torch.zeros(settings.rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (..., D_out) of inputs (..., D_in)."""
        inner = x @ self.input() * (self._alpha * self.values)
        outputs: Tensor = self.base_layer(x) + inner @ self.output().T
        return outputs


def sizes_of(layer: nn.Module) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of a linear layer."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    rows, columns = weight.shape
    return (columns, rows) if isinstance(layer, nn.Linear) else (rows, columns)


class QuantumAdapter:
    """Adapter of circuits in a frozen model, which is changed in place. Its angles come from torch's generator.

    Attributes:
        settings: content of its configuration file.
    """

    def __init__(
        self, model: nn.Module, settings: QuantumAdapterConfig, config: BodyConfig
    ) -> None:
        model.requires_grad_(False)
        self._layers: dict[str, CircuitLinear] = {}
        sizes = {}
        for name, layer in _chosen(model, settings, config).items():
            sizes[name] = list(sizes_of(layer))
            _check_rank(name, min(sizes[name]), settings.rank)
            adapted = CircuitLinear(layer, settings).to(next(layer.parameters()).device)
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, adapted)
            self._layers[name] = adapted
        self.settings = {"adapter_type": KIND, **settings.model_dump(mode="json"), "sizes": sizes}

    def weights(self) -> dict[str, Tensor]:
        """Return the trained weights by name: those of a layer are input.angles, output.angles and values."""
        return {
            f"{name}.{part}": weight.detach()
            for name, layer in self._layers.items()
            for part, weight in layer.named_parameters()
            if not part.startswith("base_layer.")
        }

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Set the trained weights."""
        for name, weight in self.weights().items():
            given = weights[name]
            if given.shape != weight.shape or not given.isfinite().all():
                raise ValueError(
                    f"{name} is {tuple(given.shape)}, expected {tuple(weight.shape)} finite numbers"
                )
            weight.copy_(given)


def _chosen(
    model: nn.Module, settings: QuantumAdapterConfig, config: BodyConfig
) -> dict[str, nn.Module]:
    """Return the layers to adapt by name, or raise UserError if a target is the name of none."""
    layers = linear_layers(model)
    for target in settings.targets or ("",):
        if not any(f".{name}".endswith(f".{target}") or not target for name in layers):
            raise UserError(
                f"an adapter cannot be put into the body {config.model!r}: no linear layer has the name {target!r}. "
                f"Its linear layers are {some_names(model) or 'none'}; name some of them in "
                "body.quantum_adapter.targets."
            )
    ends = tuple(f".{target}" for target in settings.targets) or ("",)
    return {name: layer for name, layer in layers.items() if f".{name}".endswith(ends)}


def _check_rank(name: str, size: int, rank: int) -> None:
    if rank > size:
        raise UserError(
            f"body.quantum_adapter.rank is {rank}, and the layer {name} has {size} inputs or outputs; set it to {size} "
            "or less."
        )


def read_settings(content: Mapping[str, Any], where: str) -> QuantumAdapterConfig:
    """Return the settings of a configuration file of this kind of adapter."""
    given = {
        name: value for name, value in content.items() if name not in ("adapter_type", "sizes")
    }
    try:
        return QuantumAdapterConfig.model_validate(given)
    except ValidationError as error:
        raise UserError(
            f"{where} is no configuration of a quantum adapter: {faults(error)[0]}."
        ) from None
