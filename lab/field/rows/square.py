"""SQUARE itself."""

from lab.field.head import Head
from lab.field.square import Square, example_circuit

HEAD = Head(
    name="SQUARE",
    source="arXiv 2609.37134, configuration H16",
    tables=("square", "others"),
    module=lambda _, generator: Square(generator),
    family="normalised quadratic",
    circuit=example_circuit,
)
