"""SQUARE's head on the principal axes themselves, which is an MLP of equal size."""

from torch import nn

from lab.field.head import Head
from lab.field.square import tanh_head

HEAD = Head(
    name="without the circuit",
    source="control of arXiv 2609.37134: the same head on the features, an MLP of equal size",
    tables=("square", "others"),
    module=lambda features, _: nn.Sequential(tanh_head(features), nn.Flatten(-2)),
)
