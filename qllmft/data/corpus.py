"""Labelled texts as values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Table:
    """Texts and their labels.

    Attributes:
        texts: N texts, none empty.
        labels: (N,) int64, indices into the corpus' label names.
    """

    texts: list[str]
    labels: NDArray[np.int64]

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
    """A data set as it came.

    Attributes:
        source: where it came from.
        label_names: name of each label.
        splits: tables by name (train, validation, test, or ``all``).
    """

    source: str
    label_names: tuple[str, ...]
    splits: dict[str, Table]

    @property
    def n_classes(self) -> int:
        """k, the number of labels."""
        return len(self.label_names)

    def pooled(self) -> Table:
        """All splits in one table, in their order."""
        tables = list(self.splits.values())
        return Table([text for table in tables for text in table.texts], np.concatenate([t.labels for t in tables]))

    @property
    def fingerprint(self) -> str:
        """Hash of every text, label and split: 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for name, table in self.splits.items():
            digest.update(f"{name}\0".encode())
            for text, label in zip(table.texts, table.labels.tolist(), strict=True):
                digest.update(f"{self.label_names[label]}\0{text}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:16]
