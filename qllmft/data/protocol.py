"""Splits into training, validation and test: the paper's protocol, the given splits, or a split of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.all_rows import (
    Rows,
    assign_folds,
    hold_out_stratified,
    split_off_test,
    split_off_validation,
)
from qllmft.data.corpus import Corpus, Table, concatenate, join_first
from qllmft.data.rare_labels import REMEDY, keeps_test, set_rare_rows_apart
from qllmft.data.splits import Splits
from qllmft.data.weights import describe_weights, leave_out_zeros, without_zeros
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_base.randomness import numpy_generator

# share drawn of a label with fewer texts than requested; the rest is for the test
RARE_LABEL_SHARE = 0.7
# least range of the training targets; the square of a smaller one is 0 in float64
MIN_TARGET_RANGE = 1e-100
OWN_TEST = "the data's own test"  # rule of a split that draws no test


def split_corpus(corpus: Corpus, config: DataConfig, seed: int) -> Splits:
    """Split by the protocol of ``config``, as `_divide` does; rows of rare labels that only train are set apart."""
    divided, rare_rows = set_rare_rows_apart(corpus, config)
    splits = _divide(divided, config, seed, rare_rows)
    divides_all_rows = _splits_all_rows(corpus, config)
    if not TASKS[config.task].one_label:
        least = 1 if divides_all_rows else 5 if config.protocol == "paper" else 2
        _check_rows((splits.train, splits.validation, splits.test), corpus, config, least)
    elif divides_all_rows or config.weight_column is not None:
        _check_every_label(splits.train, corpus, config)
    return splits


@dataclass(frozen=True)
class _Parts:
    """Texts of a corpus before any of them are left out or set apart.

    Attributes:
        learning: texts that train, and those that validate unless they are a part of their own.
        validation: texts that validate; None if ``learning`` has them.
        test: texts that test.
        rare_counts: drawn texts by label, of labels with fewer than requested.
        rule: of the split, in words.
    """

    learning: Table
    validation: Table | None
    test: Table
    rare_counts: Mapping[str, int]
    rule: str


def _divide(corpus: Corpus, config: DataConfig, seed: int, rare_rows: Table | None) -> Splits:
    """Split by the protocol of ``config``, and add ``rare_rows`` to the training texts.

    ``paper`` (section VII-A): pool everything, draw n texts per label, use 85 % of them for training and 15 % for
    validation, and the rest for the test. ``given``: the corpus' own splits; if there is no validation split, a part of
    training becomes it. ``split``: the corpus' own test split, as ``given``, or a test cut from all rows. If a label
    has fewer than n texts, all of them are drawn, or 70 % in the protocol ``paper`` to leave some for the test. Real
    targets and several labels are drawn by chance, n in all.
    """
    random = numpy_generator(seed, "split")
    if TASKS[config.task].one_label:
        _check_two_labels(corpus)
    elif config.has_lists:
        _check_no_single_label(corpus, config)
    parts = _take_parts(corpus, config, random)
    learning = parts.learning
    calibration = None
    if config.known_texts is not None:
        learning, calibration = _set_calibration_apart(learning, corpus, config.known_texts, seed)
    learning, validation = _take_validation(learning, parts.validation, corpus, config, random)
    train = leave_out_zeros(learning, corpus, config)
    folds = None
    if validation is None:
        validation = train
        folds = assign_folds(train, corpus, config, random, config.validation_folds or 0)
    n_left_out = len(learning) - len(train)
    rule = parts.rule
    if rare_rows is not None:
        with_weight = without_zeros(rare_rows)
        n_left_out += len(rare_rows) - len(with_weight)
        train = concatenate([train, with_weight])
        rule += ", rare labels in training"
    return Splits(
        train,
        validation,
        parts.test,
        parts.rare_counts,
        config.drawn_per_label or 0,
        rule,
        folds,
        calibration,
        weights=describe_weights(train, n_left_out),
    )


def _splits_all_rows(corpus: Corpus, config: DataConfig) -> bool:
    """Return whether all rows are split, the test too."""
    return config.protocol == "split" and not keeps_test(corpus, config)


def _take_parts(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> _Parts:
    """Return the parts of a corpus by the protocol of ``config``, with the texts per label that it draws."""
    if config.protocol == "paper":
        return _draw_for_paper(corpus, config, random)
    rare_counts: Mapping[str, int] = {}
    if not _splits_all_rows(corpus, config):
        learning, validation, test = _take_given_splits(corpus, config)
        if config.drawn_per_label is not None:
            rows, rare_counts, _ = _draw(learning, corpus, config, random)
            learning = learning.take(rows)
        return _Parts(learning, validation, test, rare_counts, OWN_TEST)
    learning, test = split_off_test(corpus.join_splits(), corpus, config, random)
    if config.n_per_label is not None:
        if TASKS[config.task].one_label:  # the draws after it depend on it
            random.permutation(len(learning))
        rows, rare_counts, _ = _draw(learning, corpus, config, random)
        learning = learning.take(np.sort(rows))
    rule = _describe_test_rows(config)
    if len(corpus.splits) > 1:
        rule += f", from the splits {', '.join(corpus.splits)} together"
    return _Parts(learning, None, test, rare_counts, rule)


def _take_validation(
    learning: Table,
    validation: Table | None,
    corpus: Corpus,
    config: DataConfig,
    random: np.random.Generator,
) -> tuple[Table, Table | None]:
    """Return the texts that train and those that validate, which are cut from the first unless they are given.

    With validation folds there are no texts that only validate.
    """
    if config.validation_folds is not None:
        if validation is not None:
            raise UserError(
                f"{corpus.source} has a validation split, and data.validation_folds is {config.validation_folds}. "
                "Leave the setting out, or add the rows of that split to those of train."
            )
        return learning, None
    if validation is not None:
        return learning, validation
    if _splits_all_rows(corpus, config) or (
        config.protocol == "split" and TASKS[config.task].one_label
    ):
        return split_off_validation(learning, corpus, config, random)
    return _cut(learning, corpus, config, random)


def _describe_test_rows(config: DataConfig) -> str:
    """Return which of all rows are the test: ``random 20 %, stratified by label``."""
    share = f"{100 * config.test_size:g} %"
    if config.folds is not None:
        share = f"fold {(config.fold or 0) + 1} of {config.folds}"
    if config.time_column is not None:
        return f"latest {share} by {config.time_column!r}"
    if config.group_column is not None:
        return f"random {share}, each {config.group_column!r} in one part"
    if TASKS[config.task].one_label:
        return f"random {share}, stratified by label"
    return f"random {share}"


def _check_two_labels(corpus: Corpus) -> None:
    """Raise UserError if all texts have the same label."""
    present = np.flatnonzero(np.bincount(corpus.join_splits().labels, minlength=corpus.n_classes))
    if len(present) < 2:
        raise UserError(
            f"{corpus.source}: every text has the label {corpus.label_names[present[0]]!r}. A classifier needs two "
            "labels or more. Is --label-column right?"
        )


def _check_no_single_label(corpus: Corpus, config: DataConfig) -> None:
    """Raise UserError if lists of labels have one label in all."""
    if corpus.n_classes > 1:
        return
    options = f"--label-column {config.label_column}"
    if config.label_separator is not None:
        options += f" and --label-separator {config.label_separator!r}"
    raise UserError(
        f"{corpus.source}: {corpus.label_names[0]!r} is the only label, expected two or more. Is {options} right? For "
        "texts with it or without it, omit --task and give a column with two values."
    )


def _check_ranges_of_targets(ranges: NDArray[np.float64], corpus: Corpus) -> None:
    """Raise UserError if a target has one value in all training texts, or values that have no variance in float64."""
    for name, width in zip(corpus.label_names, ranges.tolist(), strict=True):
        if width == 0.0:
            raise UserError(
                f"{corpus.source}: the target {name!r} has one value in all training texts, so there is nothing to "
                "learn. Is --label-column right?"
            )
        if width < MIN_TARGET_RANGE:
            raise UserError(
                f"{corpus.source}: the values of the target {name!r} lie within {width:.1e}, expected "
                f"{MIN_TARGET_RANGE:g} or more. Use another unit."
            )


def _set_calibration_apart(
    table: Table, corpus: Corpus, count: int, seed: int
) -> tuple[Table, Table]:
    """Return the texts that train and validate, and the calibration texts, which are drawn by chance."""
    if 2 * count > len(table):
        raise UserError(
            f"{corpus.source}: data.known_texts is {count}, and there are {len(table)} texts to train and validate on, "
            "expected at most half of them. Take more texts with --per-label, or keep fewer apart."
        )
    rows = numpy_generator(seed, "known texts").permutation(len(table))
    calibration_rows, other_rows = (np.sort(part) for part in np.split(rows, [count]))
    return table.take(other_rows), table.take(calibration_rows)


def _draw_for_paper(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> _Parts:
    """Return the texts that the paper's protocol draws, and the other texts, which test."""
    pooled = corpus.join_splits()
    drawn_rows, rare_counts, rule = _draw(pooled, corpus, config, random)
    test_rows = np.setdiff1d(np.arange(len(pooled)), drawn_rows)
    if not len(test_rows) and TASKS[config.task].one_label:
        raise UserError(
            f"{corpus.source}: {config.drawn_per_label} texts per label leave none of {len(pooled)} for the test. "
            "Draw fewer with --per-label, or use --protocol given with splits of your own."
        )
    return _Parts(pooled.take(drawn_rows), None, pooled.take(test_rows), rare_counts, rule)


def _take_given_splits(corpus: Corpus, config: DataConfig) -> tuple[Table, Table | None, Table]:
    """Return the corpus' own splits: training, validation if there is one, and test."""
    splits = corpus.splits
    if not {"train", "test"} <= splits.keys():
        raise UserError(
            f"{corpus.source} has the splits {', '.join(splits)}. The protocol 'given' needs train and test. Add the "
            "missing file, or use --protocol split, which takes the test from all rows."
        )
    if TASKS[config.task].one_label and config.rare_labels != "train":
        _check_every_label(splits["train"], corpus, config)
    return splits["train"], splits.get("validation"), splits["test"]


def _draw(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator
) -> tuple[Rows, dict[str, int], str]:
    """Return the drawn rows, their number by name for labels that have fewer than requested, and the rule in words."""
    n_requested = config.drawn_per_label or 0
    paper = config.protocol == "paper"
    if not TASKS[config.task].one_label:
        count = min(n_requested, int(RARE_LABEL_SHARE * len(table))) if paper else n_requested
        drawn_rows = random.permutation(len(table))[:count]
        return drawn_rows, {}, f"all but {count:,} random texts"
    counts = np.bincount(table.labels, minlength=corpus.n_classes)
    least = 1 if config.rare_labels == "train" else 0  # rare labels have their rows apart
    single_text_labels = [
        f"{name!r}" for name, n in zip(corpus.learned_names, counts, strict=True) if least <= n < 2
    ]
    if single_text_labels and paper:
        raise UserError(
            f"{corpus.source}: there is no second text of the label {join_first(single_text_labels)}. A label needs "
            f"one to train on and one to validate on. Add texts of it, or use {REMEDY}"
            f"{corpus.findings.label_remedy}"
        )
    rows = []
    rare_counts = {}
    for label, name in enumerate(corpus.learned_names):
        label_rows = np.flatnonzero(table.labels == label)
        if not len(label_rows):
            continue
        size = n_requested
        if len(label_rows) < n_requested:
            part = max(2, int(RARE_LABEL_SHARE * len(label_rows)))
            size = rare_counts[name] = part if paper else len(label_rows)
        rows.append(random.choice(label_rows, size, replace=False))
    return (
        np.concatenate(rows),
        rare_counts,
        f"all but {n_requested:,} random texts per label",
    )


def _cut(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator
) -> tuple[Table, Table]:
    """Return training and validation, with the labels in equal proportions if a text has one."""
    n_train = int(config.train_fraction * len(table))
    if not TASKS[config.task].one_label:
        rows = random.permutation(len(table))
        drawn = np.zeros(len(table), bool)
        drawn[rows[n_train:]] = True
        held_out = hold_out_stratified(table, corpus, config, random, drawn)
        if held_out is drawn:
            return table.take(rows[:n_train]), table.take(rows[n_train:])
        return table.take(np.flatnonzero(~held_out)), table.take(np.flatnonzero(held_out))
    from sklearn.model_selection import train_test_split

    n_classes = len(np.unique(table.labels))
    if (np.bincount(table.labels) == 1).any() and config.drawn_per_label != 1:
        raise UserError(
            f"{corpus.source}: a label has a single text, which cannot be in both training and validation. Add texts "
            f"of that label, a validation file, or use {REMEDY}{corpus.findings.label_remedy}"
        )
    if n_train < n_classes or len(table) - n_train < n_classes:
        halves = ", or cut them in halves: --set data.train_fraction=0.5"
        raise UserError(
            f"{corpus.source}: {len(table)} texts cut at {config.train_fraction:g} give {n_train} for training and "
            f"{len(table) - n_train} for validation. Each needs at least one of the {n_classes} labels. "
            f"Take more texts with --per-label{halves * (len(table) >= 2 * n_classes)}."
        )
    cut: dict[str, Any] = {"train_size": n_train, "random_state": int(random.integers(2**31))}
    train, validation = train_test_split(np.arange(len(table)), stratify=table.labels, **cut)
    return table.take(train), table.take(validation)


def _check_rows(
    parts: tuple[Table, Table, Table], corpus: Corpus, config: DataConfig, least: int
) -> None:
    """Raise UserError if a part has fewer than ``least`` rows, or a target or label is the same in all of training."""
    train, validation, test = map(len, parts)
    if min(train, validation, test) < least:
        raise UserError(
            f"{corpus.source}: {train} texts to train on, {validation} to validate on, {test} to test are too few, "
            f"expected at least {least} each. Add texts, or change --per-label and data.train_fraction."
        )
    labels = parts[0].labels
    ranges = np.ptp(labels, axis=0)
    if TASKS[config.task].real:
        _check_ranges_of_targets(ranges, corpus)
        return
    constant = np.flatnonzero(ranges == 0)
    if not len(constant):
        return
    name = corpus.label_names[constant[0]]
    all_have_label = bool(labels[0, constant[0]])
    columns = (table.labels[:, constant[0]] for table in corpus.splits.values())
    n_other_texts = sum(int((column != all_have_label).sum()) for column in columns)
    raise UserError(
        f"{corpus.source}: {'all' if all_have_label else 'none'} of the {train:,} training texts have the label "
        f"{name!r}, and {n_other_texts:,} of the other texts {'do not have it' if all_have_label else 'have it'}, so "
        "it cannot be learned. Train on more texts (--per-label, --protocol split), or leave the label out."
    )


def _check_every_label(train: Table, corpus: Corpus, config: DataConfig) -> None:
    """Raise UserError if a label is in other splits only, so that it cannot be learned."""
    counts = np.bincount(train.labels, minlength=corpus.n_classes)
    if unseen := [
        name for name, count in zip(corpus.learned_names, counts, strict=True) if not count
    ]:
        rare = f" Or use {REMEDY}" if keeps_test(corpus, config) else ""
        raise UserError(
            f"{corpus.source}: no text for training has the label {join_first(unseen)}. Add such texts, or split the "
            f"rows another way (--protocol, --group, --time).{rare}{corpus.findings.label_remedy}"
        )
