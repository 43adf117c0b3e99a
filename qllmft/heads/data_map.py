"""Between an embedding and its amplitudes: centred and rotated as the training embeddings lie, without any training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DataMap(nn.Module):
    """Embeddings (B, D) to (x - mean) · axes, (B, m). Its numbers follow from the training embeddings, without labels.

    Args:
        dimension: D.
        centre: subtract the mean of the training embeddings.
        components: keep that many principal axes, D at most; None: keep the embedding's own D axes.

    Attributes:
        mean: (D,); None where nothing is subtracted.
        axes: (D, m), orthonormal columns, the direction of largest variance first; None where nothing is rotated.
        width: m.
    """

    mean: Tensor | None
    axes: Tensor | None

    def __init__(self, dimension: int, *, centre: bool, components: int | None) -> None:
        super().__init__()
        self.width = dimension if components is None else min(components, dimension)
        self.register_buffer("mean", torch.zeros(dimension) if centre else None)
        self.register_buffer("axes", None if components is None else torch.eye(dimension)[:, : self.width].contiguous())

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Take mean and axes from the training embeddings (N, D).

        The axes are eigenvectors of the covariance matrix; where N is below m, the last ones complete the basis.
        """
        x = x.double()
        if self.mean is not None:
            self.mean.copy_(x.mean(dim=0))
        if self.axes is not None:
            spread = x - x.mean(dim=0)
            vectors = torch.linalg.eigh(spread.T @ spread)[1].flip(1)[:, : self.width]
            largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
            self.axes.copy_(vectors * largest.sign())  # an eigenvector's sign is free

    def forward(self, x: Tensor) -> Tensor:
        """What is loaded of embeddings (..., D), (..., m), in float32 or the wider dtype of ``x``."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        shifted = x if self.mean is None else x - self.mean
        return shifted if self.axes is None else shifted @ self.axes.to(x.dtype)

    @property
    def n_stored(self) -> int:
        """Numbers that a model stores for it; none of them is trained."""
        return sum(buffer.numel() for buffer in self.buffers())
