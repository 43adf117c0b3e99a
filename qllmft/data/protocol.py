"""Who learns from what: the paper's protocol, and that of the given splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft.config import DataConfig
from qllmft.data.corpus import Corpus, Table
from qllmft.errors import UserError
from qllmft.randomness import numpy_generator

MOST_LISTED = 10  # labels in an error


@dataclass(frozen=True)
class Splits:
    """Three disjoint tables. Models are chosen on ``validation``; ``test`` is read once, for the chosen one."""

    train: Table
    validation: Table
    test: Table

    @property
    def sizes(self) -> dict[str, int]:
        """Number of texts by split."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}


def split_corpus(corpus: Corpus, config: DataConfig, seed: int) -> Splits:
    """Split by the protocol of ``config``; UserError where a label has too few texts, or there is no test set.

    ``paper`` (section VII-A): pool everything, draw n texts a label, 85 % of them to train on and 15 % to validate, the
    rest is the test set. ``given``: the corpus' own splits; where it has no validation split, one is cut off training.
    """
    random = numpy_generator(seed, "split")
    if config.protocol == "paper":
        pooled = corpus.pooled()
        drawn = _draw(pooled, corpus, config, random)
        rest = np.setdiff1d(np.arange(len(pooled)), drawn)
        if not len(rest):
            raise UserError(
                f"{corpus.source}: {config.drawn_per_label} texts a label leave none of the {len(pooled)} to test on. "
                "Draw fewer with --per-label, or use --protocol given with splits of your own."
            )
        train, validation = _cut(pooled.take(drawn), config, random)
        return Splits(train, validation, pooled.take(rest))
    missing = [name for name in ("train", "test") if name not in corpus.splits]
    if missing:
        raise UserError(
            f"{corpus.source} has the splits {', '.join(corpus.splits)}; the protocol 'given' needs train and test. "
            "Add the missing file, or use --protocol paper, which pools everything and draws."
        )
    train = corpus.splits["train"]
    _check_every_label(train, corpus)
    if config.drawn_per_label is not None:
        train = train.take(_draw(train, corpus, config, random))
    if "validation" in corpus.splits:
        return Splits(train, corpus.splits["validation"], corpus.splits["test"])
    train, validation = _cut(train, config, random)
    return Splits(train, validation, corpus.splits["test"])


def _draw(table: Table, corpus: Corpus, config: DataConfig, random: np.random.Generator) -> NDArray[np.int64]:
    """Rows of n texts of every label."""
    rows = []
    wanted = config.drawn_per_label or 0
    for label, name in enumerate(corpus.label_names):
        of_label = np.flatnonzero(table.labels == label)
        if len(of_label) < wanted:
            counts = np.bincount(table.labels, minlength=corpus.n_classes).tolist()
            fewer = max(1, int(0.7 * min(counts)))
            listed = [f"{n}: {c}" for n, c in zip(corpus.label_names, counts, strict=True)]
            if len(listed) > MOST_LISTED:
                listed[MOST_LISTED:] = [f"and {len(listed) - MOST_LISTED} labels more"]
            raise UserError(
                f"{corpus.source}: {wanted} texts a label are to be drawn, but only {len(of_label)} have the label "
                f"{name!r} (there are {', '.join(listed)}). "
                f"Draw fewer: --per-label {fewer}."
            )
        rows.append(random.choice(of_label, wanted, replace=False))
    return np.concatenate(rows)


def _check_every_label(train: Table, corpus: Corpus) -> None:
    """A label that only other splits have cannot be learned."""
    unseen = [name for label, name in enumerate(corpus.label_names) if not (train.labels == label).any()]
    if unseen:
        raise UserError(
            f"{corpus.source}: no text of the split 'train' has the label {', '.join(unseen)}. "
            "Add such texts to it, or use --protocol paper, which pools everything and draws."
        )


def _cut(table: Table, config: DataConfig, random: np.random.Generator) -> tuple[Table, Table]:
    """Training and validation, each with every label in like proportion."""
    from sklearn.model_selection import train_test_split

    n_train = int(config.train_fraction * len(table))
    n_classes = len(np.unique(table.labels))
    if n_train < n_classes or len(table) - n_train < n_classes:
        raise UserError(
            f"{len(table)} texts cut at {config.train_fraction:g} give {n_train} to train on and "
            f"{len(table) - n_train} to validate; each needs at least one of the {n_classes} labels. "
            "Take more texts with --per-label."
        )
    counts = np.bincount(table.labels)
    if (counts == 1).any():
        raise UserError(
            "there is one text only of a label, and it cannot be in both halves when a validation set is cut off the "
            "training set. Add texts of that label, or a validation file."
        )
    train, validation = train_test_split(
        np.arange(len(table)), train_size=n_train, stratify=table.labels, random_state=int(random.integers(2**31))
    )
    return table.take(train), table.take(validation)
