"""Paper's head, two encoders."""

from lab.field.head import Head
from lab.field.paper import TWO_ENCODERS, example_circuit, make_paper_heads

HEAD = Head(
    name="paper's head, two encoders",
    source="arXiv 2504.08732, Table II, with encoders of 10 qubits, exact values and 900 steps",
    tables=("others",),
    estimators=lambda seed, _: make_paper_heads("multi-10q", seed, TWO_ENCODERS),
    circuit=example_circuit,
)
