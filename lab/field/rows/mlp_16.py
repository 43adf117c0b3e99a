"""MLP with as many numbers as learned words."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 16 units",
    source="MLP of equal size for learned words",
    tables=("others",),
    module=make_mlp(16),
)
