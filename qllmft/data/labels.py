"""Labels of texts from the cells of tables: one per text, several, or real targets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qllmft.bounds import LARGEST_TARGET, MAX_LABELS
from qllmft.config import DataConfig
from qllmft.data.corpus import Findings, join_first
from qllmft.data.label_names import joined_labels, lists_as_text, similar_labels, with_counts
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.bounds import MAX_LABEL, MAX_LIST
from qllmft_tables.cells import is_blank, is_number, label_text, values_in

if TYPE_CHECKING:
    import pandas as pd

Frames: TypeAlias = "Mapping[str, pd.DataFrame]"  # tables with numbered rows, by split
DeclaredNames: TypeAlias = Mapping[str, Sequence[str]]  # of labels, by the split that declares them

ROWS_PER_LABEL = 4  # with fewer, the column may be another one than that of the labels
_NO_TARGETS = (bool, np.bool_, np.datetime64, np.timedelta64)  # types that float() takes
_NO_LABEL = "-1"  # in the place of an index of a name, as data sets of the hub have it
_INDICATORS = {"0": 0, "1": 1, "false": 0, "true": 1}


def read_labels(
    frames: Frames, declared: DeclaredNames, config: DataConfig, findings: Findings
) -> tuple[tuple[str, ...], dict[str, NDArray[Any]], Findings]:
    """Return the names of the labels or targets, the labels of each table as in `Table.labels`, and the findings.

    Args:
        frames: tables of good rows, by split.
        declared: names of the labels of a table, by split. The labels of that table are indices into them.
        config: names the columns, and how they hold labels.
        findings: earlier ones, to which those of the labels are added.

    Args:
        frames: tables with their columns of labels, by name.
        declared: names of the labels, by the split that declares them.
        config: task and columns of the labels.
        findings: of reading so far.

    Raises:
        UserError: for a cell that holds no label or target, or for too few or too many labels.
    """
    if TASKS[config.task].real:
        return config.label_columns, _by_column(frames, config, _target), findings
    if not TASKS[config.task].several:
        return _one_each(frames, declared, config, findings)
    if config.has_lists:
        names, tables, findings = _from_lists(frames, declared, config, findings)
    else:
        names = config.targets
        tables = _by_column(frames, config, _indicator)
    if not any(table.any() for table in tables.values()):
        raise UserError(
            f"{config.source}: no text has any of the labels {join_first(names)}. Are the columns of the "
            "labels right?"
        )
    return names, tables, findings


def _cells(frames: Frames, column: str, config: DataConfig) -> dict[str, list[tuple[str, Any]]]:
    """Return the cells of a column with their places in words, by split."""
    return {
        split: [
            (f"{config.source}, split {split!r}, row {row}", cell)
            for row, cell in zip(frame.index.tolist(), frame[column].tolist(), strict=True)
        ]
        for split, frame in frames.items()
    }


def _by_column(
    frames: Frames, config: DataConfig, number: Callable[[Any, str, str], float]
) -> dict[str, NDArray[Any]]:
    """Return the numbers (N, T) of T label columns of each table."""
    columns = [
        {
            s: [number(cell, column, place) for place, cell in cells]
            for s, cells in column_cells.items()
        }
        for column in config.label_columns
        for column_cells in (_cells(frames, column, config),)
    ]
    return {
        split: np.array([column_numbers[split] for column_numbers in columns]).T.copy()
        for split in frames
    }


def _target(cell: Any, column: str, place: str) -> float:
    try:
        is_other = isinstance(cell, _NO_TARGETS) or (isinstance(cell, str) and "_" in cell)
        number = math.nan if is_other else float(cell)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise UserError(
            f"{place}: the target {column!r} is {str(cell)[:40]!r}, expected a finite number. Choose another column "
            "with --label-column, or omit --task for labels."
        )
    if abs(number) > LARGEST_TARGET:
        raise UserError(
            f"{place}: the target {column!r} is {number:g}, expected a number of at most {LARGEST_TARGET:g} in size. "
            "Correct it, or use another unit."
        )
    return number


def _indicator(cell: Any, column: str, place: str) -> int:
    indicator = _INDICATORS.get(label_text(cell).lower())
    if indicator is None:
        raise UserError(
            f"{place}: {column!r} is {str(cell)[:40]!r}, expected 0 or 1. Are the columns in data.label_column right? "
            "For a column of lists, give --label-column instead."
        )
    return indicator


def _writings(
    counts: Counter[str], config: DataConfig, findings: Findings
) -> tuple[dict[str, str], Findings]:
    """Return the label of each label that differs only in writing, if they are merged, and the findings about them."""
    groups = similar_labels(counts)
    group_texts = tuple(with_counts(group, counts) for group in groups)
    if not config.merge_labels:
        return {}, replace(findings, similar_labels=group_texts)
    merged = {label: group[0] for group in groups for label in group}
    return merged, replace(findings, merged_labels=group_texts)


def _about_names(counts: Counter[str], config: DataConfig, findings: Findings) -> Findings:
    """Return the findings with lists that are written as text, and more labels than a quarter of the rows."""
    lists = lists_as_text(counts)
    joints = joined_labels(counts)
    joined = ""
    if joints:
        label, mark = next(iter(joints.items()))
        count_text = format_count(sum(counts[name] for name in joints), "label", ("joins", "join"))
        joined = (
            f"{count_text} other labels, such as {label!r}: each is one label here. --task multilabel "
            f"--label-separator {mark!r} reads several."
        )
    rows = counts.total()
    many = ""
    if len(counts) * ROWS_PER_LABEL > rows and len(counts) > 2:
        many = (
            f"The column {config.label_columns[0]!r} has {len(counts):,} labels in {rows:,} rows. Did you mean another "
            "column? Choose with --label-column."
        )
        if all(map(is_number, counts)):
            many = many.removesuffix(".") + ", or learn the numbers with --task regression."
    return replace(
        findings,
        listed_labels=sum(counts[label] for label in lists),
        first_list=lists[0] if lists else "",
        many_labels=many,
        joined_labels=joined,
    )


def _shared_names(
    declared: DeclaredNames, labels_by_split: Mapping[str, set[str]]
) -> Sequence[str] | None:
    """Return the names into which the labels of all tables are indices, or None if a table has others."""
    different_names = {tuple(names) for names in declared.values()}
    if len(different_names) != 1:
        return None
    (names,) = different_names
    for split, labels in labels_by_split.items():
        are_indices = all(map(is_number, labels)) and not labels <= {*names}
        if split not in declared and not are_indices:
            return None
    return names


def _by_index(names: Sequence[str]) -> dict[str, str]:
    """Return names by their indices as texts."""
    return {str(i): name for i, name in enumerate(names)}


def _one_each(
    frames: Frames, declared: DeclaredNames, config: DataConfig, findings: Findings
) -> tuple[tuple[str, ...], dict[str, NDArray[Any]], Findings]:
    """Return labels (N,) of texts with one label, named by the column ``LABEL_text`` (SetFit's convention) if any."""
    (column,) = config.label_columns
    raw = {split: label_texts(frame[column].tolist()) for split, frame in frames.items()}
    shared = _shared_names(declared, {split: {*labels} for split, labels in raw.items()})
    if shared is None:
        for split, own_names in declared.items():
            name_of = _by_index(own_names)
            _check_known(raw[split], name_of, frames[split], f"{config.source}, split {split!r}")
            raw[split] = [name_of[label] for label in raw[split]]
        counts = Counter(chain.from_iterable(raw.values()))
        findings = _about_names(counts, config, findings)
        merged, findings = _writings(counts, config, findings)
        if merged:
            raw = {split: [merged.get(y, y) for y in labels] for split, labels in raw.items()}
    values = _values(set().union(*raw.values()), shared)
    names: dict[str, str] = dict(zip(values, shared or values, strict=True))
    if shared is None:
        names |= _read_names(raw, frames, column, config)
    index_of = {value: i for i, value in enumerate(values)}
    tables = {}
    for split, labels in raw.items():
        _check_known(labels, index_of, frames[split], f"{config.source}, split {split!r}")
        tables[split] = np.fromiter(map(index_of.__getitem__, labels), np.int64, len(labels))
    return tuple(names[value] for value in values), tables, findings


def _check_known(
    labels: Sequence[str], known: Mapping[str, object], frame: pd.DataFrame, table: str
) -> None:
    """Raise UserError for the first label of a table that is not known."""
    if known.keys() >= {*labels}:
        return
    unknown = next(row for row, label in enumerate(labels) if label not in known)
    remedy = "Correct it, or leave the row out."
    if labels[unknown] == _NO_LABEL:
        count = format_count(labels.count(_NO_LABEL), "row")
        remedy = f"It stands for no label. Leave such rows out ({count})."
    raise UserError(
        f"{table}, row {frame.index[unknown]}: the label is {labels[unknown]!r}, expected one of {[*known]}. {remedy}"
    )


def _read_names(
    raw: Mapping[str, list[str]], frames: Frames, column: str, config: DataConfig
) -> dict[str, str]:
    """Return the names by label that the column ``LABEL_text`` has, none for a label without one.

    Raises:
        UserError: if a label has several names, or a name several labels.
    """
    name_column = f"{column}_text"
    pairs: set[tuple[str, str]] = set()
    for split, frame in frames.items():
        if name_column in frame.columns:
            pairs.update(zip(raw[split], label_texts(frame[name_column].tolist()), strict=True))
    names: dict[str, str] = {}
    labels: dict[str, str] = {}
    remedy = f"Correct it, or rename the column to learn {column!r} as it is."
    for label, name in sorted(pair for pair in pairs if not is_blank(pair[1])):
        if names.setdefault(label, name) != name:
            raise UserError(
                f"{config.source}: the column {name_column!r} names the label {label!r} {names[label]!r} and {name!r}, "
                f"expected one name. {remedy}"
            )
        if labels.setdefault(name, label) != label:
            raise UserError(
                f"{config.source}: the column {name_column!r} names the labels {labels[name]!r} and {label!r} "
                f"{name!r}, expected different names. {remedy}"
            )
    return names


def label_texts(cells: Sequence[Any]) -> list[str]:
    """Return the labels of cells as texts; equal texts of a million rows are one object."""
    if {*map(type, cells)} == {str}:
        forms = {cell: label_text(cell) for cell in {*cells}}
        # also of equal forms, so that equal labels are one object, and quick to look up
        return [*map(forms.__getitem__, cells)]
    forms = {cell: label_text(cell) for cell in {cell for cell in cells if type(cell) is str}}
    return [forms[cell] if type(cell) is str else label_text(cell) for cell in cells]


def _values(label_set: set[str], declared: Sequence[str] | None) -> list[str]:
    """Return all labels as texts, those of ``declared`` names as their indices.

    Numbers are sorted by value and words by alphabet, without the empty label.
    """
    if declared is not None:
        return [str(i) for i in range(len(declared))]
    labels = [label for label in label_set if label]
    if all(map(is_number, labels)):
        return sorted(labels, key=_number_order)
    return sorted(labels)


def _number_order(label: str) -> tuple[float, int, str]:
    """Return a key to sort labels that are numbers: by value, also of integers that no float tells apart."""
    is_integer = label.removeprefix("-").isdecimal()
    return (float(label), int(label) if is_integer else 0, label)


def _from_lists(
    frames: Frames, declared: DeclaredNames, config: DataConfig, findings: Findings
) -> tuple[tuple[str, ...], dict[str, NDArray[Any]], Findings]:
    """Return the names of L labels, 1 or 0 for each text and label (N, L) from lists of labels, and the findings."""
    (column,) = config.label_columns
    lists = {
        split: [_labels_in(cell, place, config) for place, cell in cells]
        for split, cells in _cells(frames, column, config).items()
    }
    _check_no_indicators([*chain.from_iterable(lists.values())], config)
    shared = _shared_names(declared, {s: {*chain.from_iterable(lists[s])} for s in lists})
    if shared is None:
        for split, own_names in declared.items():
            lists[split] = _names_in_lists(lists[split], own_names, config)
        counts = Counter(label for sets in lists.values() for labels in sets for label in labels)
        merged, findings = _writings(counts, config, findings)
        lists = {
            split: [[merged.get(label, label) for label in labels] for labels in sets]
            for split, sets in lists.items()
        }
    label_set = {label for sets in lists.values() for labels in sets for label in labels}
    values = _values(label_set, shared)
    if shared is not None:
        _check_indices(label_set, shared, config)
    names = tuple(shared or values)
    _check_names(names, config)
    tables = {}
    index_of = {value: i for i, value in enumerate(values)}
    for split, sets in lists.items():
        tables[split] = np.zeros((len(sets), len(values)), np.int64)
        for row, labels in enumerate(sets):
            tables[split][row, [index_of[label] for label in labels]] = 1
    return names, tables, findings


def _check_no_indicators(lists: Sequence[Sequence[str]], config: DataConfig) -> None:
    """Raise UserError if the lists are rows of 0 and 1, which say for each label whether a text has it."""
    lengths = {*map(len, lists)}
    values = {label.lower() for label in chain.from_iterable(lists)}
    repeats = any(len({*labels}) < len(labels) for labels in lists)
    if len(lengths) == 1 and values <= _INDICATORS.keys() and repeats:
        raise UserError(
            f"{config.source}: every text has {lengths.pop()} values of 0 and 1 in the place of labels. Give the names "
            "of a text's labels as its list, or a column of 0 and 1 for each label: "
            '--set \'data.label_column=["a", "b"]\'.'
        )


def _names_in_lists(
    lists: Sequence[Sequence[str]], names: Sequence[str], config: DataConfig
) -> list[list[str]]:
    """Return lists of the names that have the indices in lists."""
    name_of = _by_index(names)
    _check_indices(chain.from_iterable(lists), names, config)
    return [[name_of[label] for label in labels] for labels in lists]


def _check_indices(labels: Iterable[str], names: Sequence[str], config: DataConfig) -> None:
    """Raise UserError for a label that is no index of a name."""
    if unknown := sorted({*labels} - _by_index(names).keys()):
        raise UserError(
            f"{config.source}: a text has the label {unknown[0]!r}, expected 0 to {len(names) - 1} for "
            f"{join_first(names)}."
        )


def _labels_in(cell: Any, place: str, config: DataConfig) -> list[str]:
    """Return the labels in a cell with a list, or with a text that a separator divides."""
    values = values_in(cell, config.label_separator)
    if values is None and isinstance(cell, str) and len(cell) > MAX_LIST:
        raise UserError(
            f"{place}: the labels have {len(cell):,} characters, expected at most {MAX_LIST:,}. Are the columns right?"
        )
    if values is None:
        raise UserError(
            f"{place}: the labels are {str(cell)[:40]!r}, expected a list. Name the character between labels with "
            '--label-separator, or the columns of 0 and 1 with --set \'data.label_column=["a", "b"]\'.'
        )
    labels = [*map(label_text, values)]
    if faulty := [label for label in labels if not label or len(label) > MAX_LABEL]:
        raise UserError(
            f"{place}: a label is {faulty[0][:40]!r}, expected 1 to {MAX_LABEL} characters. Is --label-column "
            f"{config.label_column} right?"
        )
    return labels


def _check_names(names: Sequence[str], config: DataConfig) -> None:
    column = f"--label-column {config.label_column}"
    if not names:
        raise UserError(f"{config.source}: every list of labels is empty. Is {column} right?")
    if len(names) > MAX_LABELS:
        raise UserError(
            f"{config.source}: there are {len(names):,} labels, expected at most {MAX_LABELS:,}. Is the column right?"
        )
