"""SQUARE without its ring of CNOTs."""

from lab.field.head import Head
from lab.field.square import Square, example_circuit

HEAD = Head(
    name="separable twin",
    source="control of arXiv 2609.37134: no gate joins two qubits after the loading",
    tables=("square", "others"),
    module=lambda _, generator: Square(generator, entangled=False),
    family="normalised quadratic",
    circuit=lambda: example_circuit(entangled=False),
)
