"""Paper's head, one encoder."""

from lab.field.head import Head
from lab.field.paper import ONE_ENCODER, example_circuit, make_paper_heads

HEAD = Head(
    name="paper's head, one encoder",
    source="arXiv 2504.08732, Table II, with exact values and 900 steps",
    tables=("others",),
    estimators=lambda seed, _: make_paper_heads("single-10q", seed, ONE_ENCODER),
    circuit=example_circuit,
)
