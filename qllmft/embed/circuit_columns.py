"""Columns of a circuit's matrix as a differentiable function of its angles, by the adjoint engine."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_circuits import adapter_circuit


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
        self.dimension, self.rank, self.n_qubits, self.n_layers = (
            dimension,
            rank,
            qubits_of(dimension),
            n_layers,
        )
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
        slots = engine.program.angles(angles.numpy(force=True)[None])[0]
        values, ctx.tape = engine.amplitudes(slots, np.eye(rank))
        ctx.engine = engine
        return torch.from_numpy(values).to(angles)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor, None]:
        by_slot = ctx.engine.amplitudes_vjp(ctx.tape, grad_outputs[0].numpy(force=True))
        return (
            None,
            torch.from_numpy(by_slot @ ctx.engine.program.angle_matrix).to(grad_outputs[0]),
            None,
        )
