"""Labels with too few texts for every part of a split: kept in training, merged into one label, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.corpus import Corpus, Table, concatenate, join_first
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

OTHER = "other"  # label that the rare ones become
# end of a sentence after "use"
REMEDY = (
    "--rare-labels: train keeps their rows in training, other merges them, drop leaves them out."
)


def keeps_test(corpus: Corpus, config: DataConfig) -> bool:
    """Return whether the test is a split that the data have, so that no row of it may train."""
    if config.protocol != "split":
        return config.protocol == "given"
    has_test = {"train", "test"} <= corpus.splits.keys() and not config.key_column
    return has_test and not config.non_default_names(("folds", "test_size"))


def least_texts(corpus: Corpus, config: DataConfig) -> int:
    """Return the number of texts that a label needs to be in each part that is divided.

    >>> data = Corpus("made", ("a", "b"), {"all": Table(["x"], np.array([0]))})
    >>> [least_texts(data, DataConfig(protocol="split", folds=folds)) for folds in (None, 2, 5)]
    [3, 4, 5]
    """
    if keeps_test(corpus, config) and "validation" in corpus.splits:
        return 1
    count = 1
    while not _reaches_every_part(count, corpus, config):
        count += 1
    return count


def _reaches_every_part(count: int, corpus: Corpus, config: DataConfig) -> bool:
    """Return whether so many texts of a label suffice for a test, unless it is given, and for a validation."""
    if config.protocol == "paper":
        return count > 1
    left = count
    if not keeps_test(corpus, config):
        if config.folds is not None:
            if count < config.folds:
                return False
            left -= -(-count // config.folds)
        else:
            left -= max(1, round(config.test_size * count))
    if config.validation_folds is not None:
        return left >= config.validation_folds
    return left > max(1, round((1.0 - config.train_fraction) * left))


def apply_rare_labels(corpus: Corpus, config: DataConfig) -> Corpus:
    """Return the corpus with its rare labels treated as ``data.rare_labels`` says, and a finding that counts them.

    With ``train`` the texts stay, and labels that only a given test has stand last among the names.

    Raises:
        UserError: if no label or no text is left, or the rare ones together are rare.
    """
    if config.rare_labels == "error":
        return corpus
    least = least_texts(corpus, config)
    rare = counts_to_divide(corpus, config) < least
    if config.rare_labels == "train":
        return _name_training_labels(corpus, config)
    if not rare.any():
        return corpus
    if (~rare).sum() + (config.rare_labels == OTHER) < 2:
        raise UserError(
            f"{corpus.source}: {format_count(int((~rare).sum()), 'label')} of {len(rare):,} has {least} texts or more, "
            "expected two such labels. Is --label-column right?"
        )
    if config.rare_labels == "drop":
        return _without_labels(corpus, rare, config)
    return _with_other(corpus, rare, config)


def set_rare_rows_apart(corpus: Corpus, config: DataConfig) -> tuple[Corpus, Table | None]:
    """Return the corpus without the rows of rare labels that only train, and these rows; None if there are none."""
    if config.rare_labels != "train":
        return corpus, None
    rare = counts_to_divide(corpus, config) < least_texts(corpus, config)
    divided = _divided_splits(corpus, config)
    apart = []
    splits = {}
    for name, table in corpus.splits.items():
        is_apart = _has_any(table, rare) if name in divided else np.zeros(len(table), bool)
        apart.append(table.take(np.flatnonzero(is_apart)))
        splits[name] = table.take(np.flatnonzero(~is_apart))
    rows = concatenate(apart, keeps_rows=corpus.is_one_table)
    return replace(corpus, splits=splits), rows if len(rows) else None


def _divided_splits(corpus: Corpus, config: DataConfig) -> tuple[str, ...]:
    """Return the names of the splits whose rows are divided, or that train as they are."""
    return ("train",) if keeps_test(corpus, config) else tuple(corpus.splits)


def counts_to_divide(corpus: Corpus, config: DataConfig) -> NDArray[np.int64]:
    """Return the number of texts of each label (L,) in the rows that are divided."""
    return _counts([corpus.splits[name] for name in _divided_splits(corpus, config)], corpus)


def _counts(tables: Sequence[Table], corpus: Corpus) -> NDArray[np.int64]:
    """Return the number of texts of each label (L,) in tables."""
    size = len(corpus.label_names)
    total = np.zeros(size, np.int64)
    for table in tables:
        y = table.labels
        total += np.bincount(y, minlength=size) if y.ndim == 1 else y.sum(axis=0)
    return total


def _has_any(table: Table, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return whether each row (N,) has one of the labels that are chosen (L,)."""
    if table.labels.ndim == 1:
        return np.asarray(chosen[table.labels])
    return np.asarray((table.labels[:, chosen] == 1).any(axis=1))


def _name_training_labels(corpus: Corpus, config: DataConfig) -> Corpus:
    """Return the corpus with a finding about its rare labels; those that only the test has are last, or left out."""
    sentences = []
    counts = counts_to_divide(corpus, config)
    rare = (counts > 0) & (counts < least_texts(corpus, config))
    if rare.any():
        tables = [corpus.splits[name] for name in _divided_splits(corpus, config)]
        rows = sum(int(_has_any(table, rare).sum()) for table in tables)
        sentences.append(
            f"{_few(corpus, rare, config)} {_their_rows(rare, rows)} for training alone."
        )
    unseen = counts == 0
    if unseen.any():
        held = [t for name, t in corpus.splits.items() if name in ("validation", "test")]
        sentences.append(_describe_unseen(corpus, _counts(held, corpus), unseen))
        several = TASKS[config.task].several
        corpus = _without_columns(corpus, unseen) if several else _unseen_last(corpus, unseen)
    findings = replace(corpus.findings, rare_labels=" ".join(sentences))
    return replace(corpus, findings=findings)


def _describe_unseen(corpus: Corpus, counts: NDArray[np.int64], unseen: NDArray[np.bool_]) -> str:
    """Return what becomes of labels that no text for training has."""
    rows = format_count(int(counts[unseen].sum()), "text", ("counts", "count"))
    what = f"{_listed(corpus, counts, unseen)}: no text for training has"
    them = "it" if unseen.sum() == 1 else "them"
    if next(iter(corpus.splits.values())).labels.ndim > 1:
        return f"{what} {them}, and no score counts {them}."
    return f"{what} {them}. {rows} as missed."


def _unseen_last(corpus: Corpus, unseen: NDArray[np.bool_]) -> Corpus:
    """Return the corpus with the labels that no model can learn last among the names."""
    order = np.argsort(unseen, kind="stable")
    place = np.argsort(order)
    splits = {
        name: replace(table, labels=place[table.labels]) for name, table in corpus.splits.items()
    }
    names = tuple(corpus.label_names[label] for label in order.tolist())
    return replace(corpus, label_names=names, splits=splits, n_unseen=int(unseen.sum()))


def _without_columns(corpus: Corpus, left_out: NDArray[np.bool_]) -> Corpus:
    """Return texts with several labels without some of the labels."""
    splits = {
        name: replace(table, labels=table.labels[:, ~left_out].copy())
        for name, table in corpus.splits.items()
    }
    return replace(corpus, label_names=_kept_names(corpus, ~left_out), splits=splits)


def _without_labels(corpus: Corpus, rare: NDArray[np.bool_], config: DataConfig) -> Corpus:
    """Return the corpus without rare labels, and without the texts that have no other label."""
    several = next(iter(corpus.splits.values())).labels.ndim > 1
    splits = {}
    for name, table in corpus.splits.items():
        rows = ~_has_any(table, rare)
        if several:
            rows |= _has_any(table, ~rare)
        if not rows.any():
            raise UserError(
                f"{corpus.source}, split {name!r}: all of its texts have rare labels. Choose --rare-labels train."
            )
        kept = table.take(np.flatnonzero(rows))
        new_labels = kept.labels[:, ~rare] if several else (np.cumsum(~rare) - 1)[kept.labels]
        splits[name] = replace(kept, labels=new_labels.copy())
    n_rows = sum(map(len, corpus.splits.values())) - sum(map(len, splits.values()))
    taken = f"{_their_rows(rare, n_rows)} left out."
    if several:
        no_other = format_count(n_rows, "text", ("has no other and is", "have no other and are"))
        taken = f"The labels are left out. {no_other} left out."
    sentence = f"{_few(corpus, rare, config)} {taken}"
    findings = replace(corpus.findings, rare_labels=sentence)
    names = _kept_names(corpus, ~rare)
    return replace(corpus, label_names=names, splits=splits, findings=findings)


def _with_other(corpus: Corpus, rare: NDArray[np.bool_], config: DataConfig) -> Corpus:
    """Return the corpus with one label in the place of all rare ones."""
    few = _few(corpus, rare, config)
    merged = rare | np.array([name == OTHER for name in corpus.label_names])
    names = (*_kept_names(corpus, ~merged), OTHER)
    place = np.where(merged, len(names) - 1, np.cumsum(~merged) - 1)
    splits = {}
    for name, table in corpus.splits.items():
        if table.labels.ndim == 1:
            new_labels = place[table.labels]
        else:
            is_other = _has_any(table, merged).astype(np.int64)
            new_labels = np.column_stack([table.labels[:, ~merged], is_other])
        splits[name] = replace(table, labels=new_labels)
    changed = replace(corpus, label_names=names, splits=splits)
    together = int(counts_to_divide(changed, config)[-1])
    if together < least_texts(corpus, config):
        raise UserError(
            f"{corpus.source}: {few} Together they have {together:,}, and {OTHER!r} is rare too. Use --rare-labels "
            "train or drop."
        )
    rows = sum(int(_has_any(table, rare).sum()) for table in corpus.splits.values())
    sentence = f"{few} {_their_rows(rare, rows, ('has', 'have'))} the label {OTHER!r}."
    return replace(changed, findings=replace(corpus.findings, rare_labels=sentence))


def _kept_names(corpus: Corpus, kept: NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the names of the labels that are kept (L,)."""
    return tuple(
        name for name, keeps in zip(corpus.label_names, kept.tolist(), strict=True) if keeps
    )


def _few(corpus: Corpus, rare: NDArray[np.bool_], config: DataConfig) -> str:
    """Return a sentence with the number of the rare labels and the first of them."""
    number = format_count(int(rare.sum()), "label", ("has", "have"))
    noun = "training text" if keeps_test(corpus, config) else "text"
    least = format_count(least_texts(corpus, config), noun)
    return (
        f"{number} fewer than {least}: {_listed(corpus, counts_to_divide(corpus, config), rare)}."
    )


def _listed(corpus: Corpus, counts: NDArray[np.int64], chosen: NDArray[np.bool_]) -> str:
    """Return the first of the chosen labels with the numbers of their texts, and how many more there are."""
    labels = np.flatnonzero(chosen).tolist()
    return join_first([f"{corpus.label_names[label]!r} ({counts[label]:,})" for label in labels])


def _their_rows(rare: NDArray[np.bool_], count: int, verbs: tuple[str, str] = ("is", "are")) -> str:
    """Return the beginning of a sentence about the rows of rare labels."""
    return f"{'Its' if rare.sum() == 1 else 'Their'} {format_count(count, 'row', verbs)}"
