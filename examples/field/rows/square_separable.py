"""SQUARE without its ring of CNOTs."""

from examples.field.head import Head
from examples.field.square import Square, example_circuit

HEAD = Head(
    name="separable twin",
    source="control of arXiv 2609.37134: no gate joins two qubits after the loading",
    tables=("square", "others"),
    module=lambda _, generator: Square(generator, entangled=False),
    family="normalised quadratic",
    circuit=lambda: example_circuit(entangled=False),
)
