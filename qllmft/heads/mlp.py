"""Classical replacements of tables III, XIII and XIV: a perceptron as encoder, or as the whole head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qllmft.config import ModelConfig


def perceptron(
    config: ModelConfig, dimension: int, n_outputs: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a perceptron (B, D) to (B, n_outputs): one linear layer, or two with a hidden layer of ``hidden_dim``.

    With ``batch_norm`` the hidden layer is normalised, or the input if there is none, by 2 parameters per feature.

    Args:
        config: ``hidden_dim`` and ``batch_norm``.
        dimension: D.
        n_outputs: number of outputs.
        generator: source of the initial weights; see `linear`.
    """
    width = config.hidden_dim or dimension
    layers: list[nn.Module] = [nn.BatchNorm1d(width)] if config.batch_norm else []
    if config.hidden_dim:
        layers = [linear(dimension, width, generator), *layers, nn.ReLU()]
    return nn.Sequential(*layers, linear(width, n_outputs, generator))


def low_rank(
    dimension: int, n_outputs: int, rank: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a linear layer (B, D) to (B, n_outputs) with a product of two matrices as its weight.

    It has rank·(D + n_outputs) + n_outputs parameters.

    Args:
        dimension: D.
        n_outputs: number of outputs.
        rank: rank of the product.
        generator: source of the initial weights; see `linear`.
    """
    return nn.Sequential(
        linear(dimension, rank, generator, bias=False), linear(rank, n_outputs, generator)
    )


def linear(
    n_inputs: int, n_outputs: int, generator: torch.Generator, *, bias: bool = True
) -> nn.Linear:
    """Return a linear layer with weights uniform within ±1/sqrt(fan-in), as in torch.

    Args:
        n_inputs: number of inputs.
        n_outputs: number of outputs.
        generator: source of the weights.
        bias: whether the layer has a bias.
    """
    layer = nn.Linear(n_inputs, n_outputs, bias=bias)
    bound = 1.0 / math.sqrt(n_inputs)
    with torch.no_grad():
        for parameter in layer.parameters():
            values: Tensor = (2.0 * torch.rand(parameter.shape, generator=generator) - 1.0) * bound
            parameter.copy_(values)
    return layer


READOUT_NORM = 3.0  # norm of a label's initial weights, for values in [-1, 1]


def linear_readout(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer on the encoders' values: Gaussian weights with mean 0 over the labels, zero bias."""
    layer = nn.Linear(n_inputs, n_outputs)
    with torch.no_grad():
        weight = torch.randn(layer.weight.shape, generator=generator)
        if n_outputs > 1:
            weight -= weight.mean(dim=0)
        layer.weight.copy_(READOUT_NORM * torch.nn.functional.normalize(weight, dim=1))
        layer.bias.zero_()
    return layer
