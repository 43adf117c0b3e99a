"""Words that leave with a model: those of many training texts, without those of a few."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.embed import body_identity, locate_body
from qllmft.embed.words import (
    copy_with_words,
    is_constant_word,
    is_run,
    read_vocabulary,
    read_weights,
)
from qllmft.model import StoredModel
from qllmft_base.errors import UserError, check_whole_number
from qllmft_base.text import format_count


class LeftOutWordsWarning(UserWarning):
    """Warning that a model is saved without some of its words."""


MIN_TEXTS = 5  # training texts with a word that leaves
_LINEAR_LAYER = {"head.0.weight", "head.0.bias"}  # tensors of a model that reads words


@dataclass(frozen=True)
class SharedWords:
    """Words of a model's body, those of the most training texts first."""

    min_texts: int
    shared: tuple[str, ...]  # in that many training texts or more
    left_out: tuple[str, ...]  # in fewer

    @property
    def sentence(self) -> str:
        """Return how many words leave and how many do not, in one sentence."""
        total = len(self.shared) + len(self.left_out)
        texts = format_count(self.min_texts, "training text")
        verb = "is" if len(self.left_out) == 1 else "are"
        return f"{len(self.left_out):,} of {format_count(total, 'word')} {verb} left out: words in fewer than {texts}."


def find_shared_words(model: StoredModel, min_texts: int) -> SharedWords | None:
    """Return the words of a model's body that leave with it, or None if no words leave.

    Words leave with a body that is a folder with a list of words, such as TF-IDF of the training texts.

    Args:
        model: the model.
        min_texts: least number of training texts with a word that leaves.

    Raises:
        UserError: if it is not known how many training texts have each word, and ``min_texts`` is above 1.
    """
    check_whole_number("min_texts", min_texts, 1)
    vocabulary = _vocabulary(model)
    if vocabulary is None:
        return None
    counts = _count_training_texts(model, vocabulary, min_texts)
    # of as many texts, runs of characters before whole words, which a dry run then lists
    order = sorted(
        range(len(vocabulary)), key=lambda index: (-counts[index], not is_run(vocabulary[index]))
    )
    words = [index for index in order if not is_constant_word(vocabulary[index])]
    return SharedWords(
        min_texts,
        tuple(vocabulary[index] for index in words if counts[index] >= min_texts),
        tuple(vocabulary[index] for index in words if counts[index] < min_texts),
    )


def leave_out_words(model: StoredModel, words: SharedWords, folder: Path) -> StoredModel:
    """Return a model without some of the words of its body, which is copied into a new folder.

    The weight of a word in the body tells how many training texts have it. So the number is rounded down, to
    ``min_texts`` times a power of two, and the linear layer makes up for it up to the length of a text's vector. The
    probabilities of the validation texts are left out, because they are those of the model with all words.

    Raises:
        UserError: if the model is no linear layer.
    """
    vocabulary = _vocabulary(model)
    weights = model.classifier.state_dict()
    if vocabulary is None or weights.keys() != _LINEAR_LAYER:
        raise UserError(
            f"got a model that reads words and is no linear layer, so {format_count(len(words.left_out), 'word')} "
            "cannot be left out. With min_texts = 1 all words leave."
        )
    left_out = set(words.left_out)
    rows = [index for index, word in enumerate(vocabulary) if word not in left_out]
    counts = _count_training_texts(model, vocabulary, words.min_texts)
    rounded = [round_count(counts[row], words.min_texts) for row in rows]
    old = read_weights(_body_folder(model))
    new = dict(_rounded_weights(old, [(vocabulary[row], counts[row]) for row in rows], rounded))
    copy_with_words(_body_folder(model), folder, new)
    body = model.body.model_copy(update={"model": str(folder), "revision": None})
    columns = _columns_of_words(model, rows, len(vocabulary))
    changes: dict[str, Any] = {
        "body": body,
        "body_identity": body_identity(body, locate_body(body)),
        "dimension": len(columns),
        "word_texts": tuple(rounded),
        "true_probabilities": None,
    }
    smaller_model = model.model_copy(update=changes)
    classifier = smaller_model.structure()
    ratios = np.array([old[word] / weight for word, weight in new.items()])
    factors = _column_factors(model, ratios, len(columns))
    weight = weights["head.0.weight"][:, torch.from_numpy(columns)]
    weights["head.0.weight"] = weight * torch.from_numpy(factors).to(weight.dtype)
    classifier.load_state_dict(weights)
    classifier.eval()
    return smaller_model.model_copy(update={"classifier": classifier})


def round_count(count: int, min_texts: int) -> int:
    """Return the largest number up to a count that is ``min_texts`` times a power of two.

    >>> [round_count(count, 5) for count in (5, 9, 10, 39, 40)]
    [5, 5, 10, 20, 40]
    """
    return min_texts << ((count // min_texts).bit_length() - 1)


def tells_counts(model: StoredModel, words: SharedWords) -> bool:
    """Return whether the words that leave tell by more than a factor of two how many training texts have them."""
    counts = model.word_texts or ()
    lowest = words.min_texts
    return lowest > 1 and any(
        count >= lowest and round_count(count, lowest) != count for count in counts
    )


def _rounded_weights(
    weights: Mapping[str, float], counts: Sequence[tuple[str, int]], rounded: Sequence[int]
) -> Iterator[tuple[str, float]]:
    """Yield words with the weights that `word_body` gives them for the rounded numbers of texts."""
    for (word, count), lower in zip(counts, rounded, strict=True):
        is_constant = is_constant_word(word)
        change = 0.0 if is_constant else math.log((1 + count) / (1 + lower))
        yield word, weights[word] + change


def _column_factors(
    model: StoredModel, ratios: NDArray[np.float64], n_columns: int
) -> NDArray[np.float64]:
    """Return the factor of each entry's weights for words with other weights, by their ratios of old and new ones."""
    squares = ratios**2  # of a product of two texts' entries
    blocks = {
        "product": [squares],
        "both": [ratios, squares],
        "all": [ratios, squares],
    }.get(model.pair or "", [ratios])
    factors = np.ones(n_columns)
    words = np.concatenate(blocks)
    factors[: len(words)] = words
    return factors


def _columns_of_words(model: StoredModel, rows: Sequence[int], n_words: int) -> NDArray[np.int64]:
    """Return the entries of a text's or a pair's vector that some words fill, and those that sum over all words."""
    blocks = 2 if model.pair in ("both", "all") else 1  # see `pair_vectors`
    columns = [block * n_words + np.array(rows) for block in range(blocks)]
    return np.concatenate([*columns, np.arange(blocks * n_words, model.dimension)])


def _body_folder(model: StoredModel) -> Path:
    return Path(locate_body(model.body).path)


def _vocabulary(model: StoredModel) -> list[str] | None:
    """Return the words of a local body, or None if it has no list of words, or is on the hub already."""
    if model.body.model == "minilm":
        return None
    folder = _body_folder(model)
    return read_vocabulary(folder) if folder.is_dir() else None


def _count_training_texts(
    model: StoredModel, vocabulary: Sequence[str], min_texts: int
) -> Sequence[int]:
    """Return the number of training texts with each word."""
    counts = model.word_texts
    if counts is not None and len(counts) == len(vocabulary):
        return counts
    if min_texts == 1:
        return [1] * len(vocabulary)
    stored = "no number" if counts is None else f"{len(counts):,} numbers"
    raise UserError(
        f"the language model {model.body.model} has a list of {format_count(len(vocabulary), 'word')}, and the "
        f"model's record has {stored} of training texts with each, expected as many. Train it again, or let all words "
        "leave with min_texts = 1 (--min-texts 1)."
    )
