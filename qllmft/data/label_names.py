"""Names of labels as tables write them: near-equal ones, marks of missing values, lists as text, and their counts."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from qllmft_base.text import printable, shorten_text
from qllmft_tables.cells import SHEET_ERRORS, is_number, list_in, visible_text

# what programs and people write for a missing value, in lower case
MISSING_MARKS = frozenset(
    (
        *("nan", "none", "null", "na", "n/a", "n.a.", "<na>", "nat", "-", "--", "–", "—", "?"),
        *map(str.casefold, SHEET_ERRORS),
    )
)
MAX_LINES = 10  # of a table of labels
MAX_SHOWN = 40  # characters of a name in it
_TRUTHS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y"), "1"),
    **dict.fromkeys(("0", "false", "f", "no", "n"), "0"),
}
_QUOTES = "'\"`‘’‚“”„«»"
_MINUS_SIGNS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))
_BETWEEN_WORDS = re.compile(r"(?<=\w)[ _-]+(?=\w)")
_JOINTS = ";|,/+"  # between labels that are written as one
_MAX_DIGITS = 15  # of a fraction; more are those of a rounding error
_NUMBER = re.compile(r"([-+]?)0*([0-9]+)(?:\.([0-9]*?)0*)?")


def is_missing_mark(label: str) -> bool:
    """Return whether a label is one of the marks of a missing value.

    >>> [is_missing_mark(label) for label in ("NaN", "None", "?", "nan bread", "good")]
    [True, True, True, False, False]
    """
    return label.strip().casefold() in MISSING_MARKS


def comparison_key(label: str) -> str:
    r"""Return a text that labels share which differ only in writing.

    That is in capitals, blanks, hyphens, Unicode forms, quotes around them, a dot at the end, or the form of a number.

    >>> {comparison_key(label) for label in ("very good", "Very  GOOD", "very\u00a0good\u200b")}
    {'very good'}
    >>> [comparison_key(label) for label in ("1", "1.0", "-0.50", "v1.0", "1e0")]
    ['1', '1', '-0.5', 'v1.0', '1']
    """
    folded = unicodedata.normalize("NFKC", html.unescape(label)).casefold()
    key = visible_text(unicodedata.normalize("NFKC", folded)).translate(_MINUS_SIGNS)
    key = key.strip(_QUOTES).rstrip(".,;:").strip() or key
    number = _NUMBER.fullmatch(key)
    is_rounded = number is not None and len(number[3] or "") > _MAX_DIGITS
    if is_rounded or (number is None and is_number(key)):
        key = f"{float(key):.12g}"
        number = _NUMBER.fullmatch(key)
    if number is None:
        return _BETWEEN_WORDS.sub(" ", key).replace(" %", "%")
    sign, integer, fraction = number.groups()
    minus = "-" if sign == "-" and (integer != "0" or fraction) else ""
    return f"{minus}{integer}.{fraction}" if fraction else f"{minus}{integer}"


def similar_labels(counts: Mapping[str, int]) -> list[list[str]]:
    """Return groups of labels with the same `comparison_key`.

    The first of a group is the number without needless digits if it is there, or else the most frequent label.

    >>> similar_labels({"1.0": 7, "1": 3, "good": 2, "Good": 5, "bad": 4})
    [['1', '1.0'], ['Good', 'good']]

    Args:
        counts: number of rows by label.
    """
    groups = defaultdict(list)
    keys = {label: comparison_key(label) for label in counts}
    if _TRUTHS.keys() >= {*keys.values()}:
        keys = {label: _TRUTHS[key] for label, key in keys.items()}
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups[keys[label]].append(label)
    for key, group in groups.items():
        if _NUMBER.fullmatch(key):
            group.sort(key=lambda label: label != key)
    return [group for group in groups.values() if len(group) > 1]


def with_counts(labels: Iterable[str], counts: Mapping[str, int]) -> str:
    """Return labels in quotes, each with its number of rows.

    >>> with_counts(["good", "Good"], {"good": 1200, "Good": 7})
    "'good' (1,200), 'Good' (7)"
    """
    return ", ".join(f"{label!r} ({counts[label]:,})" for label in labels)


def lists_as_text(labels: Iterable[str]) -> list[str]:
    """Return the labels that are lists in the writing of Python or JSON."""
    return [label for label in labels if list_in(label) is not None]


def joined_labels(labels: Collection[str]) -> dict[str, str]:
    """Return the labels that are others with a mark between them, each with the mark.

    >>> joined_labels(["home", "bad", "home;bad", "w/o"])
    {'home;bad': ';'}
    """
    names = {*labels}
    return {
        label: mark
        for label in labels
        for mark in _JOINTS
        if mark in label and {part.strip() for part in label.split(mark)} <= names
    }


def label_table(counts: Mapping[str, Sequence[int]], parts: Sequence[str]) -> tuple[str, ...]:
    """Return lines with the number of rows of each label, largest first, at most `MAX_LINES` with their heading.

    >>> label_table({"bad": [3, 1], "good": [5, 2]}, ["training", "test"])
    ('label  rows  training  test', 'good      7         5     2', 'bad       4         3     1')
    """
    order = sorted(counts, key=lambda label: (-sum(counts[label]), label))
    listed = order if len(order) < MAX_LINES else order[: MAX_LINES - 2]
    rows = [("label", "rows", *parts)]
    for label in listed:
        short = shorten_text(printable(label), MAX_SHOWN)
        rows.append((short, f"{sum(counts[label]):,}", *(f"{n:,}" for n in counts[label])))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for name, *numbers in rows:
        cells = [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *cells]))
    unlisted = order[len(listed) :]
    if unlisted:
        n_rows = sum(sum(counts[label]) for label in unlisted)
        lines.append(f"and {len(unlisted):,} more labels with {n_rows:,} rows")
    return tuple(lines)
