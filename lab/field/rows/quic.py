"""QuIC's compound matrices of orders 0 to 2, as an adapter of the features."""

import math
from itertools import combinations

import torch
from torch import Tensor, nn

from lab.field.head import Head, ValuesHead
from lab.field.square import STATES, tanh_head

MODES = 5  # 1 + 5 + 10 features of orders 0, 1 and 2
PAIRS = list(combinations(range(MODES), 2))


class CompoundAdapter(ValuesHead):
    """Scores (N,) of features (N, 16): an orthogonal matrix of 10 Givens rotations, its compound, SQUARE's head."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.angles = nn.Parameter(2 * math.pi * torch.rand(len(PAIRS), generator=generator))
        self.readout = tanh_head(STATES)

    def orthogonal(self) -> Tensor:
        """Return the product (5, 5) of a rotation in each plane."""
        rows = list(torch.eye(MODES, dtype=self.angles.dtype).unbind())
        for (i, j), angle in zip(PAIRS, self.angles.unbind(), strict=True):
            first = angle.cos() * rows[i] - angle.sin() * rows[j]
            rows[j] = angle.sin() * rows[i] + angle.cos() * rows[j]
            rows[i] = first
        return torch.stack(rows)

    def values(self, x: Tensor) -> Tensor:
        """Return the adapted features (N, 16)."""
        matrix = self.orthogonal()
        i, j = torch.tensor(PAIRS).T
        minors = matrix[i][:, i] * matrix[j][:, j] - matrix[i][:, j] * matrix[j][:, i]
        first, single, pairs = x.split([1, MODES, len(PAIRS)], dim=-1)  # type: ignore[no-untyped-call]
        return torch.cat([first, single @ matrix.mT, pairs @ minors.mT], dim=-1)


HEAD = Head(
    name="QuIC",
    source="arXiv 2502.06916: compound matrices of orders 0 to 2, here of the frozen features",
    tables=("others",),
    module=lambda _, generator: CompoundAdapter(generator),
    family="linear",
)
