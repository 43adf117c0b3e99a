"""Factorisation machine of rank 8, of equal size."""

import torch
from torch import Tensor, nn

from lab.field.head import Head

RANK = 8


class FactorisationMachine(nn.Module):
    """Linear score of the features plus one of their products, whose coefficients are inner products of factors."""

    def __init__(self, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.factors = nn.Parameter(0.1 * torch.randn(features, RANK, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N,) of features (N, D)."""
        squared_sums = (x @ self.factors) ** 2
        sums_of_squares = x**2 @ self.factors**2
        products = (squared_sums - sums_of_squares).sum(dim=-1) / 2
        scores: Tensor = self.linear(x).squeeze(-1) + products
        return scores


HEAD = Head(
    name="factorisation machine",
    source="Rendle 2010, as in table 8 of arXiv 2609.37134, at rank 8",
    tables=("square",),
    module=FactorisationMachine,
)
