"""Map of embeddings before they are loaded: centred, on principal axes, in a unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CONSTANT_LENGTH_RATIO = 8.0  # length of the constant amplitude over that of a usual embedding


class DataMap(nn.Module):
    """Map embeddings (B, D) to (x - mean) · axes / unit, (B, m).

    Its numbers depend on training embeddings, not on labels.

    Args:
        dimension: D.
        components: number of principal axes, at most D; None keeps the embedding as it is.
        scaled: divide by `CONSTANT_LENGTH_RATIO` times the root mean square of the lengths of the training
            embeddings' (x - mean).

    Attributes:
        mean: (D,) of the training embeddings; None without principal axes.
        axes: (D, m) with orthonormal columns, the direction of largest variance first; None without them.
        unit: (); None if nothing is divided.
    """

    mean: Tensor | None
    axes: Tensor | None
    unit: Tensor | None

    def __init__(self, dimension: int, components: int | None, *, scaled: bool = False) -> None:
        super().__init__()
        mean = axes = None
        if components is not None:
            mean = torch.zeros(dimension)
            axes = torch.eye(dimension, min(components, dimension))
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("unit", torch.ones(()) if scaled else None)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute mean, axes and unit of the training embeddings (N, D).

        The axes are eigenvectors of the covariance matrix; if N < m, the last ones complete the basis.
        """
        x = x.double()
        if self.mean is not None and self.axes is not None:
            self.mean.copy_(x.mean(dim=0))
            x = x - x.mean(dim=0)
            vectors = torch.linalg.eigh(x.T @ x)[1].flip(1)[:, : self.axes.shape[1]]
            largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
            self.axes.copy_(vectors * largest.sign())  # an eigenvector's sign is free
        if self.unit is not None:
            length = CONSTANT_LENGTH_RATIO * x.square().sum(dim=1).mean().sqrt()
            self.unit.copy_(length if length > 0 else torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., m) of embeddings (..., D), in float32 or the wider dtype of ``x``."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self.mean is not None and self.axes is not None:
            x = (x - self.mean) @ self.axes.to(x.dtype)
        return x if self.unit is None else x / self.unit

    @property
    def n_stored(self) -> int:
        """Return the number of stored numbers, none of which is trained."""
        return sum(buffer.numel() for buffer in self.buffers())
