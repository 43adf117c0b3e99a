"""Givens-12: 12 rotations of two axes, squares, and SQUARE's head."""

import math

import torch
from torch import Tensor, nn

from lab.field.head import Head, ValuesHead
from lab.field.square import STATES, tanh_head

# the paper does not name its planes: these join neighbours, then neighbours of neighbours
PLANES = [(axis, axis + 1) for axis in range(0, 16, 2)] + [
    (axis, axis + 1) for axis in range(1, 16, 4)
]


class Givens(ValuesHead):
    """Scores (N,) of features (N, 16)."""

    noise = 1 / STATES

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.angles = nn.Parameter(2 * math.pi * torch.rand(len(PLANES), generator=generator))
        self.readout = tanh_head(STATES)

    def values(self, x: Tensor) -> Tensor:
        """Return the squares (N, 16), which sum to 1."""
        columns = list(nn.functional.normalize(x, dim=-1).unbind(dim=-1))
        cosines = torch.cos(self.angles)
        sines = torch.sin(self.angles)
        for (i, j), cosine, sine in zip(PLANES, cosines.unbind(), sines.unbind(), strict=True):
            first = cosine * columns[i] - sine * columns[j]
            columns[j] = sine * columns[i] + cosine * columns[j]
            columns[i] = first
        return torch.stack(columns, dim=-1) ** 2


HEAD = Head(
    name="Givens-12",
    source="control of arXiv 2609.37134, with planes of our choice",
    tables=("square",),
    module=lambda _, generator: Givens(generator),
    family="normalised quadratic",
)
