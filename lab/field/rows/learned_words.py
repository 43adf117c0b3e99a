"""Words that differentiable logits choose, of bits or of a learned projection's signs."""

from lab.field.head import Head
from lab.field.words import LearnedWords, example_circuit

HEAD = Head(
    name="learned words",
    source="arXiv 2605.11213, without its MMD term",
    tables=("words", "others"),
    module=LearnedWords,
    family="products of bits",
    circuit=example_circuit,
)
