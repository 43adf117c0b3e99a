"""SQUARE's head on the principal axes at length 1, as the amplitudes are."""

from torch import Tensor, nn

from lab.field.head import Head
from lab.field.square import tanh_head


class UnitHead(nn.Module):
    """SQUARE's head on unit vectors."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.head = tanh_head(features)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores (N,) of features (N, D)."""
        scores: Tensor = self.head(nn.functional.normalize(x, dim=-1)).squeeze(-1)
        return scores


HEAD = Head(
    name="without the circuit, unit length",
    source="the same head on the amplitudes that the circuit loads",
    tables=("square",),
    module=lambda features, _: UnitHead(features),
)
