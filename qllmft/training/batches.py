"""What an epoch shows the model: every example once in a new order, with Gaussian noise on the embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qllmft.randomness import torch_generator


def shuffled_batches(n: int, size: int, seed: int, epoch: int) -> list[Tensor]:
    """Rows of ``n`` examples in the random order of ``epoch``, in batches of ``size``.

    Where ``size`` is above 1, a last batch of one example joins the one before: batch norm needs two.
    """
    batches = list(torch.split(torch.randperm(n, generator=torch_generator(seed, "shuffle", epoch)), size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def with_noise(x: Tensor, sigma: float, generator: torch.Generator, sizes: Sequence[int]) -> Tensor:
    """Embeddings (N, D) of one batch or several, with noise of standard deviation σ·‖x‖ on each entry.

    Args:
        x: the embeddings, batch after batch.
        sigma: σ; 0 draws nothing and gives the embeddings back.
        generator: of the noise, drawn for one batch after the other.
        sizes: of the batches; their sum is N.
    """
    if not sigma:
        return x
    drawn = torch.cat([torch.randn(size, x.shape[1], generator=generator) for size in sizes])
    noisy: Tensor = x + sigma * x.norm(dim=1, keepdim=True) * drawn
    return noisy
