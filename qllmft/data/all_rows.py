"""Split of all rows of a table: with equal shares of each label, by group, by time, or fold by fold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.corpus import Corpus, Table, join_first
from qllmft.data.rare_labels import REMEDY, counts_to_divide
from qllmft.data.stratification import labels_in_one_fold, stratify, stratify_folds
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

Rows = NDArray[np.int64]

N_PARTS = 3  # training, validation, test; each has a text of each label


def split_off_test(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator
) -> tuple[Table, Table]:
    """Return all rows but those of the test, and the test.

    Args:
        table: all rows.
        corpus: their source and the names of the labels.
        config: share of the test, or folds and the fold that is the test; column of groups or times.
        random: draws the test, the same folds for each fold.

    Raises:
        UserError: if there are too few rows of a label or groups, or a part is empty.
    """
    if config.folds is not None:
        if config.fold is None:
            raise UserError(
                f"data.folds is {config.folds} and data.fold is not given, expected 0 to {config.folds - 1}. "
                "`qllmft train --folds` trains on all of them."
            )
        held_out = assign_folds(table, corpus, config, random, config.folds) == config.fold
    else:
        held_out = _hold_out_rows(table, corpus, config, random, config.test_size, N_PARTS)
    return _divide_rows(table, corpus, held_out, "the test")


def split_off_validation(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator
) -> tuple[Table, Table]:
    """Return training and validation, by the same rule as `split_off_test`.

    Args:
        table: rows without those of the test.
        corpus: names of the labels, and the source for messages.
        config: share of the training in these rows; column of groups or times. Folds are not read.
        random: draws rows or groups; times draw nothing.

    Raises:
        UserError: if there are too few rows of a label or groups, or a part is empty.
    """
    held_out = _hold_out_rows(
        table, corpus, config, random, 1.0 - config.train_fraction, N_PARTS - 1
    )
    return _divide_rows(table, corpus, held_out, "validation")


def _divide_rows(
    table: Table, corpus: Corpus, held_out: NDArray[np.bool_], purpose: str
) -> tuple[Table, Table]:
    """Return the rows that are not held out, and those that are for a purpose."""
    train = table.take(np.flatnonzero(~held_out))
    held_out_table = table.take(np.flatnonzero(held_out))
    if not len(train) or not len(held_out_table):
        raise UserError(
            f"{corpus.source}: {len(table)} rows leave {len(train)} for training and {len(held_out_table)} for "
            f"{purpose}. Add rows, or change --test-size or data.train_fraction."
        )
    return train, held_out_table


def _hold_out_rows(
    table: Table,
    corpus: Corpus,
    config: DataConfig,
    random: np.random.Generator,
    share: float,
    parts: int,
) -> NDArray[np.bool_]:
    """Return whether each row is held out (N,), about ``share`` of them.

    Args:
        table: N rows.
        corpus: for messages.
        config: columns of groups or times.
        random: draws rows or groups.
        share: of the rows that are held out.
        parts: number of parts that need a row of each label.
    """
    if config.time_column is not None:
        assert table.keys is not None
        times = np.sort(table.keys)  # rows of one time are in one part
        first = times[min(len(times) - 1, int((1.0 - share) * len(times)))]
        return np.asarray(table.keys >= first)
    if config.group_column is not None:
        assert table.keys is not None
        groups = len(np.unique(table.keys))
        fold = assign_folds(table, corpus, config, random, max(2, min(groups, round(1.0 / share))))
        return np.asarray(fold == np.abs(np.bincount(fold) / len(fold) - share).argmin())
    held_out = np.zeros(len(table), bool)
    for rows in _by_label(table, corpus, config, parts):
        held_out[random.permutation(rows)[: max(1, round(share * len(rows)))]] = True
    return hold_out_stratified(table, corpus, config, random, held_out)


def hold_out_stratified(
    table: Table,
    corpus: Corpus,
    config: DataConfig,
    random: np.random.Generator,
    held_out: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the rows to hold out (N,): as they were drawn, or stratified if a label of several would not train.

    Args:
        table: N rows, which do not all train.
        corpus: names of the labels, and the source for messages.
        config: the task.
        random: draws rows to hold out.
        held_out: whether each row was drawn.

    Raises:
        UserError: if a label has one text, which was drawn.
    """
    y = table.labels
    if not TASKS[config.task].several or not len(y):
        return held_out
    missing = np.asarray(y.any(axis=0) & ~y[~held_out].any(axis=0))
    if not missing.any():
        return held_out
    _check_single_texts(missing, corpus, config)
    share = float(held_out.mean())
    # training is the first part, which has a text of each label
    parts = stratify(y, (1.0 - share, share), random)
    return np.asarray(parts == 1)


def _check_single_texts(missing: NDArray[np.bool_], corpus: Corpus, config: DataConfig) -> None:
    """Raise UserError with all labels of one text if such a text was drawn to be held out.

    If rare labels train, a label of one text here has others among the rows of those labels.
    """
    counts = counts_to_divide(corpus, config)
    if config.rare_labels == "train" or not (missing & (counts == 1)).any():
        return
    names = [repr(corpus.label_names[label]) for label in np.flatnonzero(counts == 1).tolist()]
    has = "has" if len(names) == 1 else "have"
    raise UserError(
        f"{corpus.source}: {format_count(len(names), 'label')} {has} one text alone: {join_first(names)}. Without it "
        f"in training, none can be learned. Add texts, or use {REMEDY}"
    )


def _by_label(table: Table, corpus: Corpus, config: DataConfig, least: int) -> Iterator[Rows]:
    """Yield the rows of each label, or all rows if a text has not one label, or raise UserError if there are few."""
    if not TASKS[config.task].one_label:
        yield np.arange(len(table))
        return
    label_rows = [np.flatnonzero(table.labels == label) for label in range(corpus.n_classes)]
    sizes = [(name, len(rows)) for name, rows in zip(corpus.learned_names, label_rows, strict=True)]
    if few := [f"{name!r} {size}" for name, size in sizes if 0 < size < least]:
        raise UserError(
            f"{corpus.source}: each label needs {least} texts or more, one for each part or fold. There are fewer of "
            f"{join_first(few)}{_where_text(table, corpus)}. {_few_texts_remedy(config)}"
            f"{corpus.findings.label_remedy}"
        )
    yield from (rows for rows in label_rows if len(rows))


def _few_texts_remedy(config: DataConfig) -> str:
    """Return what to do if a label has too few texts."""
    remedies = ["Add texts"]
    if config.folds is not None or config.validation_folds is not None:
        remedies.append("use fewer folds")
    if config.n_per_label is not None:
        return f"{', '.join(remedies)}, raise --per-label, or leave the rows of these labels out."
    return f"{', '.join(remedies)}, or use {REMEDY}"


def _where_text(table: Table, corpus: Corpus) -> str:
    """Return the rows that a count is of, or "" for all of the corpus."""
    total = sum(map(len, corpus.splits.values()))
    return " in the rows that are not the test" if len(table) < total else ""


def assign_folds(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator, count: int
) -> NDArray[np.int64]:
    """Return the fold (N,) of each row, with equal shares of labels if a text has one.

    Args:
        table: N rows.
        corpus: names of the labels, and the source for messages.
        config: column of groups; its numbers of folds are not read.
        random: draws the folds.
        count: number of folds.

    Raises:
        UserError: if a label has fewer rows than folds, or there are fewer groups.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    fold = np.zeros(len(table), np.int64)
    if config.group_column is None:
        for rows in _by_label(table, corpus, config, count):
            first = int(random.integers(count))
            fold[random.permutation(rows)] = (first + np.arange(len(rows))) % count
        return _stratify_folds(fold, table, corpus, config, random, count)
    assert table.keys is not None
    if (groups := len(np.unique(table.keys))) < count:
        raise UserError(
            f"{corpus.source}: the column {config.group_column!r} has {format_count(groups, 'value')}"
            f"{_where_text(table, corpus)}, and the split needs {count} or more. Choose another column with --group, "
            "or leave it out."
        )
    shuffled: dict[str, Any] = {"shuffle": True, "random_state": int(random.integers(2**31))}
    kinds = [GroupKFold]
    if TASKS[config.task].one_label and np.bincount(table.labels).max() >= count:
        kinds = [StratifiedGroupKFold, GroupKFold]  # the first may leave a fold without a group
    for kind in kinds:
        parts = kind(count, **shuffled).split(table.labels, table.labels, table.keys)
        for i, (_, rows) in enumerate(parts):
            fold[rows] = i
        if len(np.unique(fold)) == count:
            break
    return fold


def _stratify_folds(
    fold: Rows,
    table: Table,
    corpus: Corpus,
    config: DataConfig,
    random: np.random.Generator,
    count: int,
) -> Rows:
    """Return the folds (N,) as they were drawn, or stratified if a label of several is in one fold alone.

    Args:
        fold: of each row, as drawn.
        table: N rows.
        corpus: names of the labels, and the source for messages.
        config: the task.
        random: draws other folds.
        count: number of folds.

    Raises:
        UserError: if a label has one text.
    """
    y = table.labels
    if not TASKS[config.task].several:
        return fold
    alone = labels_in_one_fold(y, fold, count)
    if not alone.any():
        return fold
    _check_single_texts(alone, corpus, config)
    return stratify_folds(y, count, random)
