"""Two encoders, separable twin."""

from lab.field.head import Head
from lab.field.paper import SEPARABLE, TWO_ENCODERS, make_paper_heads

HEAD = Head(
    name="two encoders, separable twin",
    source="paper's head of two encoders, without gates on two qubits",
    tables=("others",),
    estimators=lambda seed, _: make_paper_heads("multi-10q", seed, TWO_ENCODERS | SEPARABLE),
)
