"""Labelled texts as values, and findings about them, shown once per run and kept in its record."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config.data import PairFeatures
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_tables.cells import comparison_texts, visible_text

FIRST_ROWS = 5  # number of bad rows that are named
_KEPT_FIRST = ("test", "validation")  # splits that keep their copies before the other splits
BETWEEN = " ‖ "  # two texts of a pair, for people


@dataclass(frozen=True)
class Findings:
    """Counts of unusual rows and texts; all are 0 for clean data."""

    # rows that were left out: without a text or a label, or no rows of their table
    skipped_rows: int = 0
    first_skipped: tuple[str, ...] = ()  # names of the first of them
    dropped_rows: int = 0  # duplicates that were left out; see `Corpus.without_duplicates`
    repeated_texts: int = 0  # different texts that occur more than once, see `find_copies`
    crossing_texts: int = 0  # repeated texts in more than one of training, validation and test
    contradictory_texts: int = 0  # repeated texts with more than one label
    # number of drawn texts, by name of each label that has fewer than requested
    drawn: Mapping[str, int] = field(default_factory=dict)
    # number of texts of those labels in the test
    tested: Mapping[str, int] = field(default_factory=dict)
    requested: int = 0  # number of texts to draw per label
    # groups of labels that differ only in their writing, each in words with its counts
    similar_labels: tuple[str, ...] = ()
    merged_labels: tuple[str, ...] = ()  # such groups that `data.merge_labels` made one label of
    listed_labels: int = 0  # number of rows whose label is a list that is written as text
    first_list: str = ""  # one of these labels
    # if the labels are more than a quarter of the rows: how many, and what to do, in words
    many_labels: str = ""
    joined_labels: str = ""  # labels that are others with a mark between them, in words
    # repeated texts that programs write for a missing value, in words with their counts
    missing_texts: str = ""
    rare_labels: str = ""  # what `data.rare_labels` did with how many labels and rows, in words
    unread_tables: tuple[str, ...] = ()  # files of a folder of splits that are no split
    weights: str = ""  # of the training rows, in words
    # number of rows by the name of each split in a column of a single table
    unused_splits: Mapping[str, int] = field(default_factory=dict)

    @property
    def label_remedy(self) -> str:
        """Return what the labels suggest, as a sentence after a blank, for an error about too few texts; or ""."""
        if self.many_labels:
            return f" {self.many_labels}"
        if self.similar_labels:
            first = self.similar_labels[0]
            return (
                f" Or make one label of those that differ only in writing, {first}: --merge-labels."
            )
        return ""

    def sentences(self) -> Iterator[str]:
        """Yield the findings in words."""
        yield from self._label_sentences()
        if self.unread_tables:
            yield (
                f"Tables of the folder that are no split, and are not read: {join_first(self.unread_tables)}. Splits "
                "are named train, validation (or dev) and test."
            )
        if self.unused_splits:
            splits = [f"{name} ({count:,})" for name, count in self.unused_splits.items()]
            yield (
                f"The column 'split' is not used: {join_first(splits)}. To keep these splits, add --split-column split."
            )
        if self.weights:
            yield self.weights
        if self.skipped_rows:
            first = join_first(self.first_skipped, self.skipped_rows, "; ")
            yield f"{_rows(self.skipped_rows)} left out: {first}."
        if self.rare_labels:
            yield self.rare_labels
        if self.dropped_rows:
            yield f"{_rows(self.dropped_rows)} left out as duplicates."
        if self.missing_texts:
            yield f"{self.missing_texts} Leave these rows out if they have no text."
        if self.repeated_texts:
            yield (
                f"Duplicates: {format_count(self.repeated_texts, 'text', ('occurs', 'occur'))} more than once, "
                f"{self.crossing_texts:,} of them in more than one of training, validation and test, "
                f"{self.contradictory_texts:,} with different labels. --duplicates drop leaves them out."
            )
        counts = [(name, count, self.tested.get(name, 0)) for name, count in self.drawn.items()]
        if few := [
            f"{format_count(count + tested, 'text')} of {name!r} ({count} train and validate, {tested} test)"
            for name, count, tested in counts
        ]:
            yield f"{join_first(few)}: {self.requested} per label are requested."

    def _label_sentences(self) -> Iterator[str]:
        """Yield the findings about the names of labels."""
        if self.merged_labels:
            yield f"Labels merged: {join_first(self.merged_labels, between='; ')}."
        if self.similar_labels:
            yield (
                f"Labels that differ only in writing: {join_first(self.similar_labels, between='; ')}. --merge-labels "
                "makes one label of each group."
            )
        if self.listed_labels:
            yield (
                f"{format_count(self.listed_labels, 'label', ('is a list', 'are lists'))} written as text, such as "
                f"{self.first_list!r}: each list is one label here. --task multilabel reads lists."
            )
        if self.joined_labels:
            yield self.joined_labels
        if self.many_labels:
            yield self.many_labels


def _rows(count: int) -> str:
    return format_count(count, "row", ("is", "are"))


def join_first(parts: Sequence[str], total: int | None = None, between: str = ", ") -> str:
    """Join the first of the parts, ``total`` of them or all that are given, and add the number of the others.

    >>> join_first(["row 2", "row 5"], 9)
    'row 2, row 5, and 7 more'
    """
    first_parts = list(parts[:FIRST_ROWS])
    total = len(parts) if total is None else total
    return between.join(
        first_parts + [f"and {total - len(first_parts):,} more"] * (total > len(first_parts))
    )


@dataclass(frozen=True)
class Table:
    """Texts and their labels or targets."""

    texts: list[str]  # N, none empty
    # (N,) int64 indices into the corpus' label names, (N, T) float64 targets, or (N, L) 0 and 1
    labels: NDArray[Any]
    second: list[str] | None = None  # second texts of pairs; None: texts are single
    features: PairFeatures = "both"  # vector of a pair, see `qllmft.embed.embedder`
    # (N,) numbers of the rows' groups, or their times; None without such a column
    keys: NDArray[Any] | None = None
    # (N,) weights in training, not negative; None: all are equal
    weights: NDArray[np.float64] | None = None
    rows: NDArray[np.int64] | None = None  # (N,) numbers of the rows in their file; None: not known

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts, but {len(self.labels)} labels.")

    @property
    def items(self) -> list[str]:
        """Return the texts, or both texts of each pair in one."""
        if self.second is None:
            return self.texts
        return [f"{a}{BETWEEN}{b}" for a, b in zip(self.texts, self.second, strict=True)]

    @property
    def text_hashes(self) -> list[int]:
        """Return the first 8 bytes of the SHA-256 of each text, or of both texts of each pair in one."""
        items = (item.encode("utf-8", "surrogatepass") for item in self.items)
        return [int.from_bytes(hashlib.sha256(item).digest()[:8], "big") for item in items]

    @property
    def to_embed(self) -> list[str]:
        """Return the texts, then the second ones of pairs."""
        return [*self.texts, *(self.second or ())]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> Table:
        """Return ``rows`` in that order."""
        return replace(
            self,
            texts=_take_texts(self.texts, rows),
            labels=self.labels[rows],
            second=None if self.second is None else _take_texts(self.second, rows),
            keys=None if self.keys is None else self.keys[rows],
            weights=None if self.weights is None else self.weights[rows],
            rows=None if self.rows is None else self.rows[rows],
        )


def concatenate(tables: Sequence[Table], *, keeps_rows: bool = True) -> Table:
    """Return the rows of tables in one, in their order.

    ``keeps_rows`` says that all are of one file, in which the number of a row names it.
    """
    first, *later_tables = tables
    if not later_tables:
        return first
    keys = [table.keys for table in tables if table.keys is not None]
    weights = [table.weights for table in tables if table.weights is not None]
    rows = [table.rows for table in tables if table.rows is not None]
    second = [text for table in tables for text in table.second or ()]
    return replace(
        first,
        texts=[text for table in tables for text in table.texts],
        labels=np.concatenate([table.labels for table in tables]),
        second=second or None,
        keys=np.concatenate(keys) if keys else None,
        weights=np.concatenate(weights) if weights else None,
        rows=np.concatenate(rows) if keeps_rows and len(rows) == len(tables) else None,
    )


def _take_texts(texts: list[str], rows: NDArray[np.int64]) -> list[str]:
    """Return the texts of ``rows`` in that order."""
    if (rows[1:] <= rows[:-1]).any():
        return [*map(texts.__getitem__, rows.tolist())]
    takes_row = np.zeros(len(texts), np.bool_)  # most splits keep the order: twice as quick
    takes_row[rows] = True
    return [*compress(texts, takes_row.tobytes())]


@dataclass(frozen=True)
class Corpus:
    """Labelled texts with the splits of their source."""

    source: str  # as it was given
    label_names: tuple[str, ...]  # name of each label or target
    splits: dict[str, Table]  # by name: train, validation, test, or ``all``
    findings: Findings = field(default_factory=Findings)  # rows that were left out
    tables: tuple[str, ...] = ()  # what was taken from each file, in words
    is_one_table: bool = False  # a column of one table names the splits
    # number of the last labels that no text for training has: their test texts count as missed
    n_unseen: int = 0

    @property
    def n_classes(self) -> int:
        """Return k, the number of labels or targets that a model learns."""
        return len(self.label_names) - self.n_unseen

    @property
    def learned_names(self) -> tuple[str, ...]:
        """Return the names of the k labels or targets that a model learns."""
        return self.label_names[: self.n_classes]

    def join_splits(self) -> Table:
        """Return all splits in one table, in their order."""
        return concatenate([*self.splits.values()], keeps_rows=self.is_one_table)

    def without_duplicates(self) -> Corpus:
        """Return the corpus with every text once, without texts that have several labels.

        Copies are those of `find_copies`. The first copy is kept: test before validation before the
        other splits.
        """
        rank = {name: place for place, name in enumerate(_KEPT_FIRST)}
        order = sorted(self.splits, key=lambda name: rank.get(name, len(rank)))
        keeps_rows = {name: np.ones(len(table), bool) for name, table in self.splits.items()}
        for copies in find_copies(self.splits).values():
            first = min(copies, key=lambda copy: (order.index(copy[0]), copy[1]))
            several = len({label for _, _, label in copies}) > 1
            for name, row, _ in copies:
                keeps_rows[name][row] = not several and (name, row) == first[:2]
        if empty := [name for name, rows in keeps_rows.items() if not rows.any()]:
            raise UserError(
                f"{self.source}: every text of the split {empty[0]!r} is in another split, or has several labels. "
                "Leave the split out, or keep duplicates (data.duplicates)."
            )
        tables = {n: table.take(np.flatnonzero(keeps_rows[n])) for n, table in self.splits.items()}
        dropped = sum(int((~rows).sum()) for rows in keeps_rows.values())
        return replace(self, splits=tables, findings=replace(self.findings, dropped_rows=dropped))

    @cached_property
    def fingerprint(self) -> str:
        """Return a hash of all texts, labels and splits: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, table in self.splits.items():
            digest.update(f"{name}\0".encode())
            for text, label in zip(table.items, table.labels.tolist(), strict=True):
                name = self.label_names[label] if isinstance(label, int) else repr(label)
                digest.update(f"{name}\0{text}\0".encode("utf-8", "surrogatepass"))
            if table.keys is not None:
                digest.update(table.keys.tobytes())
            if table.weights is not None:
                digest.update(table.weights.tobytes())
        return digest.hexdigest()[:16]

    @property
    def identity(self) -> dict[str, Any]:
        """Return `fingerprint` with the names of the labels, which it does not have of texts with several labels."""
        return {"fingerprint": self.fingerprint, "labels": list(self.label_names)}

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Return the texts that have a copy, as `find_copies` compares them."""
        copies = find_copies(self.splits).values()
        return frozenset(
            self.splits[split].items[row] for text_copies in copies for split, row, _ in text_copies
        )


def find_copies(splits: Mapping[str, Table]) -> dict[str, list[tuple[str, int, Any]]]:
    """Return split, row and label or targets of all copies of each repeated text.

    Texts that differ only in capitals, white space or invisible characters are copies.
    """
    items = {name: table.items for name, table in splits.items()}
    hashes = {name: _comparison_hashes(texts) for name, texts in items.items()}
    ordered = np.sort(np.concatenate([*hashes.values()])) if hashes else np.empty(0, np.int64)
    repeated = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not len(repeated):
        return {}
    places_by_text: dict[str, list[tuple[str, int, Any]]] = defaultdict(list)
    for name, texts in items.items():
        for row in np.flatnonzero(np.isin(hashes[name], repeated)).tolist():
            label = splits[name].labels[row].tolist()
            value = tuple(label) if isinstance(label, list) else label
            places_by_text[visible_text(texts[row].casefold())].append((name, row, value))
    return {text: copies for text, copies in places_by_text.items() if len(copies) > 1}


def _comparison_hashes(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return a hash (N,) of each text, equal for copies."""
    hashes = map(hash, chain.from_iterable(comparison_texts(texts)))
    return np.fromiter(hashes, np.int64, len(texts))
