"""SQUARE whose angles stay as they began."""

from lab.field.head import Head
from lab.field.square import Square, example_circuit

HEAD = Head(
    name="frozen circuit",
    source="control of arXiv 2609.37134: the angles do not learn",
    tables=("square",),
    module=lambda _, generator: Square(generator, trained=False),
    family="normalised quadratic",
    circuit=example_circuit,
)
