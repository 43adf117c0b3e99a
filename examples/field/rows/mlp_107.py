"""MLP with as many numbers as sines."""

from examples.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 107 units",
    source="MLP of equal size for sines",
    tables=("others",),
    module=make_mlp(107),
)
