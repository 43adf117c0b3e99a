"""Logistic regression on the words that the logits chose, as products of bits."""

from lab.field.head import Head
from lab.field.words import WordsRegression

HEAD = Head(
    name="the same words, products",
    source="the words and bits of `learned words`, their products computed classically",
    tables=("words", "others"),
    estimators=lambda seed, module: [WordsRegression(module, seed, random=False)],
    base_head="learned words",
)
