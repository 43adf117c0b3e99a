"""Dialect of a separated table: its delimiter, its quotes, and the line that names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qllmft_base.errors import UserError
from qllmft_tables.cells import check_columns
from qllmft_tables.columns import MAX_BEFORE, Columns, find_position, has_all, no_column, seems_row
from qllmft_tables.fields import Grammar, Quoting
from qllmft_tables.file_bytes import DataFile

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
SAMPLE_LINES = 2_000
_MAX_DAMAGED = 0.5  # share of the lines of a table without a line of names
_QUOTINGS: tuple[Quoting, ...] = ("doubled", "none")
# by which Excel tells the delimiter
_EXCEL_LINE = re.compile(r"\"?sep=(.)\"?[;,\t|]*", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How the lines of a table are read, found from its first lines."""

    grammar: Grammar
    names: tuple[str, ...]  # of the columns
    header: int  # number of lines up to the one that names the columns
    doubles: bool = False  # quotes within quotes stand twice, so that a lone one is a mistake
    facts: tuple[str, ...] = ()  # what is unusual, in words
    has_names: bool = True  # a line names the columns

    @property
    def in_words(self) -> str:
        """Return the delimiter and what is unusual."""
        mark = self.grammar.delimiter
        named = DELIMITERS.get(mark, f"delimiter {mark!r}") if mark else "one column"
        return ", ".join([named, *self.facts])


def find_dialect(
    lines: Sequence[str], path: DataFile, columns: Columns, delimiter: str | None, *, suffix: str
) -> Dialect:
    """Return the dialect of a table whose first lines are given.

    Args:
        lines: the first lines, without their ends.
        path: of the table, for messages.
        columns: those that are read; the line that has them names the columns.
        delimiter: of the fields; None: the one that finds the columns.
        suffix: of the file, which tells the usual delimiter and quotes.

    Raises:
        UserError: if no line names the columns, or two delimiters fit.
    """
    start = 0
    facts = list[str]()
    while start < len(lines) and not lines[start].strip():
        start += 1
    if start < len(lines) and (excel := _EXCEL_LINE.fullmatch(lines[start].strip(" "))):
        delimiter = delimiter or excel[1]
        facts.append(f"Excel's line {lines[start].strip()!r}")
        start += 1
    if start < len(lines):
        check_columns(max(lines[start].count(mark) + 1 for mark in DELIMITERS), path)
    usual_delimiter = "," if suffix == ".csv" else "\t"
    marks = (
        [delimiter]
        if delimiter
        else [usual_delimiter, *(mark for mark in DELIMITERS if mark != usual_delimiter)]
    )
    for number in range(start, min(len(lines), start + MAX_BEFORE)):
        for mark in marks:
            names = _names(lines[number], mark)
            first = number == start or (len(names) > 1 and _is_title(lines[start:number], mark))
            if first and has_all(columns.required, names):
                if number > start:
                    facts.append(f"the columns are named in line {number + 1}")
                return _choose_quotes(
                    lines[number + 1 :], mark, names, number + 1, facts, columns, suffix
                )
    if columns.names:
        columns.check_names(path)
        mark = _infer_delimiter(lines[start:], marks, len(columns.names), path)
        facts.append("no line of names")
        names = list(columns.names)
        dialect = _choose_quotes(lines[start:], mark, names, start, facts, columns, suffix)
        return replace(dialect, has_names=False)
    raise _no_columns(lines[start:], path, columns, marks, delimiter)


def _infer_delimiter(lines: Sequence[str], marks: Sequence[str], count: int, path: DataFile) -> str:
    """Return the delimiter that divides lines into a number of fields, where no line names the columns."""
    if count == 1:
        return ""
    damages = {
        mark: min(damaged_lines(lines, Grammar(mark, quoting), count) for quoting in _QUOTINGS)
        for mark in marks
    }
    best = min(marks, key=lambda mark: damages[mark])
    if damages[best] > _MAX_DAMAGED * len(lines):
        raise UserError(
            f"{path}: the lines have not {count:,} fields, as many as the names of --columns. Name all columns, and "
            "the character between them with --delimiter."
        )
    even = [mark for mark in marks if damages[mark] == damages[best]]
    if len(even) > 1:
        raise UserError(f"{path}: {_both(even)} both divide the lines. Name one with --delimiter.")
    return best


def _both(marks: Sequence[str]) -> str:
    """Return the first two delimiters in words."""
    return " and ".join(DELIMITERS[mark] for mark in marks[:2])


def _names(line: str, mark: str) -> list[str]:
    """Return the names in a line, without blanks around them."""
    fields = Grammar(mark).split(line)
    if fields is None:
        fields = Grammar(mark).literal(line)
    names = [name.strip() for name in fields]
    if names and all(len(name) > 1 and name[0] == name[-1] == "'" for name in names):
        names = [name[1:-1] for name in names]
    return names


def _is_title(lines: Sequence[str], mark: str) -> bool:
    """Return whether lines are comments or those of a title, with one filled field or none."""
    return all(
        line.lstrip().startswith("#") or sum(bool(name) for name in _names(line, mark)) <= 1
        for line in lines
    )


def _choose_quotes(
    lines: Sequence[str],
    mark: str,
    names: list[str],
    header: int,
    facts: list[str],
    columns: Columns,
    suffix: str,
) -> Dialect:
    """Return the dialect with the quotes that leave the fewest damaged lines."""
    mark = mark if len(names) > 1 else ""
    plain: Quoting = "doubled" if suffix == ".csv" else "none"
    grammars = [Grammar(mark, plain)]
    if any('"' in line for line in lines):
        if plain == "none":
            grammars.append(Grammar(mark))
        if any('\\"' in line for line in lines):
            grammars.append(Grammar(mark, "backslash"))
    elif mark and any(begins_field("'", line, mark) for line in lines):
        grammars.append(Grammar(mark, quote="'"))
    faults = {grammar: damaged_lines(lines, grammar, len(names)) for grammar in grammars}
    best = min(grammars, key=lambda grammar: faults[grammar])
    usual = Grammar(mark)
    doubles = any(_has_doubled(line, usual) for line in lines)
    for grammar in grammars[1:]:
        if best != grammars[0] or faults[best] or faults[grammar]:
            continue
        # both fit, and quotes that stand twice, around all texts or around a label are no part of them
        is_doubled = any(_has_doubled(line, Grammar(mark, quote=grammar.quote)) for line in lines)
        if is_doubled or _are_within(grammar.quote, lines, names, columns, mark):
            best = grammar
    facts = list(facts)
    if best.quoting == "backslash":
        facts.append("quotes after backslashes")
    if best.quote == "'":
        facts.append("single quotes")
    if best.quoting == "none" and any('"' in line for line in lines):
        facts.append("quotes are characters")
    if best.quote != "'" and any(
        grammar.quote == "'" and not faults[grammar] for grammar in grammars
    ):
        facts.append("single quotes are characters")
    if suffix != ".csv" and best.quoting == "doubled":
        facts.append("texts in quotes")
    return Dialect(best, tuple(names), header, doubles, tuple(facts))


def damaged_lines(lines: Sequence[str], grammar: Grammar, count: int) -> int:
    """Return the number of lines that are not in a sound row of ``count`` fields; the last row may be cut."""
    damaged = row_lines = 0
    row: list[str] = []
    for line in lines:
        if row:
            row.append(line)
            goes_on = grammar.goes_on(line)
            if goes_on:
                continue
            fields = None if goes_on is None else grammar.split("\n".join(row))
        else:
            row = [line]
            fields = grammar.split(line)
            if fields is None and grammar.opens(line):
                continue
        row_lines = len(row)
        row = []
        if line.strip() and (fields is None or len(fields) != count):
            damaged += row_lines
    return damaged


def _has_doubled(line: str, grammar: Grammar) -> bool:
    """Return whether a sound line has a quote within quotes, as `""`."""
    if grammar.quote * 2 not in line:
        return False
    fields = grammar.split(line)
    return fields is not None and any(grammar.quote in field for field in fields)


def _are_within(
    quote: str, lines: Sequence[str], names: list[str], columns: Columns, mark: str
) -> bool:
    """Return whether all texts of a table or any of its labels stand within quotes."""
    rows = [Grammar(mark, "none").literal(line) for line in lines if line.strip()]
    rows = [row for row in rows if len(row) == len(names)]

    def within(column: str) -> list[bool]:
        place = find_position(column, names, "")
        cells = [row[place].strip() for row in rows]
        return [len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells]

    if any(any(within(label)) for label in columns.labels):
        return True
    return bool(rows) and all(within(columns.texts[0]))


def begins_field(quote: str, line: str, mark: str) -> bool:
    """Return whether a field of a line begins with a quote."""
    return line.lstrip().startswith(quote) or (bool(mark) and f"{mark}{quote}" in line)


def _no_columns(
    lines: Sequence[str],
    path: DataFile,
    columns: Columns,
    marks: list[str],
    delimiter: str | None,
) -> UserError:
    """Return the error for a table whose first lines do not name the columns."""
    rows = list(lines[1:])
    counts = {mark: len(_names(lines[0], mark)) for mark in marks}
    even = [
        mark
        for mark in marks
        if counts[mark] > 1 and damaged_lines(rows, Grammar(mark), counts[mark]) == 0
    ]
    mark = even[0] if even else max(marks, key=lambda mark: counts[mark])
    names = _names(lines[0], mark)
    missing = next(column for column in columns.required if find_position(column, names, path) < 0)
    if len(even) > 1 and delimiter is None:
        return UserError(
            f"{path}: no line names the column {missing!r}, and {_both(even)} both divide all lines. Name one of the "
            "two with --delimiter, and the columns with --text-column and --label-column."
        )
    cells = [_names(line, mark) for line in rows]
    if seems_row(names, cells):
        guess = _guess_names(names, cells, columns)
        example = mark.join(guess)
        return UserError(
            f"{path}: the first line seems to be a row, not the names of columns: {lines[0][:60]!r}. "
            f"Add a first line {example!r}, or name the columns with --columns {','.join(guess)}."
        )
    if len(names) == 1 and delimiter is None and re.search(r"\w[^\w\s\"'.-]\w", lines[0]):
        return UserError(
            f"{path}: there is no column {missing!r} in the first line, {lines[0][:60]!r}. Name the character "
            "between the fields with --delimiter."
        )
    return no_column(missing, names, path, columns, cells)


def _guess_names(names: list[str], rows: Sequence[list[str]], columns: Columns) -> list[str]:
    """Return names for a table without them: the longest column is the text, that of the fewest values the label."""
    cells = [row for row in rows if len(row) == len(names)] or [names]
    lengths = [sum(len(row[i]) for row in cells) for i in range(len(names))]
    values = [len({row[i] for row in cells}) for i in range(len(names))]
    text = lengths.index(max(lengths))
    guess = [f"column{i + 1}" for i in range(len(names))]
    guess[text] = columns.texts[0]
    other_columns = [i for i in range(len(names)) if i != text]
    other_columns = [i for i in other_columns if values[i] > 1] or other_columns
    if other_columns and columns.labels:
        guess[min(other_columns, key=lambda i: values[i])] = columns.labels[0]
    return guess
