"""TF-IDF as a body: words of texts, weighed by how few of the texts have them, as modules of sentence-transformers."""

from __future__ import annotations

import json
import math
import shutil
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qllmft.bounds import MAX_BODY_TEXT_BYTES
from qllmft.config import BodyConfig
from qllmft.embed.folder_check import read_modules
from qllmft.embed.loading import no_loading_bar
from qllmft_base.files import parse_json, read_text, reading, write_text

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


def read_vocabulary(folder: Path) -> list[str] | None:
    """Return the words of a body's folder, in the order of a vector's entries, or None if it has no list of words."""
    config_file = _vocabulary_file(folder)
    return None if config_file is None else list(_read_words(config_file)["vocab"])


def count_texts(words: Sequence[str], texts: Sequence[str]) -> tuple[int, ...]:
    """Return the number of texts with each word. All texts have the constant word of `word_body`."""
    counts = Counter(word for text in texts for word in _words(text))
    return tuple(len(texts) if word == _CONSTANT_WORD else counts[word] for word in words)


def is_constant_word(word: str) -> bool:
    """Return whether a word is the one that begins every text, and is no word of a text."""
    return word == _CONSTANT_WORD


def copy_with_words(source: Path, folder: Path, words: Sequence[str]) -> None:
    """Copy a body of words into a new folder with some of its words."""
    shutil.copytree(source, folder)
    config_file = _vocabulary_file(folder)
    assert config_file is not None
    config = _read_words(config_file)
    weights = config["word_weights"]
    config["vocab"] = list(words)
    config["word_weights"] = {word: weights[word] for word in words if word in weights}
    write_text(config_file, json.dumps(config, indent=4, ensure_ascii=False))


def _vocabulary_file(folder: Path) -> Path | None:
    """Return the file with the words of a body's folder, or None if it has no list of words."""
    places = [place for kind, place in read_modules(folder) if kind == "BoW"]
    return places[0] / "config.json" if places else None


def _read_words(config_file: Path) -> dict[str, Any]:
    """Return the settings of a list of words, or raise UserError if they are damaged."""
    remedy = "Copy the model's folder again, or train it again."
    with reading(config_file, remedy):
        config: dict[str, Any] = parse_json(read_text(config_file, MAX_BODY_TEXT_BYTES))
        if not {"vocab", "word_weights"} <= config.keys():
            raise ValueError("it lacks vocab or word_weights")
    return config


def _words(text: str) -> set[str]:
    """Return the different words of a text, as `BoW` reads them."""
    stripped = (word.strip(string.punctuation).lower() for word in text.split())
    return {word for word in stripped if word}
