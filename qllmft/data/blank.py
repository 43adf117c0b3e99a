"""Blank texts: white space and invisible characters alone."""

from __future__ import annotations

import unicodedata


def is_blank(text: str) -> bool:
    r"""Return whether a text has no visible character.

    >>> [is_blank(text) for text in ("", " \n", "\u200b\ufeff\u00ad", "\u200ba")]
    [True, True, True, False]
    """
    return all(
        character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text
    )
