"""Embedding of many texts through the cache, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.body import Body, Progress, body_identity, locate_body
from qllmft.embed.cache import EmbeddingCache
from qllmft.embed.workers import Encoded, encode_part, worker_pool
from qllmft.errors import UserError

CHUNK = 1024  # texts between two writes to the cache, which an interruption may lose


@dataclass(frozen=True)
class Embeddings:
    """Embedded texts."""

    vectors: NDArray[np.float32]  # (N, D), output of the body
    identity: str  # identity of the body
    from_cache: int  # number of texts in the cache
    truncated: int = 0  # number of different texts, embedded now, that were cut
    longest: int = 0  # number of tokens that the body reads, 0 without a limit


class Embedder:
    """Body behind its cache, loaded with the first text that is not there.

    Attributes:
        identity: identity of the body.
        truncated: number of different texts, embedded by this object, that were cut.
        longest: number of tokens that the body reads, or 0 without a limit or before its first text.
    """

    def __init__(
        self, config: BodyConfig, cache_folder: Path | None = None, *, jobs: int = 1
    ) -> None:
        if jobs < 1:
            raise UserError(f"--jobs got {jobs}, expected 1 or more.")
        self._config, self._jobs = config, jobs
        self._pool: ProcessPoolExecutor | None = None
        self._location = locate_body(config)
        self._body: Body | None = None
        if not self._location.identity:  # the download determines a hub model's commit
            self._body = Body(config, self._location)
            self._location = self._body.location
        self.identity = body_identity(config, self._location)
        self.truncated = self.longest = 0
        self._cache = EmbeddingCache(self.identity, cache_folder)

    def close(self) -> None:
        """Close the cache and end the processes."""
        self._cache.close()
        if self._pool:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def body(self) -> Body:
        """Return the body in this process, which is loaded with the first use."""
        self._body = self._body or Body(self._config, self._location, light=True)
        return self._body

    def chunks(
        self, texts: Iterable[str], size: int | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings of texts in their order, ``size`` at a time, in constant memory.

        Without ``size`` there are as many chunks at a time as processes.
        """
        iterator = iter(texts)
        while part := list(islice(iterator, size or CHUNK * self._jobs)):
            yield self.embed(part).vectors

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Embeddings:
        """Return the embeddings of texts in their order; those that are missing are cached chunk by chunk."""
        vectors = np.empty((len(texts), 0), np.float32)
        missing: dict[str, list[int]] = {}  # rows of texts that are not in the cache
        for start in range(0, len(texts), CHUNK):
            rows = range(start, min(start + CHUNK, len(texts)))
            found = self._cache.get([texts[row] for row in rows])
            vectors = self._room(vectors, found)
            for row in rows:
                if (vector := found.get(texts[row])) is None:
                    missing.setdefault(texts[row], []).append(row)
                else:
                    vectors[row] = vector
        hits = len(texts) - sum(map(len, missing.values()))
        if progress:
            progress(len(texts) - len(missing))  # from the cache, or the same text again
        before = self.truncated
        if missing:
            with self._cache.sole_use():  # another process may be embedding the same texts
                for start in range(0, len(missing), CHUNK * self._jobs):
                    group = list(islice(missing, start, start + CHUNK * self._jobs))
                    found = self._cache.get(group)
                    hits += sum(len(missing[text]) for text in found)
                    if progress:
                        progress(len(found))
                    vectors = self._room(vectors, found)
                    found |= self._computed(
                        [text for text in group if text not in found], vectors.shape[1], progress
                    )
                    vectors = self._room(vectors, found)
                    for text in group:
                        vectors[missing[text]] = found[text]
        return Embeddings(vectors, self.identity, hits, self.truncated - before, self.longest)

    def _computed(
        self, texts: list[str], cached: int, progress: Progress | None
    ) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings (D,) of texts by the body, and cache each chunk when it is done.

        ``cached`` is the length of an embedding in the cache, 0 if none was there.
        """
        size = min(CHUNK, -(-len(texts) // self._jobs) or 1)
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        found: dict[str, NDArray[np.float32]] = {}
        for part, (vectors, cut, longest) in zip(
            parts, self._encoded(parts, progress), strict=True
        ):
            self._cache.check_length(cached or vectors.shape[1], vectors.shape[1])
            self._cache.put(part, vectors)
            self.truncated, self.longest = self.truncated + cut, longest
            found |= dict(zip(part, vectors, strict=True))
        return found

    def _encoded(self, parts: list[list[str]], progress: Progress | None) -> Iterator[Encoded]:
        """Yield the embeddings of each part in order, from several processes if there are several parts."""
        if self._jobs == 1 or (len(parts) < 2 and self._pool is None):
            for part in parts:
                yield self.body.encode(part, progress), self.body.truncated(part), self.body.longest
            return
        self._pool = self._pool or worker_pool(self._config, self._location, self._jobs)
        try:
            for found in self._pool.map(encode_part, parts):
                yield found
                if progress:
                    progress(len(found[0]))
        except BrokenProcessPool:
            raise UserError(
                "a process that embeds texts ended, perhaps for want of memory: each has a body of its own. Take fewer "
                "--jobs; finished texts are kept."
            ) from None

    def _room(
        self, vectors: NDArray[np.float32], found: Mapping[str, NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return an array (N, D) for the embeddings found, which is ``vectors`` if it has D."""
        if not found:
            return vectors
        lengths = [len(vector) for vector in found.values()]
        if not vectors.shape[1]:
            vectors = np.empty((len(vectors), lengths[0]), np.float32)
        for length in lengths:
            self._cache.check_length(length, vectors.shape[1])
        return vectors


def embed(
    texts: Sequence[str],
    config: BodyConfig,
    *,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Embeddings:
    """Embed ``texts`` that are not in the cache, without the model on a full hit."""
    with closing(Embedder(config, cache_folder)) as embedder:
        return embedder.embed(texts, progress)
