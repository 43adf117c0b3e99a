"""Adapter of circuits in the linear layers of a language model.

U and V are columns of circuits' matrices (see `CircuitColumns`), so the number of trained weights of a layer grows with
the logarithm of its size. The values s begin at zero, and so does the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qllmft_engine import AdjointEngine, lower
from qllmft_quantum_adapter.circuit import adapter_circuit, qubit_count

_LINEAR = ("Linear", "Conv1D")  # Conv1D is the linear layer of GPT-2


class Settings(BaseModel):
    """Content of an adapter's configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    peft_type: Literal["QUANTUM_ADAPTER"] = "QUANTUM_ADAPTER"
    rank: Annotated[int, Field(ge=1, le=4096)] = 8  # r, number of columns
    layers: Annotated[int, Field(ge=0, le=200)] = 3  # L of each circuit, after its first rotations
    alpha: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 16.0  # factor of the change
    # last parts of the names of adapted layers, such as "query"; empty: all linear layers
    target_modules: tuple[str, ...] = ()
    # numbers of inputs and outputs of the adapted layers by name; None before there are any
    sizes: dict[str, tuple[int, int]] | None = None


@cache
def column_engine(n_qubits: int, n_layers: int) -> AdjointEngine:
    """Return the engine of an adapter's circuit, which measures nothing."""
    return AdjointEngine(lower(adapter_circuit(n_qubits, n_layers)), np.zeros(0, np.int64))


class CircuitColumns(nn.Module):
    """First columns (D, r) of the matrix of an adapter's circuit, cut to D rows; the angles are drawn from ±π.

    Cut columns are exactly orthogonal only if D is a power of two.
    """

    def __init__(self, dimension: int, rank: int, n_layers: int) -> None:
        super().__init__()
        self.dimension = dimension
        self.rank = rank
        self.engine = column_engine(qubit_count(dimension), n_layers)
        self.angles = nn.Parameter((2 * torch.rand(self.engine.program.n_angles) - 1) * np.pi)

    def forward(self) -> Tensor:
        """Return the columns (D, r) in the dtype and on the device of the angles."""
        engine = self.engine.double if self.angles.dtype == torch.float64 else self.engine
        columns: Tensor = _Columns.apply(engine, self.angles, self.rank)  # type: ignore[no-untyped-call]
        return columns[:, : self.dimension].T


class _Columns(torch.autograd.Function):
    """Columns (r, 2^Q): the states that the circuit makes of the first r basis states."""

    @staticmethod
    def forward(ctx: Any, engine: AdjointEngine, angles: Tensor, rank: int) -> Tensor:
        """Return the columns (r, 2^Q), a state a row; bit q of a column's index is qubit q."""
        slots = engine.program.angles(angles.numpy(force=True)[None])[0]
        values, ctx.tape = engine.amplitudes(slots, np.eye(rank))
        ctx.engine = engine
        return torch.from_numpy(values).to(angles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor, None]:
        """Return the gradient by the angles (P,)."""
        by_slot = ctx.engine.amplitudes_vjp(ctx.tape, grad_outputs[0].numpy(force=True))
        by_angle = torch.from_numpy(by_slot @ ctx.engine.program.angle_matrix)
        return None, by_angle.to(grad_outputs[0]), None


class CircuitLinear(nn.Module):
    """Frozen linear layer with a change of its weights by two circuits."""

    def __init__(self, layer: nn.Module, settings: Settings) -> None:
        super().__init__()
        self.base_layer = layer
        self._alpha = settings.alpha
        inputs, outputs = _layer_sizes(layer)
        self.input = CircuitColumns(inputs, settings.rank, settings.layers)
        self.output = CircuitColumns(outputs, settings.rank, settings.layers)
        self.values = nn.Parameter(torch.zeros(settings.rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs (..., D_out) of inputs (..., D_in)."""
        inner = x @ self.input() * (self._alpha * self.values)
        outputs: Tensor = self.base_layer(x) + inner @ self.output().T
        return outputs


class QuantumAdapter:
    """Adapter of circuits in a frozen model, which is changed in place. Its angles come from torch's generator.

    Args:
        model: transformers model whose weights need no gradient.
        settings: those of `Settings` by name. If they have ``sizes``, the model's layers must have these.

    Attributes:
        settings: content of its configuration file.

    Raises:
        ValueError: if a setting is faulty, or the model has no such layers.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, Any]) -> None:
        try:
            adapter_settings = Settings.model_validate(settings)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        self._layers: dict[str, CircuitLinear] = {}
        layers = _find_layers(model, adapter_settings)
        sizes = {name: _layer_sizes(layer) for name, layer in layers.items()}
        if adapter_settings.sizes not in (None, sizes):
            raise ValueError("its layers had other numbers of inputs and outputs in training")
        for name, layer in layers.items():
            if adapter_settings.rank > (size := min(sizes[name])):
                raise ValueError(
                    f"rank is {adapter_settings.rank}, expected {size} or less, because the layer {name} "
                    f"has {size} inputs or outputs"
                )
            parent, _, last = name.rpartition(".")
            adapted = CircuitLinear(layer, adapter_settings).to(next(layer.parameters()).device)
            setattr(model.get_submodule(parent), last, adapted)
            self._layers[name] = adapted
        self.settings = {**adapter_settings.model_dump(mode="json"), "sizes": sizes}

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
            if not weights[name].isfinite().all():
                raise ValueError(f"{name} is not finite")
            weight.copy_(weights[name])


def _layer_sizes(layer: nn.Module) -> tuple[int, int]:
    """Return the numbers of inputs and outputs of a linear layer."""
    rows, columns = layer.get_parameter("weight").shape
    return (columns, rows) if isinstance(layer, nn.Linear) else (rows, columns)


def _find_layers(model: nn.Module, settings: Settings) -> dict[str, nn.Module]:
    """Return the layers to adapt by name, or raise ValueError if a target is the name of none."""
    layers = {name: part for name, part in model.named_modules() if type(part).__name__ in _LINEAR}
    ends = tuple(f".{target}" for target in settings.target_modules) or ("",)
    for end in ends:
        if not any(f".{name}".endswith(end) for name in layers):
            raise ValueError(f"no linear layer has the name {end[1:]!r}")
    return {name: layer for name, layer in layers.items() if f".{name}".endswith(ends)}
