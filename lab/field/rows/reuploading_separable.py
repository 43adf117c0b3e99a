"""The re-uploading circuit without its CNOTs."""

from lab.field.head import Head
from lab.field.reuploading import Reuploading, example_circuit

HEAD = Head(
    name="re-uploading, separable twin",
    source="the re-uploading circuit without gates that join two qubits",
    tables=("others",),
    module=lambda features, generator: Reuploading(features, generator, entangled=False),
    family="trigonometric polynomial",
    circuit=lambda: example_circuit(entangled=False),
)
