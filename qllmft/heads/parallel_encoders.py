"""Parallel encoders, section III-D: from an embedding (B, D) to the whole latent vector (B, Q)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from qllmft.heads.data_map import DataMap
from qllmft.heads.encoder import QuantumEncoder
from qllmft.heads.layer import on_rows
from qllmft.heads.loading import amplitudes, loaded_vector
from qllmft.heads.odd_rows import stackable, stacked_rows
from qllmft_engine.torch.transforms import transforms_active


class ParallelEncoders(nn.Module):
    """E parallel encoders, section III-D: each reads the mapped embedding and gives a part of the latent vector."""

    encoders: Sequence[QuantumEncoder]

    def __init__(self, encoders: list[QuantumEncoder], data_map: DataMap | None = None) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoders)  # type: ignore[assignment]
        self.data_map = data_map
        # copies of the weights and their matrix, so that one text after the other is a product of it; a fused step of
        # an optimizer changes weights and not their version
        self._rows: tuple[Tensor, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the matrix, which follows from the weights."""
        return {**self.__dict__, "_rows": None}

    def forward(self, x: Tensor) -> Tensor:
        """Return the latent vector (..., Q), the concatenated values of the encoders."""
        if self.as_matrix and not transforms_active():
            return on_rows(self._multiply, x, self.dimension, self.encoders[0].theta, "embeddings")
        mapped = self.map_embeddings(x)
        return torch.cat([encoder(mapped) for encoder in self.encoders], dim=-1)

    def _multiply(self, x: Tensor, weight: Tensor) -> Tensor:
        """Return the latent values (B, Q) of embeddings (B, D) by the matrix of `rows`, in the dtype of a weight."""
        return self.loaded_vector(x) @ self.rows().to(weight).T

    @property
    def dimension(self) -> int:
        """Return D, the length of an embedding."""
        mean = None if self.data_map is None else self.data_map.mean
        return self.encoders[0].dimension if mean is None else len(mean)

    @property
    def is_odd(self) -> bool:
        """Return whether the encoders are odd, so that the latent values are linear in the loaded vector."""
        return all(encoder.odd for encoder in self.encoders)

    @property
    def as_matrix(self) -> bool:
        """Return whether the latent values are computed by a matrix: of odd encoders without noise."""
        return stackable(self.encoders) and not any(encoder.is_noisy for encoder in self.encoders)

    def rows(self) -> Tensor:
        """Return the matrix (Q, m) from the loaded vector to the latent values of `stackable` encoders, in float64."""
        parameters = [part for encoder in self.encoders for part in (encoder.theta, encoder.scale)]
        if torch.is_grad_enabled() and any(part.requires_grad for part in parameters):
            return stacked_rows(self.encoders)
        weights = torch.cat([part.detach().ravel() for part in parameters])
        if self._rows is None or not torch.equal(self._rows[0], weights):
            self._rows = weights, stacked_rows(self.encoders)
        return self._rows[1]

    @property
    def slope(self) -> float:
        """Return the derivative of the loaded vector by an embedding near the mean, in a direction that is kept."""
        unit = None if self.data_map is None else self.data_map.unit
        return 1.0 if unit is None else 2.0 / float(unit)

    def map_embeddings(self, x: Tensor) -> Tensor:
        """Return the encoders' input for embeddings (..., D), before normalisation."""
        mapped: Tensor = x if self.data_map is None else self.data_map(x)
        return mapped

    def load_amplitudes(self, x: Tensor, sign: float = 1.0) -> Tensor:
        """Return the `amplitudes` of embeddings (..., D), with a constant of a sign."""
        return amplitudes(self.map_embeddings(x), self.encoders[0].pad, sign)

    def loaded_vector(self, x: Tensor) -> Tensor:
        """Return the vectors (..., m) of embeddings (..., D) in which odd values are linear."""
        return loaded_vector(self.map_embeddings(x), self.encoders[0].pad)
