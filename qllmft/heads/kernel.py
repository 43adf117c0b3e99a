"""Support vectors with RBF kernels as a torch module, so that a model's folder needs no pickle."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn

from qllmft.config import KernelConfig


class KernelMachine(nn.Module):
    """Map embeddings (B, D) to logits (B, k) or values: sums of kernels exp(-γ‖x - s‖²), and votes of pairs of labels.

    Args:
        config: number of support vectors, and the reading of the sums.
        dimension: D.
        n_outputs: k.
    """

    support: Tensor  # (n, D) support vectors
    gamma: Tensor  # (n,) of each one's kernel
    scale: Tensor  # of the outputs, a number

    def __init__(self, config: KernelConfig, dimension: int, n_outputs: int) -> None:
        super().__init__()
        n = config.support
        n_sums = n_outputs * (n_outputs - 1) // 2 if config.votes else n_outputs
        self.votes = config.votes
        self.pairs = list(combinations(range(n_outputs), 2))
        self.register_buffer("support", torch.zeros(n, dimension))
        self.register_buffer("gamma", torch.zeros(n))
        self.register_buffer("scale", torch.ones(()))
        self.weight = nn.Parameter(torch.zeros(n_sums, n))
        self.bias = nn.Parameter(torch.zeros(n_sums))

    def forward(self, x: Tensor) -> Tensor:
        """Return outputs (B, k) of embeddings (B, D)."""
        squared = torch.cdist(x, self.support, compute_mode="donot_use_mm_for_euclid_dist").square()
        sums = torch.exp(-self.gamma * squared) @ self.weight.T + self.bias
        if not self.votes:
            return self.scale * sums
        if len(self.pairs) == 1:  # two labels: the sum itself, so that its size counts
            return self.scale * torch.cat([sums, -sums], dim=1) / 2
        found = x.new_zeros(len(x), 1 + self.pairs[-1][1])
        for column, (first, second) in enumerate(self.pairs):
            won = (sums[:, column] > 0).to(x.dtype)
            found[:, first] += won
            found[:, second] += 1.0 - won
        return self.scale * found
