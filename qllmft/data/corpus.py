"""Labelled texts as values."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qllmft.data.findings import Findings
from qllmft.errors import UserError

_STAYING = ("test", "validation")  # splits whose copies stay before those of the others


@dataclass(frozen=True)
class Table:
    """Texts and their labels."""

    texts: list[str]  # N, none empty
    labels: NDArray[np.int64]  # (N,) indices into the corpus' label names

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            raise ValueError(f"{len(self.texts)} texts, but {len(self.labels)} labels.")

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: NDArray[np.int64]) -> Table:
        """The rows of that order."""
        return Table([self.texts[i] for i in rows.tolist()], self.labels[rows])


@dataclass(frozen=True)
class Corpus:
    """A data set as it came."""

    source: str  # where it came from
    label_names: tuple[str, ...]  # name of each label
    splits: dict[str, Table]  # by name: train, validation, test, or ``all``
    findings: Findings = field(default_factory=Findings)  # what reading left out

    @property
    def n_classes(self) -> int:
        """k, the number of labels."""
        return len(self.label_names)

    def pooled(self) -> Table:
        """All splits in one table, in their order."""
        tables = list(self.splits.values())
        return Table([text for table in tables for text in table.texts], np.concatenate([t.labels for t in tables]))

    def without_duplicates(self) -> Corpus:
        """The corpus with every text once, and without the texts that have several labels.

        Texts are the same where they differ in white space alone. Of the copies the first stays, of test before
        validation before the other splits. UserError where nothing of a split is left.
        """
        copies = copies_of(self.splits)
        order = sorted(self.splits, key=lambda name: _STAYING.index(name) if name in _STAYING else len(_STAYING))
        kept = {name: np.ones(len(table), bool) for name, table in self.splits.items()}
        for found in copies.values():
            first = min(found, key=lambda copy: (order.index(copy[0]), copy[1]))
            several = len({label for _, _, label in found}) > 1
            for name, row, _ in found:
                kept[name][row] = not several and (name, row) == first[:2]
        if empty := [name for name, rows in kept.items() if not rows.any()]:
            raise UserError(
                f"{self.source}: every text of the split {empty[0]!r} is there already, or has several labels. Leave "
                "the split out, or keep duplicates (data.duplicates)."
            )
        tables = {name: table.take(np.flatnonzero(kept[name])) for name, table in self.splits.items()}
        dropped = sum(map(len, self.splits.values())) - sum(map(len, tables.values()))
        return replace(self, splits=tables, findings=replace(self.findings, dropped_rows=dropped))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of every text, label and split: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, table in self.splits.items():
            digest.update(f"{name}\0".encode())
            for text, label in zip(table.texts, table.labels.tolist(), strict=True):
                digest.update(f"{self.label_names[label]}\0{text}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]

    @cached_property
    def repeated(self) -> frozenset[str]:
        """Return the texts that have a copy, as `copies_of` compares them."""
        copies = copies_of(self.splits).values()
        return frozenset(self.splits[split].texts[row] for found in copies for split, row, _ in found)


def copies_of(splits: Mapping[str, Table]) -> dict[str, list[tuple[str, int, int]]]:
    """Split, row and label of all copies of every text that is there more than once, white space aside."""
    found: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for name, table in splits.items():
        for row, (text, label) in enumerate(zip(table.texts, table.labels.tolist(), strict=True)):
            found[" ".join(text.split())].append((name, row, label))
    return {text: copies for text, copies in found.items() if len(copies) > 1}
