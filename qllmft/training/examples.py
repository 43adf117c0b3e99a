"""Embedded texts and their labels, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Examples:
    """What every head learns from.

    Attributes:
        x: embeddings (N, D) float32.
        y: labels (N,) int64.
    """

    x: Tensor
    y: Tensor

    @classmethod
    def from_arrays(cls, vectors: NDArray[np.float32], labels: NDArray[np.int64]) -> Examples:
        """Examples of NumPy arrays (N, D) and (N,)."""
        return cls(torch.from_numpy(np.ascontiguousarray(vectors, np.float32)), torch.from_numpy(labels.copy()))

    def __len__(self) -> int:
        return len(self.y)
