"""Logistic regression on random words of the same weights."""

from lab.field.head import Head
from lab.field.words import WordsRegression

HEAD = Head(
    name="random words",
    source="as many bits in each word as `learned words` has, drawn at random",
    tables=("words",),
    estimators=lambda seed, module: [WordsRegression(module, seed, random=True)],
    base_head="learned words",
)
