"""MLP with as many numbers as SQUARE, QuIC and Quantum-PEFT."""

from lab.field.head import Head, make_mlp

HEAD = Head(
    name="MLP, 9 units",
    source="MLP of equal size for SQUARE, QuIC and Quantum-PEFT",
    tables=("others",),
    module=make_mlp(9),
)
