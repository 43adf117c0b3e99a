"""Training examples, embedded texts with labels, and their order and noise in an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.randomness import torch_generator


@dataclass(frozen=True)
class Examples:
    """Embedded texts and their labels."""

    x: Tensor  # embeddings (N, D) float32
    y: Tensor  # labels (N,) int64

    @classmethod
    def from_arrays(cls, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Examples:
        """Return examples of NumPy arrays (N, D) and (N,)."""
        return cls(torch.from_numpy(np.ascontiguousarray(vectors, np.float32)), torch.from_numpy(labels.copy()))

    def __len__(self) -> int:
        return len(self.y)


def shuffled_batches(n: int, size: int, seed: int, epoch: int) -> list[Tensor]:
    """Return batches of ``size`` rows of ``n`` examples in the random order of ``epoch``.

    If ``size`` is above 1, a last batch of one example joins the previous one, because batch norm needs two.
    """
    batches = list(torch.split(torch.randperm(n, generator=torch_generator(seed, "shuffle", epoch)), size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def with_noise(x: Tensor, sigma: float, generator: torch.Generator, sizes: Sequence[int]) -> Tensor:
    """Add noise of standard deviation σ·‖x‖ to each entry of the embeddings (N, D) of batches of ``sizes``.

    It is drawn batch after batch; σ = 0 draws nothing and returns the embeddings.
    """
    if not sigma:
        return x
    drawn = torch.cat([torch.randn(size, x.shape[1], generator=generator) for size in sizes])
    noisy: Tensor = x + sigma * x.norm(dim=1, keepdim=True) * drawn
    return noisy
