"""Gates of the adjoint engine's programs as torch operations on real states.

States are (B, 2^Q); bit q of an amplitude's index is qubit q. All operations are differentiable and go into ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qllmft_backends.adjoint.program.lowering import Op

FLIPS = (Op.X, Op.CX, Op.CX_ROT)  # they exchange amplitudes; Z and CZ change signs


def moved(states: Tensor, op: int, control: int, target: int) -> Tensor:
    """Return the states behind the part of a gate without an angle, which is its own inverse.

    Args:
        states: (B, 2^Q).
        op: an `Op`; `Op.ROT` has no such part.
        control: its control, -1 without one.
        target: its target.
    """
    if op == Op.ROT:
        return states
    size, flips = states.shape[1], op in FLIPS
    if control < 0:
        parts = states.reshape(-1, size >> target + 1, 2, 2**target)
        return acted(parts, 2, flips=flips).reshape(-1, size)
    low, high = sorted((control, target))
    parts = states.reshape(-1, size >> high + 1, 2, 2 ** (high - low - 1), 2, 2**low)
    axis_of = {high: 2, low: 4}
    off, on = parts.unbind(axis_of[control])  # the axes behind the control's move up by one
    on = acted(on, axis_of[target] - (control > target), flips=flips)
    return torch.stack([off, on], dim=axis_of[control]).reshape(-1, size)


def acted(parts: Tensor, axis: int, *, flips: bool) -> Tensor:
    """Return numbers behind X, if it ``flips``, or Z on an axis of two."""
    low, high = parts.unbind(axis)
    return torch.stack([high, low] if flips else [low, -high], dim=axis)


def rotated(parts: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Return numbers (B, i, 2, j) behind R_Y on the axis of two, with cos and sin (B, 1, 1) of half its angle."""
    low, high = parts.unbind(2)
    return torch.stack([cos * low - sin * high, sin * low + cos * high], dim=2)


def turned(states: Tensor, target: int, cos: Tensor, sin: Tensor) -> Tensor:
    """Return the states behind R_Y on one qubit.

    Args:
        states: (B, 2^Q).
        target: the qubit.
        cos: (B,) or (1,), of half the angle.
        sin: the same.
    """
    parts = states.reshape(-1, states.shape[1] >> target + 1, 2, 2**target)
    return rotated(parts, cos.reshape(-1, 1, 1), sin.reshape(-1, 1, 1)).reshape(-1, states.shape[1])


def string_signs(n_qubits: int, masks: Sequence[int]) -> Tensor:
    """Return the diagonals (2^Q, T) of Z strings in float32; bit q of a mask is Z on qubit q."""
    signs = torch.ones(1, len(masks))
    for qubit in range(n_qubits):
        flips = torch.tensor([1.0 - 2.0 * (mask >> qubit & 1) for mask in masks])
        signs = torch.cat([signs, signs * flips])
    return signs
