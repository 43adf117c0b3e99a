"""The classical stand-ins of tables III, XIII and XIV: a perceptron as encoder, or as the whole head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def perceptron(
    dimension: int, n_outputs: int, *, hidden_dim: int = 0, batch_norm: bool = False, generator: torch.Generator
) -> nn.Sequential:
    """A perceptron with no hidden layer, or with one of ``hidden_dim``.

    Args:
        dimension: D, of the input (B, D).
        n_outputs: of the output (B, n_outputs).
        hidden_dim: 0: one linear layer.
        batch_norm: normalise the hidden layer (the input, where there is none); 2 parameters a feature.
        generator: source of the initial weights, uniform within ±1/sqrt(fan-in) as in torch.
    """
    layers: list[nn.Module] = []
    if hidden_dim:
        layers.append(linear(dimension, hidden_dim, generator))
    if batch_norm:
        layers.append(nn.BatchNorm1d(hidden_dim or dimension))
    if hidden_dim:
        layers.append(nn.ReLU())
    layers.append(linear(hidden_dim or dimension, n_outputs, generator))
    return nn.Sequential(*layers)


def low_rank(dimension: int, n_outputs: int, rank: int, generator: torch.Generator) -> nn.Sequential:
    """A linear layer (B, D) to (B, n_outputs) whose weight is a product of two, of ``rank`` columns and rows.

    It has rank·(D + n_outputs) + n_outputs parameters. The weights come from ``generator``, as in `perceptron`.
    """
    return nn.Sequential(linear(dimension, rank, generator, bias=False), linear(rank, n_outputs, generator))


def linear(n_inputs: int, n_outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """A linear layer whose weights come from ``generator``, uniform within ±1/sqrt(fan-in)."""
    layer = nn.Linear(n_inputs, n_outputs, bias=bias)
    bound = 1.0 / math.sqrt(n_inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            values: Tensor = (2.0 * torch.rand(parameter.shape, generator=generator) - 1.0) * bound
            parameter.copy_(values)
    return layer


READOUT_NORM = 3.0  # of a label's initial weights on values in [-1, 1]


def linear_readout(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer on the encoders' values: Gaussian weights with mean 0 over the labels, no bias at the start."""
    layer = nn.Linear(n_inputs, n_outputs)
    with torch.no_grad():
        weight = torch.randn(layer.weight.shape, generator=generator)
        layer.weight.copy_(READOUT_NORM * torch.nn.functional.normalize(weight - weight.mean(dim=0), dim=1))
        layer.bias.zero_()
    return layer
