"""Shots of eq. 2 on a device of torch: noisy frequencies of final states, and their gradient (see `GaussianShots`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qllmft_base.randomness import derive_seed
from qllmft_engine import GaussianShots


def frequencies(states: Tensor, shots: GaussianShots, first: int) -> Tensor:
    """Return rectified frequencies (B, D) of the outcomes of final states (B, D).

    Args:
        states: real amplitudes.
        shots: of the pass.
        first: number of the first sample in its batch, whose normal numbers differ from those of others.
    """
    return _raw_frequencies(states, _normals(states, shots, first), shots).clamp_(min=0)


def costates(states: Tensor, weights: Tensor, shots: GaussianShots) -> Tensor:
    """Return the gradient (B, D) by the final states (B, D) of Σ weights · frequencies, with weights (B, D)."""
    normals = _normals(states, shots, 0)
    positive = weights * (_raw_frequencies(states, normals, shots) > 0)
    gradient: Tensor = 2 * states * positive
    if not shots.reparametrised:
        return gradient
    scale = 1 / math.sqrt(shots.count)
    overlap = (states * normals).sum(dim=1, keepdim=True)
    gradient += scale * positive * (normals - 2 * states * overlap)
    gradient -= scale * normals * (positive * states.square()).sum(dim=1, keepdim=True)
    return gradient


def _normals(states: Tensor, shots: GaussianShots, first: int) -> Tensor:
    """Return the pass's normal numbers, the same at every call."""
    generator = torch.Generator(states.device)
    generator.manual_seed(derive_seed(shots.seed, "shots", shots.first_chunk, first))
    return torch.randn(states.shape, generator=generator, dtype=states.dtype, device=states.device)


def _raw_frequencies(states: Tensor, normals: Tensor, shots: GaussianShots) -> Tensor:
    squares = states.square()
    scaled = states * normals
    noise = scaled - squares * scaled.sum(dim=1, keepdim=True)
    return squares + noise / math.sqrt(shots.count)
