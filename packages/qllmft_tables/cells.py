"""Cells of tables: whether they are empty, and their texts, labels and numbers."""

from __future__ import annotations

import ast
import math
import re
import string
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from decimal import Decimal
from itertools import compress
from operator import itemgetter, not_
from typing import Any

import numpy as np

from qllmft_base.errors import UserError
from qllmft_tables.bounds import MAX_COLUMNS, MAX_LABEL, MAX_LIST
from qllmft_tables.file_bytes import DataFile

ROWS_AT_ONCE = 1_000
# what Excel writes in the place of a result
SHEET_ERRORS = frozenset(
    ("#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#SPILL!", "#CALC!")
)
_FIRST_CHARACTER = itemgetter(slice(1))
_MARKS = frozenset(string.punctuation)
_FIELD_END = "\x1f"  # stands between texts, and is white space if it is in one
_FILLER = "-"  # in the place of a text beyond ASCII
_DELETE = 0x7F  # the one invisible character of ASCII beyond the first 32
_VARIATIONS = re.compile("[\ufe00-\ufe0f]")  # selectors of the form of the character before


def check_columns(count: int, path: DataFile) -> None:
    """Raise UserError for a table with too many columns."""
    if count > MAX_COLUMNS:
        raise UserError(
            f"{path} has {count:,} columns, expected at most {MAX_COLUMNS:,}. Leave out the unread ones."
        )


def is_blank(text: str) -> bool:
    r"""Return whether a text has no visible character.

    >>> [is_blank(text) for text in ("", " \n", "\u200b\ufeff\u00ad", "\u200ba")]
    [True, True, True, False]
    """
    return all(
        character.isspace() or unicodedata.category(character) in ("Cc", "Cf") for character in text
    )


def visible_text(text: str) -> str:
    r"""Return a text without characters that nobody sees, with one blank in place of white space.

    >>> visible_text("\u200bvery\u00a0\t good\ufe0f ")
    'very good'
    """
    if text.isprintable() and (text.isascii() or not _VARIATIONS.search(text)):
        # its only white space is the blank
        return " ".join(text.split()) if "  " in text else text.strip()
    text = "".join(
        character
        for character in _VARIATIONS.sub("", text)
        if character.isspace() or unicodedata.category(character) not in ("Cc", "Cf")
    )
    return " ".join(text.split())


def unusual_places(texts: Sequence[str]) -> list[int]:
    """Return the places of texts that do not begin with a letter, a digit or a mark of ASCII, or are an error of Excel.

    >>> unusual_places(["good", "#1", "#REF!", " bad", ""])
    [2, 3, 4]
    """
    first_characters = [*map(_FIRST_CHARACTER, texts)]
    are_usual = [*map(str.isalnum, first_characters)]
    if all(are_usual):
        return []
    return [
        place
        for place in compress(range(len(texts)), map(not_, are_usual))
        if first_characters[place] not in _MARKS or texts[place].strip() in SHEET_ERRORS
    ]


def comparison_texts(texts: Sequence[str]) -> Iterator[list[str]]:
    r"""Yield parts of a list in which texts that differ only in capitals, blanks or invisible characters are equal.

    >>> list(comparison_texts(["Very \u200b Good", "so  so"]))
    [['very good', 'so so']]
    """
    for start in range(0, len(texts), ROWS_AT_ONCE):
        part = list(texts[start : start + ROWS_AT_ONCE])
        content = _FIELD_END.join(part)
        other_texts = {}
        if not content.isascii():
            for place in compress(range(len(part)), map(not_, map(str.isascii, part))):
                other_texts[place] = visible_text(part[place].casefold())
                part[place] = _FILLER
            content = _FIELD_END.join(part)
        # most texts have nothing to change but capitals: no call for each of a million
        codes = np.frombuffer(f" {content} ".encode("ascii"), np.uint8)
        blank = codes <= ord(" ")
        are_single = not (blank[1:] & blank[:-1]).any()
        lower_part = content.lower().split(_FIELD_END)
        is_visible = codes.min() >= ord(_FIELD_END) and codes.max() < _DELETE
        if are_single and is_visible and len(lower_part) == len(part):
            part = lower_part
        else:
            part = [visible_text(text.lower()) for text in part]
        for place, text in other_texts.items():
            part[place] = text
        yield part


def is_several(value: Any) -> bool:
    """Return whether a cell holds several values."""
    return isinstance(value, list | tuple | set | dict | np.ndarray)


def is_missing(value: Any) -> bool:
    """Return whether a cell is empty: None, masked, a NaN or NaT of any type, or pandas' NA."""
    if value is None or value is np.ma.masked:
        return True
    if isinstance(value, float | np.floating | np.datetime64 | np.timedelta64):
        return bool(value != value)
    if isinstance(value, Decimal):
        return value.is_nan()
    pandas = sys.modules.get("pandas")  # if it is not loaded, no value is its NA
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def is_empty(value: Any) -> bool:
    """Return whether a cell is missing, or a text without a visible character."""
    return is_missing(value) or value == b"" or (isinstance(value, str) and is_blank(value))


def is_number(text: str) -> bool:
    """Return whether a text is a finite number, as people write it: Python's own 1_000 is none."""
    try:
        return "_" not in text and math.isfinite(float(text))
    except ValueError:
        return False


def label_text(value: Any) -> str:
    """Return a label as text, "1" for 1, 1.0 and '1', a day for midnight, and "" if it is missing."""
    if value is np.ma.masked:
        return ""
    if isinstance(value, np.floating):
        value = shortest_number(value)
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = value.astype(f"{value.dtype.kind}8[us]")  # Python has no shorter time
    if getattr(value, "ndim", None) == 0:  # of torch or NumPy
        value = value.item()
    if is_missing(value):
        return ""
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and value.bit_length() > 4 * MAX_LABEL:
        return hex(value)  # str() refuses more than 4,300 digits
    if isinstance(value, datetime) and value.time() == time.min:
        return value.date().isoformat()
    return str(value).strip()


def python_text(value: Any) -> str:
    """Return a cell as Python writes it, also that of a NumPy array.

    >>> python_text(np.str_("good")), python_text(np.int64(3))
    ("'good'", '3')
    """
    return repr(value.item() if isinstance(value, np.generic) else value)


def shortest_number(value: np.floating[Any]) -> float:
    """Return a number of any precision as it is written, 0.1 for that of 32 bits and not 0.10000000149.

    >>> shortest_number(np.float32(0.1))
    0.1
    """
    return float(str(value))


def list_in(text: str) -> list[Any] | None:
    """Return the list, tuple or set that a text is in the writing of Python or JSON, or None.

    >>> list_in("['home', 'bad']"), list_in('["home"]'), list_in("[sic] it is bad")
    (['home', 'bad'], ['home'], None)
    >>> list_in("('home', 'bad')"), list_in("{'home'}"), list_in("(sic)")
    (['home', 'bad'], ['home'], None)
    """
    text = text.strip()
    if f"{text[:1]}{text[-1:]}" not in ("[]", "()", "{}") or len(text) > MAX_LIST:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if isinstance(value, set):
        return sorted(value, key=str)
    return list(value) if isinstance(value, list | tuple) else None


def values_in(cell: Any, separator: str | None) -> list[Any] | None:
    """Return the values in a cell with a list, or with a text that is one or that a separator divides, else None.

    >>> values_in("['home', 'bad']", ";"), values_in("home; bad;", ";"), values_in("home; bad", None)
    (['home', 'bad'], ['home', ' bad'], None)
    """
    if not isinstance(cell, str):
        return list(cell) if is_several(cell) and not isinstance(cell, dict) else None
    values = list_in(cell)
    if values is None and separator is not None:
        return [part for part in cell.split(separator) if part.strip()]
    return values
