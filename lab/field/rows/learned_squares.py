"""Squares of 16 learned directions of the unit vector, and SQUARE's head: its class without a circuit."""

from torch import Tensor, nn

from lab.field.head import Head, ValuesHead
from lab.field.square import STATES, tanh_head


class LearnedSquares(ValuesHead):
    """Scores (N,) of features (N, D)."""

    noise = 1 / STATES

    def __init__(self, features: int) -> None:
        super().__init__()
        self.directions = nn.Linear(features, STATES, bias=False)
        nn.init.orthogonal_(self.directions.weight)
        self.readout = tanh_head(STATES)

    def values(self, x: Tensor) -> Tensor:
        """Return the squares (N, 16)."""
        squares: Tensor = self.directions(nn.functional.normalize(x, dim=-1)) ** 2
        return squares


HEAD = Head(
    name="learned squares",
    source="SQUARE's class without a circuit: any 16 directions in place of a unitary's",
    tables=("square",),
    module=lambda features, _: LearnedSquares(features),
    family="normalised quadratic",
)
