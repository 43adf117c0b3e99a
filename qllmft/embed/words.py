"""TF-IDF as a body: words and runs of characters of texts, weighed by how few of the texts have them."""

from __future__ import annotations

import json
import math
import shutil
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.bounds import MAX_BODY_TEXT_BYTES
from qllmft.config import BodyConfig
from qllmft.config.data import PairFeatures
from qllmft.embed.folder_check import read_modules
from qllmft_base.files import parse_json, read_text, reading, write_text

if TYPE_CHECKING:
    from scipy.sparse import csr_array

WORD_BODY_NAME = "TF-IDF of the training texts"  # the body's name for people
MAX_WORDS = 4_096  # words of a list, those of the most texts
MAX_RUNS = 2_048  # runs of characters of a list, those of the most texts
RUN_LENGTH = 4  # characters of a run, of which the ends of a word count as one each
# every text begins with this word of next to no weight, because a text without a known word would be a zero vector
_CONSTANT_WORD = "[text]"
_CONSTANT_WEIGHT = 1e-6
# a run has an asterisk on each side that goes on: "film*" begins a word of more characters. No word has one at its ends
_MORE = "*"
_MODULES = "sentence_transformers.sentence_transformer.modules"
_LISTED_MODULES = [
    {"idx": index, "name": f"{index}", "path": f"{index}_{kind}", "type": f"{_MODULES}.{module}"}
    for index, (kind, module) in enumerate(
        [("BoW", "bow.BoW"), ("Normalize", "normalize.Normalize")]
    )
]


def word_body(texts: Sequence[str], folder: Path) -> BodyConfig:
    """Save a body whose vectors of length 1 are those of scikit-learn's `TfidfVectorizer`, and return it.

    Words are separated by white space, without punctuation around them and without capitals. Of longer words, their
    runs of characters are terms too, see `find_terms`.

    Args:
        texts: N texts. A term of n of them has the weight 1 + log((1 + N) / (1 + n)).
        folder: of the body, a new one.
    """
    counts = Counter(term for text in texts for term in set(find_terms(text)))
    # of as many texts, in alphabetical order
    ordered_terms = sorted(sorted(counts), key=lambda term: -counts[term])
    words = [term for term in ordered_terms if not is_run(term)][: MAX_WORDS - 1]
    runs = [term for term in ordered_terms if is_run(term)][:MAX_RUNS]
    weights = {term: _rarity_weight(counts[term], len(texts) + 1) for term in [*words, *runs]}
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "modules.json", json.dumps(_LISTED_MODULES, indent=2))
    (folder / "0_BoW").mkdir()
    _write_words(
        folder / "0_BoW" / "config.json",
        {
            "vocab": [_CONSTANT_WORD, *weights],
            "word_weights": {_CONSTANT_WORD: _CONSTANT_WEIGHT, **weights},
            "unknown_word_weight": 1,
            "cumulative_term_frequency": True,
        },
    )
    return BodyConfig(model=str(folder), prompt=f"{_CONSTANT_WORD} ", device="cpu")


def _rarity_weight(count: int, texts: float) -> float:
    """Return the weight of a term that ``count`` of the texts have. ``texts`` is their number and 1."""
    return 1.0 + math.log(texts / (1 + count))


def is_word_body(body: BodyConfig) -> bool:
    """Return whether a body is one by `word_body`."""
    return body.prompt == f"{_CONSTANT_WORD} "


def find_terms(text: str) -> Iterator[str]:
    """Yield the words of a text, and the runs of `RUN_LENGTH` characters of each longer word.

    The ends of a word count as a character each, and an asterisk stands for the rest of the word.

    >>> list(find_terms("A film!"))
    ['a', 'film', 'fil*', '*film*', '*ilm']
    """
    for part in text.split():
        word = part.strip(string.punctuation).lower()
        if word:
            yield word
            yield from _runs(word)


def _runs(word: str) -> Iterator[str]:
    """Yield the runs of a word, none of one that is shorter than `RUN_LENGTH` or has other characters than letters."""
    inner = RUN_LENGTH - 1
    if len(word) < RUN_LENGTH or not word.isalpha():  # such as the number of an order
        return
    yield f"{word[:inner]}{_MORE}"
    for start in range(len(word) - inner):
        yield f"{_MORE}{word[start : start + RUN_LENGTH]}{_MORE}"
    yield f"{_MORE}{word[-inner:]}"


def is_run(term: str) -> bool:
    """Return whether a term is a run of characters, and no word."""
    return term.startswith(_MORE) or term.endswith(_MORE)


class WordEncoder:
    """List of terms with their weights, which turns texts into vectors of length 1.

    It has what `Body` asks of a `SentenceTransformer`.
    """

    max_seq_length = None  # a text is read whole

    def __init__(self, terms: Sequence[str], weights: Sequence[float]) -> None:
        self._places = {term: place for place, term in enumerate(terms)}
        self._weights = np.array(weights, np.float64)

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """Read the list of a folder by `word_body`."""
        config_file = _vocabulary_file(folder)
        assert config_file is not None
        config = _read_words(config_file)
        terms = config["vocab"]
        with reading(config_file, "Copy the model's folder again, or train it again."):
            weights = [float(config["word_weights"].get(term, 1.0)) for term in terms]
            if len(set(terms)) != len(terms) or not np.isfinite(weights).all():
                raise ValueError("a word repeats, or its weight is no finite number")
        return cls(terms, weights)

    def compute_matrix(self, texts: Sequence[str]) -> csr_array:
        """Return the vectors (N, D) of texts as a sparse matrix, float64."""
        from scipy.sparse import csr_array

        columns: list[int] = []
        values: list[float] = []
        ends = [0]
        for text in texts:
            counts = Counter(term for term in find_terms(text) if term in self._places)
            places = [0, *(self._places[term] for term in counts)]
            row = self._weights[places] * [1, *counts.values()]
            columns += places
            values += (row / np.linalg.norm(row)).tolist()
            ends.append(len(columns))
        return csr_array(
            (np.array(values), np.array(columns, np.int32), np.array(ends, np.int32)),
            shape=(len(texts), self.get_embedding_dimension()),
        )

    def encode(self, texts: Sequence[str], **_: Any) -> NDArray[np.float32]:
        """Return the vectors (N, D) of texts."""
        vectors: NDArray[np.float32] = self.compute_matrix(texts).astype(np.float32).toarray()
        return vectors

    def get_embedding_dimension(self) -> int:
        """Return D, the number of terms."""
        return len(self._weights)

    def parameters(self) -> tuple[()]:
        """Return the trained weights, of which there are none."""
        return ()


def pair_matrix(u: csr_array, v: csr_array, features: PairFeatures) -> csr_array:
    """Return `pair_vectors` of sparse vectors u and v (N, D)."""
    from scipy.sparse import csr_array, hstack

    difference = abs(u - v)
    product = u.multiply(v)
    parts = {"difference": [difference], "product": [product]}.get(features, [difference, product])
    if features == "all":
        lengths = np.sqrt(u.multiply(u).sum(axis=1) * v.multiply(v).sum(axis=1))
        cosine = product.sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
        distance = np.sqrt(difference.multiply(difference).sum(axis=1))
        parts = [*parts, csr_array(np.stack([distance, cosine], axis=1))]
    return csr_array(hstack(parts, format="csr"))


def read_vocabulary(folder: Path) -> list[str] | None:
    """Return the words of a body's folder, in the order of a vector's entries, or None if it has no list of words."""
    config_file = _vocabulary_file(folder)
    return None if config_file is None else list(_read_words(config_file)["vocab"])


def count_texts(words: Sequence[str], texts: Sequence[str]) -> tuple[int, ...]:
    """Return the number of texts with each term. All texts have the constant word of `word_body`."""
    counts = Counter(term for text in texts for term in set(find_terms(text)))
    return tuple(len(texts) if word == _CONSTANT_WORD else counts[word] for word in words)


def is_constant_word(word: str) -> bool:
    """Return whether a word is the one that begins every text, and is no word of a text."""
    return word == _CONSTANT_WORD


def copy_with_words(source: Path, folder: Path, weights: dict[str, float]) -> None:
    """Copy a body of words into a new folder with some of its words and other weights."""
    shutil.copytree(source, folder)
    config_file = _vocabulary_file(folder)
    assert config_file is not None
    config = _read_words(config_file)
    _write_words(config_file, {**config, "vocab": [*weights], "word_weights": weights})


def read_weights(folder: Path) -> dict[str, float]:
    """Return the words of a body's folder with their weights, in the order of a vector's entries."""
    config_file = _vocabulary_file(folder)
    assert config_file is not None
    config = _read_words(config_file)
    return {word: config["word_weights"].get(word, 1.0) for word in config["vocab"]}


def _vocabulary_file(folder: Path) -> Path | None:
    """Return the file with the words of a body's folder, or None if it has no list of words."""
    places = [place for kind, place in read_modules(folder) if kind == "BoW"]
    return places[0] / "config.json" if places else None


def _write_words(config_file: Path, config: dict[str, Any]) -> None:
    write_text(config_file, json.dumps(config, indent=4, ensure_ascii=False))


def _read_words(config_file: Path) -> dict[str, Any]:
    """Return the settings of a list of words, or raise UserError if they are damaged."""
    remedy = "Copy the model's folder again, or train it again."
    with reading(config_file, remedy):
        config: dict[str, Any] = parse_json(read_text(config_file, MAX_BODY_TEXT_BYTES))
        if not {"vocab", "word_weights"} <= config.keys():
            raise ValueError("it lacks vocab or word_weights")
        if not config["vocab"]:
            raise ValueError("its list of words is empty")
    return config
