"""Embeddings on disk by model, revision and text: each text is embedded once, and a full hit loads no model."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import platformdirs
from filelock import FileLock
from numpy.typing import NDArray

from qllmft_base.errors import UserError

# rows are appended, and only the index of the keys is in their order: ordered by its random key, a row of this size
# would be written into pages all over the file
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS embeddings "
    "(key BLOB PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL)"
)
_BATCH = 500  # SQLite allows at least 999 variables per statement


def default_cache_folder() -> Path:
    """Return ``QLLMFT_CACHE``, or the cache folder of the user."""
    folder_setting = os.environ.get("QLLMFT_CACHE")
    return (
        Path(folder_setting)
        if folder_setting
        else Path(platformdirs.user_cache_dir("qllmft", appauthor=False))
    )


class EmbeddingCache:
    """Embeddings of one body in one SQLite file; several processes may share it."""

    def __init__(self, identity: str, folder: Path | None = None) -> None:
        self._identity = identity
        folder = folder or default_cache_folder()
        self.path = (
            folder / f"embeddings-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.sqlite"
        )
        with self._explain_errors():
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=60.0)
            try:
                self._connection.execute(_SCHEMA)
            except sqlite3.Error:
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def sole_use(self) -> AbstractContextManager[object]:
        """Wait until no other process writes, and lock the file."""
        with self._explain_errors():
            return FileLock(f"{self.path}.lock").acquire()

    def get(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the cached embeddings (D,) by text."""
        vectors: dict[str, NDArray[np.float32]] = {}
        key_to_text = {self._key(text): text for text in texts}
        keys = list(key_to_text)
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            query = f"SELECT key, vector, checksum FROM embeddings WHERE key IN ({marks})"  # noqa: S608 - question marks only
            with self._explain_errors():
                for key, vector, checksum in self._connection.execute(query, part):
                    vectors[key_to_text[key]] = self._vector(key, vector, checksum)
        lengths = sorted({len(vector) for vector in vectors.values()})
        if len(lengths) > 1:
            raise self._fault(
                f"it holds embeddings of {' and '.join(map(str, lengths))} numbers by one body"
            )
        return vectors

    def check_length(self, length: int, dimension: int) -> None:
        """Raise UserError unless the length of an embedding of `get` is the body's D."""
        if length != dimension:
            raise self._fault(
                f"it holds an embedding of {length} numbers, and the language model's have {dimension}"
            )

    def _vector(self, key: bytes, stored: object, checksum: object) -> NDArray[np.float32]:
        if not isinstance(stored, bytes):
            raise self._fault(f"it holds an embedding of type {type(stored).__name__}")
        if not stored or len(stored) % 4:
            raise self._fault(
                f"it holds an embedding of {len(stored)} bytes, expected 4 per number"
            )
        if checksum != _checksum(key, stored):
            raise self._fault("an embedding in it was changed, or is that of another text")
        return np.frombuffer(stored, "<f4")

    def put(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Store the embeddings (N, D) of N texts."""
        pairs = (
            (self._key(t), v.astype("<f4").tobytes()) for t, v in zip(texts, vectors, strict=True)
        )
        rows = [(key, stored, _checksum(key, stored)) for key, stored in pairs]
        insert = "INSERT OR REPLACE INTO embeddings (key, vector, checksum) VALUES (?, ?, ?)"
        with self._explain_errors(), self._connection:
            self._connection.executemany(insert, rows)

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn errors of the file system and of SQLite into UserError with the remedy."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise self._fault(error) from error

    def _fault(self, reason: object) -> UserError:
        return UserError(
            f"the cache of embeddings {self.path} cannot be used: {reason}. "
            "Set QLLMFT_CACHE to a folder that can be written, or delete the file."
        )

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(
            self._identity.encode() + b"\0" + text.encode("utf-8", "surrogatepass")
        ).digest()


def _checksum(key: bytes, stored: bytes) -> bytes:
    """Return eight bytes that follow from an embedding and its key."""
    return hashlib.sha256(key + stored).digest()[:8]
