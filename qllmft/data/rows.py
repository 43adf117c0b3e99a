"""Conversion of tables with named columns to validated texts and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qllmft.config import IN_MEMORY, DataConfig
from qllmft.data.corpus import FIRST_ROWS, Corpus, Findings, Table, join_first
from qllmft.data.label_names import is_missing_mark, with_counts
from qllmft.data.labels import DeclaredNames, Frames, label_texts, read_labels
from qllmft.data.rare_labels import apply_rare_labels
from qllmft.data.split_column import SPLIT_NAMES, divide_by_column
from qllmft.data.split_keys import read_split_keys
from qllmft.data.weights import read_weights
from qllmft.tasks import TASKS
from qllmft.tasks.ordered import ordered_values
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home
from qllmft_base.text import HALF_PAIR, format_count
from qllmft_tables.bounds import MAX_LABEL, MAX_TEXT
from qllmft_tables.cells import (
    ROWS_AT_ONCE,
    SHEET_ERRORS,
    is_blank,
    is_empty,
    is_missing,
    is_several,
    label_text,
    python_text,
    unusual_places,
    values_in,
)
from qllmft_tables.columns import SPLIT_COLUMN, Columns, no_column, plain

if TYPE_CHECKING:
    import pandas as pd


_ROWS_LOOKED_AT = 20  # to tell which columns hold texts


@dataclass(frozen=True)
class _RowFault:
    """Fault of a row that may be left out."""

    reason: str
    is_no_string: bool = False  # its text is another value
    marks: tuple[str, ...] = ()  # its labels that look missing


def make_corpus(frames: Frames, names: DeclaredNames, config: DataConfig) -> Corpus:
    """Convert tables by split, with numbered rows, to a corpus.

    The labels of a table whose ``names`` of labels are given are indices into them.
    """
    _check_columns(frames, config)
    is_one_table = config.split_column is not None
    if is_one_table:
        frames = divide_by_column(frames, config)
    _check_hidden_labels(frames, config)
    good_frames, findings = _without_bad_rows(frames, config)
    label_names, labels, findings = read_labels(good_frames, names, config, findings)
    if config.ordered:
        ordered_values(label_names, config.source)
    keys = read_split_keys(good_frames, config)
    weights = read_weights(good_frames, config)
    tables = {}
    for split, frame in good_frames.items():
        texts, *second = (frame[column].tolist() for column in config.text_columns)
        seconds = second[0] if second else None
        tables[split] = Table(
            texts,
            labels[split],
            seconds,
            config.pair_features,
            keys.get(split),
            weights.get(split),
            frame.index.to_numpy(np.int64),
        )
    findings = replace(findings, unused_splits=_unused_splits(frames, config))
    corpus = Corpus(config.source, label_names, tables, findings, is_one_table=is_one_table)
    if config.duplicates == "drop":
        corpus = corpus.without_duplicates()
    return apply_rare_labels(corpus, config)


def _unused_splits(frames: Frames, config: DataConfig) -> dict[str, int]:
    """Return the number of rows of each split that a column of a single table names, or {} without such a column."""
    if len(frames) != 1 or SPLIT_COLUMN in config.columns:
        return {}
    (frame,) = frames.values()
    if SPLIT_COLUMN not in frame.columns:
        return {}
    counts = Counter(map(plain, frame[SPLIT_COLUMN].tolist()))
    if len(counts) < 2 or not counts.keys() <= SPLIT_NAMES.keys():
        return {}
    return dict(sorted(counts.items()))


def _check_hidden_labels(frames: Frames, config: DataConfig) -> None:
    """Raise UserError if all labels of the test are -1 or missing and the others are not: the labels are hidden."""
    if not TASKS[config.task].one_label or "test" not in frames or len(frames) < 2:
        return
    (column,) = config.label_columns
    hidden = _plain_labels(frames["test"][column].tolist())
    if hidden not in ({"-1"}, {""}):
        return
    other_cells = (frame[column].tolist() for split, frame in frames.items() if split != "test")
    if any(hidden & _plain_labels(cells) for cells in other_cells):
        return
    what = "is -1" if hidden == {"-1"} else "is missing"
    effect = "Then 20 % of the other rows are the test"
    remedy = f"Leave that split out. {effect}."
    if expand_home(config.source).is_dir():
        remedy = f"Take the file of that split out of the folder. {effect}."
    elif not config.source.startswith(IN_MEMORY):
        remedy = f"Save the other splits as files, and give their folder with --data. {effect}."
    raise UserError(
        f"{config.source}, split 'test': every label {what}, as in data sets of contests, which hide them. {remedy}"
    )


def _plain_labels(cells: Sequence[Any]) -> set[str]:
    """Return the labels of cells, with "" for those that are missing."""
    labels = {*label_texts(cells)}
    return {"" if is_blank(label) or is_missing_mark(label) else label for label in labels}


def columns_to_read(config: DataConfig) -> Columns:
    """Return the columns that a configuration reads."""
    key = () if config.key_column is None else (config.key_column,)
    optional = []
    if len(config.label_columns) == 1:
        optional.append(f"{config.label_columns[0]}_text")
    if SPLIT_COLUMN not in config.columns:
        optional.append(SPLIT_COLUMN)
    all_names = config.column_names or ()
    return Columns(
        config.text_columns,
        config.label_columns,
        key,
        tuple(optional),
        all_names,
        options=config.options_of_columns,
    )


def _check_columns(frames: Frames, config: DataConfig) -> None:
    for split, frame in frames.items():
        if not len(frame):
            raise UserError(
                f"{config.source}, split {split!r}: it has no row. Fill it in, or leave it out."
            )
        if missing := [column for column in config.columns if column not in frame.columns]:
            where = f"{config.source}, split {split!r}"
            first_rows = frame.head(_ROWS_LOOKED_AT).to_numpy(dtype=object).tolist()
            names = list(frame.columns)
            raise no_column(missing[0], names, where, columns_to_read(config), first_rows)


def _without_bad_rows(
    frames: Frames, config: DataConfig
) -> tuple[dict[str, pd.DataFrame], Findings]:
    """Return the rows with text and label, and the number of the others, which are errors unless they are skipped."""
    good_frames = {}
    bad = []
    numbers = 0
    marks: Counter[str] = Counter()  # labels that look missing
    for split, frame in frames.items():
        columns = [frame[name].tolist() for name in (*config.text_columns, *config.label_columns)]
        sound = np.ones(len(frame), bool)
        for place in _rows_to_check(columns, config):
            where = f"split {split!r}, row {frame.index[place]}"
            cells = [column[place] for column in columns]
            fault = _find_fault(cells, f"{config.source}, {where}", config)
            if fault is not None:
                sound[place] = False
                bad.append(f"{where}: {fault.reason}")
                numbers += fault.is_no_string
                marks.update(fault.marks)
        good_frames[split] = frame if sound.all() else frame[sound]
        if numbers and not len(good_frames[split]):
            raise UserError(f"{config.source}, {bad[0]}. Is --text-column right?")
        if config.bad_rows == "skip" and not len(good_frames[split]):
            raise UserError(
                f"{config.source}, split {split!r}: no row has a text and a label. Are the columns right?"
            )
    if bad and config.bad_rows == "error":
        total = sum(map(len, frames.values()))
        raise _bad_rows(bad, numbers, marks, format_count(total, "row"), config)
    return good_frames, Findings(skipped_rows=len(bad), first_skipped=tuple(bad[:FIRST_ROWS]))


def _bad_rows(
    bad: list[str], numbers: int, marks: Counter[str], rows: str, config: DataConfig
) -> UserError:
    """Return the error for rows without a text or a label.

    Args:
        bad: the rows and their faults, in words.
        numbers: how many of them have another value as the text.
        marks: labels that look missing, with their counts.
        rows: number of all rows, in words.
        config: names the source.
    """
    named = join_first(bad, between="; ")
    has = "has" if len(bad) == 1 else "have"
    if numbers == len(bad):
        return UserError(
            f"{config.source}: of {rows} {numbers:,} {has} a text that is no string: {named}. Write numbers in quotes, "
            "or leave these rows out with --bad-rows skip."
        )
    if marks:
        counts = with_counts(sorted(marks), marks)
        missing = (
            f"{has} a label that looks missing, {counts}, the first in {bad[0].split(': ')[0]}"
        )
        if marks.total() < len(bad):
            missing = f"{has} no text or no label: {named}. Labels that look missing are {counts}"
        return UserError(
            f"{config.source}: of {rows} {len(bad):,} {missing}. Leave these rows out with --bad-rows skip, or take "
            "such labels as they are with --missing-labels keep."
        )
    return UserError(
        f"{config.source}: of {rows} {len(bad):,} {has} no text or no label: {named}. Fill them in, or leave them out "
        "with --bad-rows skip."
    )


def _rows_to_check(columns: list[list[Any]], config: DataConfig) -> list[int]:
    """Return the places of rows that have more than plain words in texts and labels."""
    n_texts = len(config.text_columns)
    places: set[int] = set()
    for cells in columns[:n_texts]:
        places.update(_unusual_texts(cells))
    for cells in columns[n_texts:]:
        are_texts = {*map(type, cells)} == {str}
        different = {*cells} if are_texts else {cell for cell in cells if type(cell) is str}
        plain = {
            cell
            for cell in different
            if _is_plain(cell, MAX_LABEL) and not _missing_marks(cell, config)
        }
        if are_texts and plain == different:
            continue
        places.update(
            place for place, cell in enumerate(cells) if type(cell) is not str or cell not in plain
        )
    return sorted(places)


def _unusual_texts(cells: list[Any]) -> Iterator[int]:
    """Yield the places of cells that are not as `_is_plain` says, without a call for each of a million."""
    for start in range(0, len(cells), ROWS_AT_ONCE):
        part = cells[start : start + ROWS_AT_ONCE]
        if _are_short_texts(part):
            yield from (start + place for place in unusual_places(part))
        else:
            yield from (
                place for place, cell in enumerate(part, start) if not _is_plain(cell, MAX_TEXT)
            )


def _are_short_texts(cells: list[Any]) -> bool:
    """Return whether cells are texts, together no longer than one may be, without half of a surrogate pair."""
    try:
        content = "".join(cells)
        content.encode()  # quicker than a pattern
    except (TypeError, UnicodeEncodeError):
        return False
    return len(content) <= MAX_TEXT


def _missing_marks(cell: Any, config: DataConfig) -> list[str]:
    """Return the labels in a cell that are marks of a missing value."""
    values = values_in(cell, config.label_separator) if config.has_lists else None
    labels = map(label_text, [cell] if values is None else values)
    return [label for label in labels if is_missing_mark(label)]


def _is_plain(cell: Any, most: int) -> bool:
    """Return whether a cell is a text of at most ``most`` characters that is none of `unusual_places`."""
    return (
        type(cell) is str
        and not unusual_places([cell])
        and len(cell) <= most
        and not HALF_PAIR.search(cell)
    )


def _find_fault(cells: list[Any], place: str, config: DataConfig) -> _RowFault | None:
    """Return the fault of texts and labels, if any, or raise UserError for a cell that no option leaves out."""
    count = len(config.text_columns)
    texts = cells[:count]
    labels = cells[count:]
    for label in () if config.has_lists else labels:
        if is_several(label):
            raise UserError(
                f"{place}: the label is {label!r:.60}, several values, expected one label per text. Choose another "
                "column with --label-column, or --task multilabel for lists of labels."
            )
    sizes = [("text", len(text), MAX_TEXT) for text in texts if isinstance(text, str)]
    if not config.has_lists:
        sizes += [("label", len(label_text(label)), MAX_LABEL) for label in labels]
    for name, size, most in sizes:
        if size > most:
            raise UserError(
                f"{place}: the {name} has {size:,} characters, expected at most {most:,}. Are the columns right?"
            )
    for cell in (*texts, *labels):
        for text in cell if is_several(cell) else (cell,):
            if isinstance(text, str) and HALF_PAIR.search(text):
                raise UserError(
                    f"{place}: {text[:40]!r} holds half of a surrogate pair, expected text in UTF-8."
                )
    for name, text in zip(("text", "second text"), texts, strict=False):
        if is_empty(text):
            return _RowFault(f"the {name} is empty")
        if isinstance(text, str) and text.strip() in SHEET_ERRORS:
            return _RowFault(f"the {name} is {text.strip()!r}, an error of a spreadsheet")
        if not isinstance(text, str):
            remedy = " (decode bytes first, as text.decode() does)" * isinstance(text, bytes)
            reason = f"the {name} is {python_text(text):.60}, expected a string{remedy}"
            return _RowFault(reason, is_no_string=True)
    # an empty text is a list without labels
    if any(map(is_missing if config.has_lists else is_empty, labels)):
        return _RowFault("the label is empty")
    if config.missing_labels == "error":
        marks = tuple(mark for label in labels for mark in _missing_marks(label, config))
        if marks:
            return _RowFault(f"the label is {marks[0]!r}, as for a missing value", marks=marks)
    return None
