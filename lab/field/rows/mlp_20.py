"""MLP with as many numbers as the paper's head of one encoder."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 20 units",
    source="MLP of equal size for the paper's head of one encoder",
    tables=("others",),
    module=make_mlp(20),
)
