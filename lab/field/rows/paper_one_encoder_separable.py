"""One encoder, separable twin."""

from lab.field.head import Head
from lab.field.paper import ONE_ENCODER, SEPARABLE, make_paper_heads

HEAD = Head(
    name="one encoder, separable twin",
    source="paper's head of one encoder, without gates on two qubits",
    tables=("others",),
    estimators=lambda seed, _: make_paper_heads("single-10q", seed, ONE_ENCODER | SEPARABLE),
)
