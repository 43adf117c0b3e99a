"""Answers of a study's rows on one split of one seed, and the texts that they are about."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.data import Splits, Table

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Answers:
    """Answers of all rows of a study on one split of one seed."""

    texts: NDArray[np.int64]  # (N,) indices into the study's texts, ascending
    labels: NDArray[Any]  # (N,) true labels, or (N, T) targets or labels of 0 and 1
    # (N, rows) predicted labels, or (N, rows, T) values or leads in single precision
    answers: NDArray[Any]

    def of(self, row: int) -> NDArray[Any]:
        """Return the answers of a row in the shape of the labels."""
        return self.answers[:, row]

    def packed(self, k: int) -> NDArray[Any]:
        """Return the answers as the file has them: labels as differences from the true ones, modulo k."""
        if self.labels.ndim > 1:
            return self.answers
        # mostly one number, which compresses well
        return np.asarray((self.answers - self.labels[:, None]) % k, smallest(k))

    @classmethod
    def unpacked(
        cls, arrays: Arrays, name: str, labels: NDArray[Any], rows: int, k: int
    ) -> Answers:
        """Return the answers from the arrays of the file, or raise ValueError if they have another form."""
        texts = integers(arrays, f"{name}-steps").cumsum()
        found = integers(arrays, name, 2) if labels.ndim == 1 else reals(arrays, name, 3)
        shape = (len(texts), rows, *labels.shape[1:])
        if found.shape != shape or not len(texts) or texts.min() < 0:
            raise ValueError(f"its array {name!r} has answers of shape {found.shape}")
        true = labels[texts]
        return cls(texts, true, (found + true[:, None]) % k if labels.ndim == 1 else found)


def smallest(k: int) -> type[np.unsignedinteger[Any]]:
    """Return the smallest type of k labels."""
    return np.uint8 if k <= 256 else np.uint16


def integers(arrays: Arrays, name: str, axes: int = 1) -> NDArray[np.int64]:
    """Return an array of integers, or raise ValueError if it is of another kind."""
    return _array(arrays, name, axes, "iu").astype(np.int64)


def reals(arrays: Arrays, name: str, axes: int = 2) -> NDArray[Any]:
    """Return an array of finite real numbers, or raise ValueError if it is of another kind."""
    found = _array(arrays, name, axes, "f")
    if not np.isfinite(found).all():
        raise ValueError(f"its array {name!r} has numbers that are not finite")
    return found


def _array(arrays: Arrays, name: str, axes: int, kinds: str) -> NDArray[Any]:
    found = arrays[name]
    if found.ndim != axes or found.dtype.kind not in kinds:
        raise ValueError(f"its array {name!r} has the shape {found.shape} and type {found.dtype}")
    return found


@dataclass(frozen=True)
class TextIndex:
    """Different texts of a study, with their labels, in the order of their hashes."""

    # (P,) first 8 bytes of the SHA-256 of each text, ascending; no text is kept
    hashes: NDArray[np.uint64]
    labels: NDArray[Any]  # (P,) true labels, or (P, T) targets or labels of 0 and 1

    @classmethod
    def of(cls, splits: Sequence[Splits]) -> TextIndex:
        """Collect the validation and test texts of several seeds."""
        pairs = {
            pair
            for each in splits
            for table in (each.validation, each.test)
            for pair in _keys(table)
        }
        hashes, labels = zip(*sorted(pairs), strict=True)
        return cls(np.array(hashes, np.uint64), np.array(labels, splits[0].test.labels.dtype))

    def answers(self, table: Table, by_row: Sequence[NDArray[Any]]) -> Answers:
        """Return answers on a table of each row, in the shape of its labels, in the order of this index."""
        place = {pair: i for i, pair in enumerate(_pairs(self.hashes.tolist(), self.labels))}
        texts = np.array([place[pair] for pair in _keys(table)], np.int64)
        order = np.argsort(texts, kind="stable")
        found = np.stack(by_row, axis=1)[order]
        if table.labels.ndim > 1:
            found = found.astype(np.float32)
        return Answers(texts[order], table.labels[order], found)


def hashes_of(table: Table) -> NDArray[np.uint64]:
    """Return the first 8 bytes of the SHA-256 of each text."""
    hashes = (
        hashlib.sha256(item.encode("utf-8", "surrogatepass")).digest()[:8] for item in table.items
    )
    return np.array([int.from_bytes(key, "big") for key in hashes], np.uint64)


def _keys(table: Table) -> list[tuple[int, Any]]:
    return _pairs(hashes_of(table).tolist(), table.labels)


def _pairs(hashes: Sequence[int], labels: NDArray[Any]) -> list[tuple[int, Any]]:
    found = labels.tolist() if labels.ndim == 1 else map(tuple, labels.tolist())
    return list(zip(hashes, found, strict=True))
