"""State vectors in torch operations: the gates of the engine's programs, for any device and in ONNX.

States are real, (B, 2^Q); bit q of an amplitude's index is qubit q. All operations are differentiable.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from qllmft_engine.program.gates import FACTORS, FactorKind
from qllmft_engine.program.operations import FIXED_PARTS

# CNOT is the sum over b of the projector P_b on its control and X^b on its target
PROJECTORS = ((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (0.0, 1.0))
FLIP_POWERS = np.eye(2).tolist(), FACTORS[FactorKind.FLIP].constant.real.tolist()

# an `Op`, its control, its target and the slot of its angle; -1 without one
Gate = tuple[int, int, int, int]


class StateRepresentation(ABC):
    """Representation of B states that gates act on, such as whole vectors or a chain of tensors."""

    @abstractmethod
    def act(self, qubit: int, gate: Callable[[Tensor], Tensor]) -> None:
        """Replace the numbers (B, i, 2, j) of a qubit by those behind a gate on it."""

    @abstractmethod
    def entangle(self, control: int, target: int, *, flips: bool) -> None:
        """Apply CNOT, if it ``flips``, or CZ."""

    def apply(self, gates: Iterable[Gate], cos: Tensor, sin: Tensor) -> None:
        """Apply gates in their order.

        Args:
            gates: of a program.
            cos: (B, G) or (1, G), of half the angles.
            sin: the same.
        """
        for op, control, target, slot in gates:
            self.apply_fixed_part(op, control, target)
            if slot >= 0:
                self.rotate(target, cos[:, slot], sin[:, slot])

    def apply_fixed_part(self, op: int, control: int, target: int) -> None:
        """Apply the part of a gate without an angle, if there is one. It is its own inverse.

        Args:
            op: an `Op`.
            control: its control, -1 without one.
            target: its target.
        """
        part = FIXED_PARTS.get(op)
        if part is None:
            return
        flips = part == FactorKind.X
        if control >= 0:
            self.entangle(control, target, flips=flips)
        else:
            self.act(target, partial(apply_x_or_z, axis=2, flips=flips))

    def rotate(self, target: int, cos: Tensor, sin: Tensor) -> None:
        """Apply R_Y, with cos and sin (B,) or (1,) of half its angle."""
        self.act(
            target, partial(rotate_pairs, cos=cos.reshape(-1, 1, 1), sin=sin.reshape(-1, 1, 1))
        )


class StateVectors(StateRepresentation):
    """State vectors (B, 2^Q)."""

    def __init__(self, states: Tensor) -> None:
        self.states = states

    def act(self, qubit: int, gate: Callable[[Tensor], Tensor]) -> None:
        """See `StateRepresentation`."""
        size = self.states.shape[1]
        parts = self.states.reshape(-1, size >> qubit + 1, 2, 2**qubit)
        self.states = gate(parts).reshape(-1, size)

    def entangle(self, control: int, target: int, *, flips: bool) -> None:
        """See `StateRepresentation`."""
        size = self.states.shape[1]
        low, high = sorted((control, target))
        parts = self.states.reshape(-1, size >> high + 1, 2, 2 ** (high - low - 1), 2, 2**low)
        axis_of = {high: 2, low: 4}
        off, on = parts.unbind(axis_of[control])  # the axes behind the control's move up by one
        on = apply_x_or_z(on, axis_of[target] - (control > target), flips=flips)
        self.states = torch.stack([off, on], dim=axis_of[control]).reshape(-1, size)


def apply_x_or_z(parts: Tensor, axis: int, *, flips: bool) -> Tensor:
    """Return numbers behind X, if it ``flips``, or Z on an axis of two."""
    low, high = parts.unbind(axis)
    return torch.stack([high, low] if flips else [low, -high], dim=axis)


def rotate_pairs(parts: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return numbers (B, i, 2, j) behind R_Y on the axis of two, with cos and sin (B, 1, 1) of half its angle."""
    low, high = parts.unbind(2)
    return torch.stack([cos * low - sin * high, sin * low + cos * high], dim=2)


def rotation_matrices(angles: Tensor) -> Tensor:
    """Return R_Y (..., 2, 2) of angles."""
    cos = torch.cos(angles / 2)
    sin = torch.sin(angles / 2)
    return torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=-2)


def final_states(gates: Iterable[Gate], states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return the states behind all gates.

    Args:
        gates: in the order of application.
        states: (B, 2^Q).
        cos: (B, G) or (1, G), of half the angles.
        sin: the same.
    """
    vectors = StateVectors(states)
    vectors.apply(gates, cos, sin)
    return vectors.states


def string_signs(n_qubits: int, masks: Sequence[int]) -> Tensor:
    """Return the diagonals (2^Q, T) of Z strings in float32; bit q of a mask is Z on qubit q."""
    signs = torch.ones(1, len(masks))
    for qubit in range(n_qubits):
        flips = torch.tensor([1.0 - 2.0 * (mask >> qubit & 1) for mask in masks])
        signs = torch.cat([signs, signs * flips])
    return signs
