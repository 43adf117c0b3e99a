"""Map of embeddings before they are loaded: centred, rotated and scaled by the training embeddings, untrained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

UNIT = 8.0  # length of the constant amplitude over that of a usual embedding


class DataMap(nn.Module):
    """Map embeddings (B, D) to (x - mean) · axes / unit, (B, m).

    Its numbers depend on training embeddings, not on labels.

    Args:
        dimension: D.
        centre: subtract the mean of the training embeddings.
        components: number of principal axes, at most D; None keeps the embedding's own D axes.
        scaled: divide by `UNIT` times the root mean square of the lengths of the training embeddings' (x - mean).

    Attributes:
        mean: (D,); None if nothing is subtracted.
        axes: (D, m) with orthonormal columns, the direction of largest variance first; None if nothing is rotated.
        unit: (); None if nothing is divided.
        width: m.
    """

    mean: Tensor | None
    axes: Tensor | None
    unit: Tensor | None

    def __init__(
        self, dimension: int, *, centre: bool, components: int | None, scaled: bool = False
    ) -> None:
        super().__init__()
        self.width = dimension if components is None else min(components, dimension)
        self.register_buffer("mean", torch.zeros(dimension) if centre else None)
        self.register_buffer(
            "axes",
            None if components is None else torch.eye(dimension, self.width),
        )
        self.register_buffer("unit", torch.ones(()) if scaled else None)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Compute mean, axes and unit of the training embeddings (N, D).

        The axes are eigenvectors of the covariance matrix; if N < m, the last ones complete the basis.
        """
        x = x.double()
        if self.mean is not None:
            self.mean.copy_(x.mean(dim=0))
        if self.axes is not None:
            spread = x - x.mean(dim=0)
            vectors = torch.linalg.eigh(spread.T @ spread)[1].flip(1)[:, : self.width]
            largest = vectors.gather(0, vectors.abs().argmax(dim=0, keepdim=True))
            self.axes.copy_(vectors * largest.sign())  # an eigenvector's sign is free
        if self.unit is not None:
            shifted = x if self.mean is None else x - x.mean(dim=0)
            length = UNIT * shifted.square().sum(dim=1).mean().sqrt()
            self.unit.copy_(length if length > 0 else torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., m) of embeddings (..., D), in float32 or the wider dtype of ``x``."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        shifted = x if self.mean is None else x - self.mean
        rotated = shifted if self.axes is None else shifted @ self.axes.to(x.dtype)
        return rotated if self.unit is None else rotated / self.unit

    @property
    def n_stored(self) -> int:
        """Return the number of stored numbers, none of which is trained."""
        return sum(buffer.numel() for buffer in self.buffers())
