"""Names of labels as tables write them: near-equal ones, marks of missing values, lists as text, and their counts."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from qllmft.data.cells import list_in, visible_text
from qllmft_backends.text import printable

# what programs and people write for a missing value, in lower case
MISSING_MARKS = frozenset(
    ("nan", "none", "null", "na", "n/a", "n.a.", "<na>", "#n/a", "nat", "-", "--", "–", "—", "?")
)
MAX_LINES = 10  # of a table of labels
MAX_SHOWN = 40  # characters of a name in it
_NUMBER = re.compile(r"([-+]?)0*([0-9]+)(?:\.([0-9]*?)0*)?")


def is_missing_mark(label: str) -> bool:
    """Return whether a label is one of the marks of a missing value.

    >>> [is_missing_mark(label) for label in ("NaN", "None", "?", "nan bread", "good")]
    [True, True, True, False, False]
    """
    return label.strip().casefold() in MISSING_MARKS


def comparison_key(label: str) -> str:
    r"""Return a text that labels share which differ only in capitals, blanks, Unicode forms or the form of a number.

    >>> {comparison_key(label) for label in ("very good", "Very  GOOD", "very\u00a0good\u200b")}
    {'very good'}
    >>> [comparison_key(label) for label in ("1", "1.0", "-0.50", "v1.0")]
    ['1', '1', '-0.5', 'v1.0']
    """
    folded = unicodedata.normalize("NFKC", label).casefold()
    key = visible_text(unicodedata.normalize("NFKC", folded))
    number = _NUMBER.fullmatch(key)
    if number is None:
        return key
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
    for label in sorted(counts, key=lambda label: (-counts[label], label)):
        groups[comparison_key(label)].append(label)
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


def label_table(counts: Mapping[str, Sequence[int]], parts: Sequence[str]) -> tuple[str, ...]:
    """Return lines with the number of rows of each label, largest first, at most `MAX_LINES` with their heading.

    >>> label_table({"bad": [3, 1], "good": [5, 2]}, ["training", "test"])
    ('label  rows  training  test', 'good      7         5     2', 'bad       4         3     1')
    """
    order = sorted(counts, key=lambda label: (-sum(counts[label]), label))
    listed = order if len(order) < MAX_LINES else order[: MAX_LINES - 2]
    rows = [("label", "rows", *parts)]
    for label in listed:
        name = printable(label)
        short = name if len(name) <= MAX_SHOWN else f"{name[: MAX_SHOWN - 1]}…"
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
