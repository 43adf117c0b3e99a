"""Splits into training, validation and test: the paper's protocol, the given splits, or a split of all rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.all_rows import (
    in_words,
    split_off_test,
    split_off_validation,
    validation_folds,
)
from qllmft.data.corpus import Corpus, Findings, Table, copies_of, listed
from qllmft.errors import UserError
from qllmft.randomness import numpy_generator
from qllmft.tasks import TASKS

# share drawn of a label with fewer texts than requested; the rest is for the test
FEW_TO_LEARN_FROM = 0.7
OWN_TEST = "the data's own test"  # rule of the split, in words


@dataclass(frozen=True)
class Splits:
    """Disjoint tables. Models are chosen on ``validation``; ``test`` is read once, for the chosen model.

    With folds, ``validation`` is ``train``: each fold validates models that are trained on the others.
    """

    train: Table
    validation: Table
    test: Table
    drawn: Mapping[str, int] = field(default_factory=dict)  # see `Findings.drawn`
    requested: int = 0  # see `Findings.requested`
    rule: str = ""  # of the split, in words
    folds: NDArray[np.int64] | None = None  # (N,) of the training rows; None: no cross-validation

    @property
    def in_words(self) -> str:
        """Return the number of rows of each part, and the rule of the split."""
        parts = {name: len(table) for name, table in self._disjoint.items()}
        validation = (
            f"{parts['validation']:,} for validation"
            if self.folds is None
            else f"which validate in {self.n_folds} folds"
        )
        return (
            f"{sum(parts.values()):,} rows: {parts['train']:,} for training, {validation}, {parts['test']:,} for the "
            f"test ({self.rule})"
        )

    @property
    def n_folds(self) -> int:
        """Return the number of folds that validate, 0 without folds."""
        return 0 if self.folds is None else int(self.folds.max()) + 1

    def of_fold(self, fold: int) -> Splits:
        """Return the splits of a fold: the others train, and it validates."""
        held = self.folds == fold
        train, validation = (self.train.take(np.flatnonzero(rows)) for rows in (~held, held))
        return replace(self, train=train, validation=validation, folds=None)

    @property
    def _disjoint(self) -> dict[str, Table]:
        """Return the tables by split, without a validation that is the training."""
        tables = self.tables
        return tables if self.folds is None else {n: tables[n] for n in ("train", "test")}

    @property
    def sizes(self) -> dict[str, int]:
        """Return the number of texts by split."""
        return {name: len(table) for name, table in self.tables.items()}

    @property
    def tables(self) -> dict[str, Table]:
        """Return the tables by split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def findings(self, corpus: Corpus) -> Findings:
        """Return the findings of reading and splitting ``corpus``, with duplicates counted over the three tables."""
        repeated = corpus.repeated  # computed once for all splits of a corpus
        rows = {
            name: np.array([i for i, text in enumerate(table.items) if text in repeated], np.int64)
            for name, table in self._disjoint.items()
        }
        copies = copies_of(
            {name: table.take(rows[name]) for name, table in self._disjoint.items()}
        ).values()
        return replace(
            corpus.findings,
            repeated_texts=len(copies),
            crossing_texts=sum(len({split for split, _, _ in found}) > 1 for found in copies),
            contradictory_texts=sum(len({label for _, _, label in found}) > 1 for found in copies),
            drawn=self.drawn,
            tested={
                name: int((self.test.labels == corpus.label_names.index(name)).sum())
                for name in self.drawn
            },
            requested=self.requested if self.drawn else 0,
        )


def split_corpus(corpus: Corpus, config: DataConfig, seed: int) -> Splits:
    """Split by the protocol of ``config``.

    ``paper`` (section VII-A): pool everything, draw n texts per label, use 85 % of them for training and 15 % for
    validation, and the rest for the test. ``given``: the corpus' own splits; if there is no validation split, a part of
    training becomes it. ``split``: the corpus' own test split, as ``given``, or a test cut from all rows. If a label
    has fewer than n texts, all of them are drawn, or 70 % in the protocol ``paper`` to leave some for the test.
    """
    random = numpy_generator(seed, "split")
    if config.protocol == "split" and not _keeps_own_test(corpus, config):
        return _split_all(corpus, config, random)
    if not TASKS[config.task].one_label:
        return _split_rows(corpus, config, random)
    if config.protocol == "paper":
        return _split_drawn(corpus, config, random)
    return _split_given(corpus, config, random)


def _keeps_own_test(corpus: Corpus, config: DataConfig) -> bool:
    """Return whether the protocol "split" keeps the test split of the corpus."""
    cut = config.given(("folds", "test_size")) or config.key_column
    return not cut and {"train", "test"} <= corpus.splits.keys()


def _split_drawn(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> Splits:
    """Split texts with one label by the protocol "paper"."""
    pooled = corpus.pooled()
    drawn, few = _draw(pooled, corpus, config, random)
    rest = np.setdiff1d(np.arange(len(pooled)), drawn)
    if not len(rest):
        raise UserError(
            f"{corpus.source}: {config.drawn_per_label} texts per label leave none of {len(pooled)} for the test. "
            "Draw fewer with --per-label, or use --protocol given with splits of your own."
        )
    train, validation = _cut(pooled.take(drawn), config, random)
    rule = f"{config.drawn_per_label} drawn of each label, the rest is the test"
    return Splits(train, validation, pooled.take(rest), few, config.drawn_per_label or 0, rule)


def _split_given(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> Splits:
    """Keep the test split of a corpus whose texts have one label, and its validation split if there is one."""
    _check_splits(corpus)
    train, validation = corpus.splits["train"], corpus.splits.get("validation")
    _check_every_label(train, corpus)
    few: dict[str, int] = {}
    if config.drawn_per_label is not None:
        drawn, few = _draw(train, corpus, config, random)
        train = train.take(drawn)
    if config.validation_folds is not None:
        if validation is not None:
            raise UserError(
                f"{corpus.source} has a validation split, and data.validation_folds is {config.validation_folds}; "
                "leave the setting out, or add the rows of that split to those of train."
            )
        rows = validation_folds(train, corpus, config, random)
        return Splits(
            train, train, corpus.splits["test"], few, config.drawn_per_label or 0, OWN_TEST, rows
        )
    if validation is None and config.protocol == "split":
        train, validation = split_off_validation(train, corpus, config, random)
    elif validation is None:
        train, validation = _cut(train, config, random)
    drawn_per_label = config.drawn_per_label or 0
    return Splits(train, validation, corpus.splits["test"], few, drawn_per_label, OWN_TEST)


def _split_all(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> Splits:
    """Split all rows by the protocol "split"."""
    rest, test = split_off_test(corpus.pooled(), corpus, config, random)
    few: dict[str, int] = {}
    if config.n_per_label is not None:
        one_label = TASKS[config.task].one_label
        rows = random.permutation(len(rest))[: config.n_per_label]
        if one_label:
            rows, few = _draw(rest, corpus, config, random)
        rest = rest.take(np.sort(rows))
    if config.validation_folds is not None:
        fold = validation_folds(rest, corpus, config, random)
        _check_every_label(rest, corpus)
        return Splits(rest, rest, test, few, config.n_per_label or 0, in_words(config), fold)
    train, validation = split_off_validation(rest, corpus, config, random)
    if TASKS[config.task].one_label:
        _check_every_label(train, corpus)
    else:
        _check_not_constant(train, corpus, config)
    return Splits(train, validation, test, few, config.n_per_label or 0, in_words(config))


def _check_splits(corpus: Corpus) -> None:
    if any(name not in corpus.splits for name in ("train", "test")):
        raise UserError(
            f"{corpus.source} has the splits {', '.join(corpus.splits)}; the protocol 'given' needs train and test. "
            "Add the missing file, or use --protocol split, which takes the test from all rows."
        )


def _split_rows(corpus: Corpus, config: DataConfig, random: np.random.Generator) -> Splits:
    """Split texts with real targets or several labels by the same protocols, without regard to them."""
    wanted = config.drawn_per_label
    if config.protocol == "paper":
        pooled, least = corpus.pooled(), 5
        count = min(wanted or 0, int(FEW_TO_LEARN_FROM * len(pooled)))
        rows = random.permutation(len(pooled))
        table, test = pooled.take(rows[:count]), pooled.take(np.sort(rows[count:]))
    else:
        _check_splits(corpus)
        table, test, least = corpus.splits["train"], corpus.splits["test"], 2
        table = table if wanted is None else table.take(random.permutation(len(table))[:wanted])
    given = corpus.splits.get("validation") if config.protocol != "paper" else None
    rows, cut = random.permutation(len(table)), int(config.train_fraction * len(table))
    train, validation = (
        (table, given) if given else (table.take(rows[:cut]), table.take(rows[cut:]))
    )
    if min(len(train), len(validation), len(test)) < least:
        raise UserError(
            f"{corpus.source}: {len(train)} texts to train on, {len(validation)} to validate on, {len(test)} to "
            f"test are too few; expected at least {least} each. Add texts, or change --per-label and "
            "data.train_fraction."
        )
    _check_not_constant(train, corpus, config)
    drawn = f"{count} drawn by chance, the rest is the test" if config.protocol == "paper" else ""
    return Splits(train, validation, test, rule=drawn or OWN_TEST)


def _check_not_constant(train: Table, corpus: Corpus, config: DataConfig) -> None:
    """Raise UserError if a target or a label is the same in all training texts."""
    constant = [i for i, _ in enumerate(corpus.label_names) if not np.ptp(train.labels[:, i])]
    if not constant:
        return
    name = corpus.label_names[constant[0]]
    if TASKS[config.task].real:
        raise UserError(
            f"{corpus.source}: the target {name!r} has one value in all training texts, so there is nothing to learn. "
            "Is --label-column right?"
        )
    every = bool(train.labels[0, constant[0]])
    others = sum(
        int((table.labels[:, constant[0]] != every).sum()) for table in corpus.splits.values()
    )
    of_label = (
        f"{'all' if every else 'none'} of the {len(train):,} training texts have the label {name!r}"
    )
    of_others = f"{others:,} of the other texts {'do not have it' if every else 'have it'}"
    raise UserError(
        f"{corpus.source}: {of_label}, and {of_others}, so it cannot be learned. Train on more texts with --per-label, "
        "or leave the label out."
    )


def _draw(
    table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Return rows of n texts per label, and their number by name for labels that have fewer."""
    wanted = config.drawn_per_label or 0
    counts = np.bincount(table.labels, minlength=corpus.n_classes)
    once = [
        f"{name!r}" for name, count in zip(corpus.label_names, counts, strict=True) if count < 2
    ]
    if once and config.protocol == "paper":
        raise UserError(
            f"{corpus.source}: there is no second text of the label {listed(once, len(once), ', ')}; a label needs one "
            "to train on and one to validate on. Add texts of it, or leave its rows out."
        )
    rows, few = [], {}
    for label, name in enumerate(corpus.label_names):
        of_label = np.flatnonzero(table.labels == label)
        size = wanted
        if len(of_label) < wanted:
            size = (
                max(2, int(FEW_TO_LEARN_FROM * len(of_label)))
                if config.protocol == "paper"
                else len(of_label)
            )
            few[name] = size
        rows.append(random.choice(of_label, size, replace=False))
    return np.concatenate(rows), few


def _check_every_label(train: Table, corpus: Corpus) -> None:
    """Raise UserError if a label is in other splits only, so that it cannot be learned."""
    unseen = [
        name for label, name in enumerate(corpus.label_names) if not (train.labels == label).any()
    ]
    if unseen:
        raise UserError(
            f"{corpus.source}: no text for training has the label {', '.join(unseen)}. Add such texts, or split the "
            "rows another way (--protocol, --group, --time)."
        )


def _cut(table: Table, config: DataConfig, random: np.random.Generator) -> tuple[Table, Table]:
    """Return training and validation, with the labels in equal proportions."""
    from sklearn.model_selection import train_test_split

    n_train = int(config.train_fraction * len(table))
    n_classes = len(np.unique(table.labels))
    if (np.bincount(table.labels) == 1).any() and config.drawn_per_label != 1:
        raise UserError(
            "a label has a single text, which cannot be in both training and validation. Add texts of that label, or a "
            "validation file."
        )
    if n_train < n_classes or len(table) - n_train < n_classes:
        halves = (
            ", or cut them in halves: --set data.train_fraction=0.5"
            if len(table) >= 2 * n_classes
            else ""
        )
        raise UserError(
            f"{len(table)} texts cut at {config.train_fraction:g} give {n_train} for training and "
            f"{len(table) - n_train} for validation; each needs at least one of the {n_classes} labels. "
            f"Take more texts with --per-label{halves}."
        )
    train, validation = train_test_split(
        np.arange(len(table)),
        train_size=n_train,
        stratify=table.labels,
        random_state=int(random.integers(2**31)),
    )
    return table.take(train), table.take(validation)
