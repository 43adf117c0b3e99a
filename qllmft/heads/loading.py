"""Loaded amplitudes of embeddings, section III-C."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qllmft.templates import Pad

SHORTEST_LENGTH = 1e-18  # length of the shortest embedding whose squares float32 can hold
# rows without a larger entry are multiplied first, which is exact
SMALL_ENTRY = 2.0**-50
SMALL_ENTRY_FACTOR = 2.0**100


def amplitudes(x: Tensor, pad: Pad, constant: float = 1.0) -> Tensor:
    """Return real amplitudes of norm 1, section III-C.

    The engine appends zeros up to 2^Q.

    Args:
        x: embeddings (..., D). One of zeros has no direction: all its amplitudes but the constant are zero.
        pad: ``zeros`` for x alone, so that ⟨Z⟩ is a quadratic form of x; ``bias`` for one more amplitude as long as x,
            so that ⟨Z⟩ has terms linear in x; ``constant`` for one more amplitude of 1 beside x as it is, so that the
            length of x is loaded too.
        constant: sign of that amplitude, 1 or -1.

    Returns:
        (..., D), or (..., D + 1) with ``bias`` and ``constant``.
    """
    if pad == "constant":
        constant_column = torch.full_like(x[..., :1], constant)
        return nn.functional.normalize(torch.cat([x, constant_column], dim=-1), dim=-1)
    small = x.abs().amax(dim=-1, keepdim=True) < SMALL_ENTRY
    unit = nn.functional.normalize(
        torch.where(small, x * SMALL_ENTRY_FACTOR, x), dim=-1, eps=SHORTEST_LENGTH
    )
    if pad == "zeros":
        return unit
    return torch.cat([unit, torch.full_like(unit[..., :1], constant)], dim=-1) / math.sqrt(2.0)


def loaded_vector(x: Tensor, pad: Pad) -> Tensor:
    """Return the vectors (..., D) in which odd values of embeddings (..., D) are linear.

    With amplitudes u of x and c of the constant they are 2·c·u: x / ‖x‖, or 2·x / (1 + ‖x‖²) with ``constant``.
    """
    if pad == "constant":
        return 2.0 * x / (1.0 + x.square().sum(dim=-1, keepdim=True))
    return amplitudes(x, "zeros")
