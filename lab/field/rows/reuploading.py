"""Re-uploading circuit whose readout is all words of one or two Z."""

from lab.field.head import Head
from lab.field.reuploading import Reuploading, example_circuit

HEAD = Head(
    name="re-uploading",
    source="arXiv 2504.08732's idea at 4 qubits: latent angles, two uploads, words of up to two Z",
    tables=("others",),
    module=Reuploading,
    family="trigonometric polynomial",
    circuit=example_circuit,
)
