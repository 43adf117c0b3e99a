"""The default head of this project."""

from lab.field.head import Head
from qllmft.sklearn import QuantumHeadClassifier

HEAD = Head(
    name="sines",
    source="default head of this project",
    tables=("others",),
    estimators=lambda seed, _: [QuantumHeadClassifier("sines", random_state=seed)],
)
