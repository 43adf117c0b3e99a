"""Columns of a table by their names: found up to blanks and capitals, and named in errors with the nearest ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from qllmft_base.errors import UserError
from qllmft_tables.cells import is_blank
from qllmft_tables.file_bytes import DataFile

MAX_BEFORE = 20  # lines or rows before the one that names the columns
SPLIT_COLUMN = "split"  # of a table that holds all splits; it is read for a finding alone
_MAX_NAMED = 12  # columns that an error lists
_LONG_NAME = 60  # characters; longer ones are texts
_SENTENCE = re.compile(r"\S+\s+\S+.*[.!?]")
_CODE = re.compile(r"[\w#./:-]*\d[\w#./:-]*")  # such as a number of a ticket
_VALUE = re.compile(r"[-+]?\d+([.,]\d+)?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")


@dataclass(frozen=True)
class Columns:
    """Names of the columns that a command reads."""

    texts: tuple[str, ...]  # one, or two of pairs
    labels: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # groups or times
    optional: tuple[str, ...] = ()  # read if they are there
    names: tuple[str, ...] = ()  # of all columns, for a file without a line of names
    # of further columns, each with the option that names it
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """Return the names that a table must have."""
        return (*self.texts, *self.labels, *self.keys, *self.options)

    def positions(self, names: Sequence[str], where: object) -> dict[str, int]:
        """Return the positions of the columns that are among names; no optional column that is there several times.

        Raises:
            UserError: if a column that a table must have is there several times.
        """
        places = {name: find_position(name, names, where) for name in self.required}
        for name in self.optional:
            with suppress(UserError):
                places[name] = find_position(name, names, where)
        return {name: place for name, place in places.items() if place >= 0}

    @property
    def all(self) -> tuple[str, ...]:
        """Return the names of all columns that are read, the optional ones last."""
        return (*self.required, *self.optional)

    def check_names(self, path: DataFile) -> None:
        """Raise UserError for a column that is read and not among the names of all columns."""
        for column in self.required:
            if not has_all([column], self.names):
                raise no_column(column, self.names, f"{path}, --columns", self)


def plain(name: object) -> str:
    r"""Return a name without blanks, invisible characters and quotes around it, in small letters.

    >>> plain(" Label "), plain("\ufefftext"), plain('"text"')
    ('label', 'text', 'text')
    """
    text = str(name)
    while text and (is_blank(text[0]) or text[0] in "'\""):
        text = text[1:]
    while text and (is_blank(text[-1]) or text[-1] in "'\""):
        text = text[:-1]
    return unicodedata.normalize("NFC", text).casefold()


def find_position(column: str, names: Sequence[str], where: object) -> int:
    """Return the position of a column, or -1 if there is none.

    A name that is exactly the column goes before one that differs in blanks or capitals.

    Raises:
        UserError: if several columns have the name.
    """
    for form in (str, plain):
        places = [place for place, name in enumerate(names) if form(name) == form(column)]
        if len(places) > 1:
            column_name = names[places[0]]
            raise UserError(
                f"{where} has several columns named {column_name!r}, expected one. Rename the others."
            )
        if places:
            return places[0]
    return -1


def has_all(columns: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether each column is among the names, up to blanks and capitals."""
    plain_names = {plain(name) for name in names}
    return all(plain(column) in plain_names for column in columns)


def are_names(cells: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether cells are all the names, in their order and up to blanks and capitals."""
    if len(cells) != len(names):
        return False
    return all(plain(cell) == plain(name) for cell, name in zip(cells, names, strict=True))


def no_column(
    column: str,
    names: Sequence[Any],
    where: object,
    columns: Columns,
    rows: Sequence[Sequence[Any]] = (),
) -> UserError:
    """Return the error for a column that a table does not have.

    Args:
        column: that was not found.
        names: of the table's columns.
        where: file and place in it, in words.
        columns: all that are read, which tell the option.
        rows: some of the table's rows; a column of numbers or codes in them is not proposed for texts.
    """
    of_values = set()
    if column in columns.texts:
        of_values = {
            name
            for place, name in enumerate(names)
            if holds_values([row[place] for row in rows if place < len(row)])
        }
    ends = tuple(str(name) for name in names)
    names = [name for name in names if not any(end.startswith(f"{name}.") for end in ends)]
    listed = ", ".join(repr(str(name)[:_LONG_NAME]) for name in names[:_MAX_NAMED])
    if len(names) > _MAX_NAMED:
        listed += f", and {len(names) - _MAX_NAMED:,} more"
    remedy = f"Choose with {_option(column, columns)}."
    if near := nearest(column, [name for name in names if name not in of_values]):
        remedy = f"Did you mean {near!r}? {remedy}"
    found = f"Its columns are {listed}." if names else "It has none."
    return UserError(f"{where}: there is no column {column!r}. {found} {remedy}")


def holds_values(cells: Sequence[Any]) -> bool:
    """Return whether the cells of a column that are not blank are numbers, dates or codes, and none is a text.

    >>> holds_values(["1042", "T-1043", ""]), holds_values(["the lamp", "7"]), holds_values([])
    (True, False, False)
    """
    filled = [text for text in map(str, cells) if text.strip()]
    are_values = (
        _VALUE.fullmatch(text) or _CODE.fullmatch(text) for text in map(str.strip, filled)
    )
    return bool(filled) and all(are_values)


def _option(column: str, columns: Columns) -> str:
    if column in columns.options:
        return columns.options[column]
    if column in columns.keys:
        return "--group or --time"
    if len(columns.texts) > 1:
        labels = "" if not columns.labels else ", --label-column"
        return f"--text-column, --pair-column{labels}"
    if columns.labels:
        return "--text-column and --label-column"
    return "--text-column, or give a .txt file with one text per line"


def nearest(column: str, names: Sequence[Any]) -> str:
    """Return the name that is most like a column, or "".

    >>> nearest("label", ["id", "data.text", "meta.label"]), nearest("text", ["texts", "id"])
    ('meta.label', 'texts')
    """
    by_form = {plain(name): str(name) for name in names}
    ends = [name for form, name in by_form.items() if form.split(".")[-1] == plain(column)]
    close = get_close_matches(plain(column), list(by_form), 1)
    return ends[0] if ends else by_form[close[0]] if close else ""


def seems_row(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether names are rather the cells of a row, in view of the rows below them."""
    for place, name in enumerate(names):
        if len(name) > _LONG_NAME or _SENTENCE.fullmatch(name) or _VALUE.fullmatch(name.strip()):
            return True
        if name.strip() and any(len(row) == len(names) and row[place] == name for row in rows):
            return True
    return False
