"""MLP with as many numbers as the paper's head of two encoders."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 35 units",
    source="MLP of equal size for the paper's head of two encoders",
    tables=("others",),
    module=make_mlp(35),
)
