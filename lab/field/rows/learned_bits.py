"""The bits of learned words without the words."""

from lab.field.head import Head
from lab.field.words import LearnedBits

HEAD = Head(
    name="learned bits",
    source="`learned words` without words: a linear layer on the same kind of bits",
    tables=("words", "others"),
    module=LearnedBits,
)
