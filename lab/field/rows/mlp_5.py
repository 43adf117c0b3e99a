"""MLP with as many numbers as re-uploading."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 5 units",
    source="MLP of equal size for re-uploading",
    tables=("others",),
    module=make_mlp(5),
)
