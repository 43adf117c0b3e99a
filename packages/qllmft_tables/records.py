"""Rows of JSON: an object per line, or one list of objects. A nested field is named by its path, as `data.text`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from qllmft_base.errors import UserError
from qllmft_base.files import parse_json
from qllmft_tables.bounds import MAX_INCOMPLETE_RECORDS, MAX_LINE, MAX_NESTING, MAX_PATH_CHARACTERS
from qllmft_tables.cells import check_columns
from qllmft_tables.columns import Columns, no_column, plain
from qllmft_tables.content import TextFile
from qllmft_tables.json_list import parse_json_list
from qllmft_tables.line_check import CHUNK_BYTES

ABSENT = object()  # cell of a record without the field
_MAX_FORMS = 1_000  # sets of fields whose columns are looked up once


class RecordTable:
    """Table of JSON objects with a field per column."""

    def __init__(self, file: TextFile, columns: Columns) -> None:
        self.file = file
        self.columns = columns
        self.columns_read = list(columns.all)
        self.remarks: list[str] = []
        with file.lines() as opened:
            self._is_list = _first_character(opened) == "["
        self._names: dict[str, None] = {}  # of fields, in their order
        self._names_by_fields: dict[tuple[str, ...], list[str | None]] = {}
        self._record: dict[str, Any] = {}  # the one that was read last

    @property
    def in_words(self) -> str:
        """Return how the table is read."""
        kind = "a list of records" if self._is_list else "a record per line"
        return ", ".join([kind, *self.file.facts])

    def items(self) -> Iterator[tuple[int, list[Any]]]:
        """Yield the line or, in a list, the number of each record, and its cells.

        Raises:
            UserError: for what is no record, and at the end for a column that no record has, or for columns in place of
                records.
        """
        absent = set(self.columns.required)
        n_records = 0
        for number, record in self._records():
            self._record = record
            n_records += 1
            if not record.keys() <= self._names.keys():
                self._names.update(dict.fromkeys(record))
                check_columns(len(self._names), self.file.path)
            cells = self._cells(record)
            if absent:
                if n_records == MAX_INCOMPLETE_RECORDS:
                    break
                absent -= {
                    name
                    for name, cell in zip(self.columns_read, cells, strict=True)
                    if cell is not ABSENT
                }
            yield number, cells
        if n_records == 1:
            self._check_is_record()
        if absent and (self._names or n_records):
            missing = next(column for column in self.columns.required if column in absent)
            raise self.no_column(missing)

    def _cells(self, record: dict[str, Any]) -> list[Any]:
        """Return the fields of a record in the order of the columns."""
        fields = tuple(record)
        names = self._names_by_fields.get(fields)
        if names is None:
            names = [_field_name(column, fields) for column in self.columns_read]
            if len(self._names_by_fields) < _MAX_FORMS:
                self._names_by_fields[fields] = names
        return [
            _value(record, column) if name is None else record.get(name, ABSENT)
            for column, name in zip(self.columns_read, names, strict=True)
        ]

    def _check_is_record(self) -> None:
        """Raise UserError if the only record has the texts of all rows, as pandas writes a table by default."""
        cells = [_value(self._record, column) for column in self.columns.texts]
        if any(isinstance(cell, dict | list) for cell in cells):
            raise UserError(
                f"{self.file.path} is one object of columns, expected a list of records or one object per line. In "
                "pandas, write it by df.to_json(path, orient='records')."
            )

    def no_column(self, column: str, number: int | None = None) -> UserError:
        """Return the error for a column that no record has, or that the record of a line, read last, does not have."""
        if number is None:
            names = list(self._names)
            last = [_value(self._record, name) for name in names]
            return no_column(column, names, self.file.path, self.columns, [last])
        where = f"{self.file.path}, {self.place(number)}"
        return no_column(column, list(_paths(self._record)), where, self.columns)

    def all_names(self) -> list[str]:
        """Return the fields of all records, in the order of their first ones, after reading all of them."""
        names: dict[str, None] = {}
        for _, record in self._records():
            if not record.keys() <= names.keys():
                names.update(dict.fromkeys(record))
                check_columns(len(names), self.file.path)
        return list(names)

    def place(self, number: int) -> str:
        """Return the place of a record in words."""
        return f"record {number}" if self._is_list else f"line {number}"

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        path = self.file.path
        with self.file.lines() as opened:
            if self._is_list:
                for number, record in enumerate(self._listed(opened), start=1):
                    if not isinstance(record, dict):
                        raise _no_object(record, f"{path}, record {number}")
                    yield number, self._note_paths(record)
                return
            lines = iter(lambda: opened.readline(MAX_LINE + 1), "")
            for number, line in enumerate(lines, start=1):
                if len(line) > MAX_LINE:
                    raise UserError(
                        f"{path}, line {number}: it has more than {MAX_LINE:,} characters. Expected one object per "
                        "line."
                    )
                if line.strip():
                    yield number, self._note_paths(parse_object(line, f"{path}, line {number}"))

    def _listed(self, opened: TextIO) -> Iterator[Any]:
        """Yield the values of a list, of which few are in memory at once."""
        count = 0
        try:
            for value in parse_json_list(opened, MAX_LINE):
                count += 1
                if count > self.file.max_rows:
                    raise UserError(
                        f"{self.file.path} has more than {self.file.max_rows:,} records, expected at most that many. "
                        "Split it."
                    )
                yield value
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"{self.file.path}, record {count + 1}: not JSON ({_reason(error)}). Expected a list of objects."
            ) from None

    def _note_paths(self, record: dict[str, Any]) -> dict[str, Any]:
        """Return a record, and note the paths of its nested fields for errors if it is the first."""
        if not self._names:
            self._names.update(dict.fromkeys(_paths(record)))
            check_columns(len(self._names), self.file.path)
        return record


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Return the object of a line of JSON, or raise UserError with its place in the file."""
    try:
        row = parse_json(line)
    except ValueError as error:
        raise UserError(
            f"{where}: not JSON ({_reason(error)}). Expected one object per line."
        ) from None
    if not isinstance(row, dict):
        raise _no_object(row, where)
    return row


def _reason(error: ValueError) -> object:
    return error.msg if isinstance(error, json.JSONDecodeError) else error


def _no_object(value: Any, where: str) -> UserError:
    return UserError(
        f"{where}: {type(value).__name__}, expected an object with a field per column."
    )


def _field_name(column: str, fields: Sequence[str]) -> str | None:
    """Return the name of the field that a column is in all records of some fields, or None if it is a nested one."""
    if column in fields:
        return column
    if "." in column:
        return None
    return next((name for name in fields if plain(name) == plain(column)), column)


def _value(record: dict[str, Any], column: str) -> Any:
    """Return a field of a record, or `ABSENT`; a path with dots leads into nested records."""
    if column in record:
        return record[column]
    value: Any = record
    for part in column.split("."):
        if not isinstance(value, dict):
            return ABSENT
        name = part
        if part not in value:
            name = next((key for key in value if plain(key) == plain(part)), "")
        if name not in value:
            return ABSENT
        value = value[name]
    return value


def _paths(record: dict[str, Any], prefix: str = "", depth: int = 1) -> Iterator[str]:
    """Yield the paths of the fields of a record, but not of those that are deep or have long names."""
    for name, value in record.items():
        path = f"{prefix}{name[: MAX_PATH_CHARACTERS + 1]}"
        if len(path) > MAX_PATH_CHARACTERS:
            continue
        if isinstance(value, dict) and value and depth < MAX_NESTING:
            yield from _paths(value, f"{path}.", depth + 1)
        else:
            yield path


def _first_character(opened: TextIO) -> str:
    """Return the first character of a file that is no white space, or ""."""
    while part := opened.read(CHUNK_BYTES):
        if part := part.lstrip():
            return part[0]
    return ""
