"""The default head without gates on two qubits in its head."""

from lab.field.head import Head
from qllmft.sklearn import QuantumHeadClassifier

SETTINGS = {
    "model.ansatz": "separable",
    "model.encoder_ansatz": "paper",
    "model.connectivity": 1,
    "model.start": "linear",
}

HEAD = Head(
    name="sines, separable twin",
    source="default head of this project, without gates on two qubits in its head",
    tables=("others",),
    estimators=lambda seed, _: [
        QuantumHeadClassifier("sines", random_state=seed, settings=SETTINGS)
    ],
)
