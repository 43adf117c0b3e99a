"""TF-IDF as a body: words of texts, weighed by how few of the texts have them, as modules of sentence-transformers."""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qllmft.config import BodyConfig
from qllmft.embed.loading import no_loading_bar

WORD_BODY_NAME = "TF-IDF of the training texts"  # the body's name for people
MAX_WORDS = 4_096  # entries of a vector, the words of the most texts
# every text begins with this word of next to no weight, because a text without a known word would be a zero vector
_CONSTANT_WORD = "[text]"
_CONSTANT_WEIGHT = 1e-6


def word_body(texts: Sequence[str], folder: Path) -> BodyConfig:
    """Save a body whose vectors of length 1 are those of scikit-learn's `TfidfVectorizer`, and return it.

    Words are separated by white space, without punctuation around them and without capitals.

    Args:
        texts: N texts. A word of n of them has the weight 1 + log((1 + N) / (1 + n)).
        folder: of the body, a new one.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import BoW, Normalize

    counts = Counter(word for text in texts for word in _words(text))
    frequent_words = sorted(sorted(counts), key=lambda word: -counts[word])[: MAX_WORDS - 1]
    weights = {
        word: 1.0 + math.log((1 + len(texts)) / (1 + counts[word])) for word in frequent_words
    }
    words = BoW([_CONSTANT_WORD, *frequent_words], {_CONSTANT_WORD: _CONSTANT_WEIGHT, **weights})
    with no_loading_bar():
        model = SentenceTransformer(modules=[words, Normalize()], device="cpu")
        model.save(str(folder), create_model_card=False)
    return BodyConfig(model=str(folder), prompt=f"{_CONSTANT_WORD} ", device="cpu")


def is_word_body(body: BodyConfig) -> bool:
    """Return whether a body is one by `word_body`."""
    return body.prompt == f"{_CONSTANT_WORD} "


def _words(text: str) -> set[str]:
    """Return the different words of a text, as `BoW` reads them."""
    stripped = (word.strip(string.punctuation).lower() for word in text.split())
    return {word for word in stripped if word}
