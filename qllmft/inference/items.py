"""Texts and pairs of texts that a model is asked about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeGuard

from qllmft.data.blank import is_blank
from qllmft.data.corpus import BETWEEN
from qllmft.errors import UserError

Item = str | tuple[str, str]  # a text, or two to compare


def is_single(texts: Any, *, pairs: bool) -> TypeGuard[Item]:
    """Return whether one text is given, or one tuple of two texts for a model of ``pairs``."""
    two = pairs and isinstance(texts, tuple) and len(texts) == 2
    return isinstance(texts, str) or (two and all(isinstance(text, str) for text in texts))


def item_text(item: Item) -> str:
    """Return a text, or both texts of a pair in one."""
    return item if isinstance(item, str) else BETWEEN.join(item)


def check_items(items: Sequence[Any], *, pairs: bool) -> None:
    """Raise UserError unless all items are texts that can be read, or pairs of them."""
    for item in items:
        if pairs and not (isinstance(item, tuple | list) and len(item) == 2):
            raise UserError(
                f"the model compares two texts, and got {str(item)[:60]!r}; expected pairs: "
                'predict([("a text", "another text")]).'
            )
        if not pairs and isinstance(item, tuple):
            raise UserError(
                f"the model reads single texts, and got the pair {str(item)[:60]}; expected strings."
            )
        for text in item if pairs else (item,):
            _check_text(text)


def _check_text(text: Any) -> None:
    if not isinstance(text, str):
        raise UserError(f"a text is {text!r}, expected a string.")
    if is_blank(text):
        raise UserError("a text is empty; there is nothing to classify in it.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"the text {text[:40]!r} holds half of a surrogate pair; expected text in UTF-8."
        )


def batches(texts: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` texts, also those before an error of reading."""
    iterator = iter(texts)
    while True:
        batch: list[Item] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch
