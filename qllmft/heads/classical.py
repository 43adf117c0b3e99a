"""Classical heads as torch modules: perceptrons of tables III, XIII and XIV, and support vectors with RBF kernels."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from qllmft.config import KernelConfig, ModelConfig

MOST_SUMS = 2**24  # of pairs of labels at a time, which bounds the memory
READOUT_NORM = 3.0  # norm of a label's initial weights, for values in [-1, 1]


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


@torch.no_grad()
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
    for parameter in layer.parameters():
        parameter.copy_((2.0 * torch.rand(parameter.shape, generator=generator) - 1.0) * bound)
    return layer


@torch.no_grad()
def linear_readout(n_inputs: int, n_outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer on the encoders' values: Gaussian weights with mean 0 over the labels, zero bias."""
    layer = nn.Linear(n_inputs, n_outputs)
    weight = torch.randn(layer.weight.shape, generator=generator)
    if n_outputs > 1:
        weight -= weight.mean(dim=0)
    layer.weight.copy_(READOUT_NORM * torch.nn.functional.normalize(weight, dim=1))
    layer.bias.zero_()
    return layer


class KernelMachine(nn.Module):
    """Map embeddings (B, D) to logits (B, k) or values: sums of kernels exp(-γ‖x - s‖²), and votes of pairs of labels.

    With votes, the weights are those of libsvm: each support vector has one for every other label, in their order.

    Args:
        config: number of support vectors, and the reading of the sums.
        dimension: D.
        n_outputs: k.
    """

    support: Tensor  # (n, D) support vectors
    gamma: Tensor  # (n,) of each one's kernel
    owner: Tensor  # (n,) number of each one's label, if there are votes
    scale: Tensor  # of the outputs, a number

    def __init__(self, config: KernelConfig, dimension: int, n_outputs: int) -> None:
        super().__init__()
        n = config.support
        self.votes = config.votes
        self.n_outputs = n_outputs
        self.register_buffer("support", torch.zeros(n, dimension))
        self.register_buffer("gamma", torch.zeros(n))
        if self.votes:
            self.register_buffer("owner", torch.zeros(n))
        self.register_buffer("scale", torch.ones(()))
        n_weights = n_outputs - 1 if self.votes else n_outputs
        n_sums = n_outputs * (n_outputs - 1) // 2 if self.votes else n_outputs
        self.weight = nn.Parameter(torch.zeros(n_weights, n))
        self.bias = nn.Parameter(torch.zeros(n_sums))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (B, k) of embeddings (B, D)."""
        squared = torch.cdist(x, self.support, compute_mode="donot_use_mm_for_euclid_dist").square()
        kernels = torch.exp(-self.gamma * squared)
        if not self.votes:
            return self.scale * (kernels @ self.weight.T + self.bias)
        if self.n_outputs == 2:  # the sum itself, so that its size counts
            sums = kernels @ self.weight.T + self.bias
            return self.scale * torch.cat([sums, -sums], dim=1) / 2
        size = max(1, MOST_SUMS // self.n_outputs**2)
        counts = [self._count_votes(part) for part in torch.split(kernels, size)]
        return self.scale * torch.cat(counts)

    def _count_votes(self, kernels: Tensor) -> Tensor:
        """Return the votes (B, k) for each label from kernels (B, n)."""
        k = self.n_outputs
        labels = torch.arange(k)
        shares = kernels.new_zeros(len(kernels), k, k)  # of a label's own vectors against another
        for label in range(k):
            vectors = (self.owner == label).nonzero()[:, 0]
            shares[:, label, labels[labels != label]] = (
                kernels[:, vectors] @ self.weight[:, vectors].T
            )
        first, second = torch.triu_indices(k, k, offset=1)
        sums = shares[:, first, second] + shares[:, second, first] + self.bias
        won = (sums > 0).to(kernels.dtype)
        counts = kernels.new_zeros(len(kernels), k)
        return counts.index_add(1, first, won).index_add(1, second, 1.0 - won)
