"""Texts beyond a body's window: parts of them, and the mean of the parts' vectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.errors import UserError


def parts_of(text: str, tokenizer: Any, window: int, prompt: str) -> list[tuple[str, int]]:
    """Return a text in parts that fit into a window of tokens, each with its number of tokens.

    A part ends between two words if there is a place in it.

    Args:
        text: a text of more than ``window`` tokens.
        tokenizer: fast tokenizer of transformers.
        window: largest number of tokens, those of ``prompt`` and special ones included.
        prompt: beginning put before each part.
    """
    prompts = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    room = window - tokenizer.num_special_tokens_to_add() - len(prompts)
    if room < 1:
        raise UserError(
            f"the prompt fills the {window} tokens that the body reads. Shorten body.prompt."
        )
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            "body.long_texts is 'mean', and the body's tokenizer has no positions in the text. Set it to 'cut', or "
            "choose a body with a tokenizer.json."
        )
    found = tokenizer(
        text, add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    places, words = found["offset_mapping"], found.word_ids()
    return [(text[places[i][0] : places[j - 1][1]], j - i) for i, j in _ranges(words, room)]


def _ranges(words: Sequence[int | None], room: int) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most ``room`` tokens that end at the end of a word, if a word ends in them.

    >>> list(_ranges([0, 0, 1, 1, 1, 1, 1], 3))
    [(0, 2), (2, 5), (5, 7)]
    """
    start = 0
    while start < len(words):
        end = min(start + room, len(words))
        if end < len(words):
            ends = (i for i in range(end, start, -1) if words[i] != words[i - 1])
            end = next(ends, end)
        yield start, end
        start = end


def weighted_mean(
    vectors: NDArray[np.float32], weights: Sequence[int], *, unit: bool
) -> NDArray[np.float32]:
    """Return the mean (D,) of vectors (P, D), weighted by numbers of tokens (P,), with norm 1 if ``unit``."""
    mean = np.average(vectors.astype(np.float64), axis=0, weights=weights)
    return np.asarray(mean / (np.linalg.norm(mean) or 1.0) if unit else mean, np.float32)
