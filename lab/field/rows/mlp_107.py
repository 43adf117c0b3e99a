"""MLP with as many numbers as sines."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 107 units",
    source="MLP of equal size for sines",
    tables=("others",),
    module=make_mlp(107),
)
