"""Adapter of circuits: the weights W of a linear layer become W + alpha · U diag(s) Vᵀ.

U and V are columns of circuits' matrices (see `CircuitColumns`), so the number of trained weights of a layer grows with
the logarithm of its size. The values s begin at zero, and so does the change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qllmft.config import BodyConfig
from qllmft.config.lora import QuantumAdapterConfig
from qllmft.errors import UserError
from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_circuits import adapter_circuit

KIND = "quantum_adapter"
_LINEAR = ("Linear", "Conv1D")  # Conv1D is the linear layer of GPT-2
_MOST_NAMES = 8  # in an error


@cache
def column_engine(n_qubits: int, n_layers: int) -> AdjointEngine:
    """Return the engine of an adapter's circuit, which measures nothing."""
    return AdjointEngine(lower(adapter_circuit(n_qubits, n_layers)), np.zeros(0, np.int64))


def qubits_of(dimension: int) -> int:
    """Return the least number of qubits, 1 or more, whose states have ``dimension`` amplitudes.

    >>> [qubits_of(dimension) for dimension in (1, 2, 384, 512, 768)]
    [1, 1, 9, 9, 10]
    """
    return max(1, (dimension - 1).bit_length())


class CircuitColumns(nn.Module):
    """First columns (D, r) of the matrix of an adapter's circuit, cut to D rows; the angles are drawn from ±π.

    Cut columns are exactly orthogonal only if D is a power of two.
    """

    def __init__(self, dimension: int, rank: int, n_layers: int) -> None:
        super().__init__()
        self.dimension, self.rank = dimension, rank
        self.n_qubits, self.n_layers = qubits_of(dimension), n_layers
        count = column_engine(self.n_qubits, n_layers).program.n_angles
        self.angles = nn.Parameter((2 * torch.rand(count) - 1) * np.pi)

    def forward(self) -> Tensor:
        """Return the columns (D, r) in the dtype and on the device of the angles."""
        engine = column_engine(self.n_qubits, self.n_layers)
        engine = engine.double if self.angles.dtype == torch.float64 else engine
        columns: Tensor = _Columns.apply(engine, self.angles, self.rank)  # type: ignore[no-untyped-call]
        return columns[:, : self.dimension].T


class _Columns(torch.autograd.Function):
    """Columns (r, 2^Q): the states that the circuit makes of the first r basis states."""

    @staticmethod
    def forward(ctx: Any, engine: AdjointEngine, angles: Tensor, rank: int) -> Tensor:
        """Return the columns in the dtype and on the device of the angles.

        Args:
            ctx: of autograd; keeps the engine and its tape for the sweep back.
            engine: of `column_engine`, in float32 or float64.
            angles: (P,) parameters of the circuit in radians, on any device.
            rank: r, number of basis states, from |0...0⟩ on in the order of their indices.

        Returns:
            (r, 2^Q), a state a row; bit q of a column's index is qubit q.
        """
        slots = engine.program.angles(angles.numpy(force=True)[None])[0]
        values, ctx.tape = engine.amplitudes(slots, np.eye(rank))
        ctx.engine = engine
        return torch.from_numpy(values).to(angles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor, None]:
        by_slot = ctx.engine.amplitudes_vjp(ctx.tape, grad_outputs[0].numpy(force=True))
        by_angle = torch.from_numpy(by_slot @ ctx.engine.program.angle_matrix)
        return None, by_angle.to(grad_outputs[0]), None


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
            if settings.rank > (size := min(sizes[name])):
                raise UserError(
                    f"body.quantum_adapter.rank is {settings.rank}, and the layer {name} has {size} inputs or "
                    f"outputs; set it to {size} or less."
                )
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


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the linear layers of a model by their whole names."""
    return {name: part for name, part in model.named_modules() if type(part).__name__ in _LINEAR}


def some_names(model: nn.Module) -> str:
    """Return the first few last parts of the names of linear layers."""
    return listed(sorted({name.rpartition(".")[2] for name in linear_layers(model)}))


def listed(names: Sequence[str]) -> str:
    """Return the first few names of an error."""
    return ", ".join([*names[:_MOST_NAMES], *(["..."] if len(names) > _MOST_NAMES else [])])
