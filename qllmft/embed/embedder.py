"""Embedding of many texts through the cache, chunk by chunk, and vectors of pairs of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.config.data import PairFeatures
from qllmft.embed.cache import EmbeddingCache
from qllmft.embed.location import body_identity, locate_body
from qllmft.embed.words import is_word_body
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.embed.body import Body, Encoded, Progress

Vectors = NDArray[np.float32]  # embeddings (N, D)
CHUNK_TEXTS = 1024  # texts between two writes to the cache, which an interruption may lose


@dataclass(frozen=True)
class Embeddings:
    """Embedded texts."""

    vectors: NDArray[np.float32]  # (N, D), output of the body
    identity: str  # identity of the body
    truncated: int = 0  # number of different texts, embedded now, that were cut
    longest: int = 0  # number of tokens that the body reads, 0 without a limit


class _Part(NamedTuple):
    """Part of the texts, and as much of it as is in the cache."""

    texts: Sequence[str]
    cached: dict[str, NDArray[np.float32]]
    missing: list[str]  # different texts


class Embedder:
    """Body behind its cache, loaded with the first text that is not there.

    Attributes:
        identity: identity of the body.
        truncated: number of different texts, embedded by this object, that were cut.
        longest: number of tokens that the body reads, or 0 without a limit or before its first text.
    """

    def __init__(
        self,
        config: BodyConfig,
        cache_folder: Path | None = None,
        *,
        jobs: int = 1,
        ray: str | None = None,
    ) -> None:
        if jobs < 1:
            raise UserError(f"--jobs got {jobs}, expected 1 or more.")
        if ray is not None:
            if jobs != 1:
                raise UserError(
                    "--jobs sets processes here, and --ray embeds on a cluster. Omit one of them."
                )
            if config.device not in (None, "cpu"):
                raise UserError(
                    f"--ray embeds on processors, and body.device of the model is {config.device!r}. Omit --ray."
                )
        self._config = config
        self._jobs = jobs
        self._ray = ray
        self._pool: Executor | None = None
        self._body_reference: Any = None  # reference to the body on a cluster
        self._location = locate_body(config)
        self._body: Body | None = None
        if not self._location.identity:  # the download determines a hub model's commit
            self._location = self.body.location
        self.identity = body_identity(config, self._location)
        self.truncated = self.longest = 0
        self._length = 0  # D, or 0 before the first text
        self._cache = EmbeddingCache(self.identity, cache_folder)

    def close(self) -> None:
        """Close the cache, end the processes and leave the cluster."""
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
        if self._body is None:  # texts that are all in the cache need no body, nor its packages
            from qllmft.embed.body import Body

            has_identity = bool(self._location.identity)
            self._body = Body(self._config, self._location, light=has_identity)
        return self._body

    def chunks(
        self, texts: Iterable[str], size: int = CHUNK_TEXTS
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings of texts in their order, ``size`` at a time, in constant memory."""
        iterator = iter(texts)
        return self.parts(iter(lambda: list(islice(iterator, size)), []))

    def parts(self, parts: Iterable[Sequence[str]]) -> Iterator[NDArray[np.float32]]:
        """Yield the embeddings (N, D) of each part of many texts in order, in constant memory.

        Several processes or nodes embed several parts at a time. A part is cached as it is yielded.
        """
        if not self._is_distributed:
            for texts in parts:
                yield self.embed(texts).vectors
            return
        for part, vectors in self._embed_parts(parts):
            yield np.stack([vectors[text] for text in part.texts])

    def embed(self, texts: Sequence[str], progress: Progress | None = None) -> Embeddings:
        """Return the embeddings of texts in their order; those that are missing are cached chunk by chunk."""
        vectors = np.empty((len(texts), 0), np.float32)
        missing: dict[str, list[int]] = {}  # rows of texts that are not in the cache
        for start in range(0, len(texts), CHUNK_TEXTS):
            rows = range(start, min(start + CHUNK_TEXTS, len(texts)))
            vectors_by_text = self._read_cache([texts[row] for row in rows])
            vectors = self._resize(vectors)
            for row in rows:
                if (vector := vectors_by_text.get(texts[row])) is None:
                    missing.setdefault(texts[row], []).append(row)
                else:
                    vectors[row] = vector
        if progress:
            progress(len(texts) - len(missing))  # from the cache, or the same text again
        truncated_before = self.truncated
        if missing:
            size = min(CHUNK_TEXTS, -(-len(missing) // self._jobs))
            unread = iter(missing)
            parts = iter(lambda: list(islice(unread, size)), [])
            with self._cache.sole_use():  # another process may be embedding the same texts
                for part, vectors_by_text in self._embed_parts(parts, progress):
                    vectors = self._resize(vectors)
                    for text in part.texts:
                        vectors[missing[text]] = vectors_by_text[text]
        return Embeddings(vectors, self.identity, self.truncated - truncated_before, self.longest)

    @property
    def _is_distributed(self) -> bool:
        """Return whether other processes compute the embeddings."""
        return self._jobs > 1 or self._ray is not None

    def _embed_parts(
        self, parts: Iterable[Sequence[str]], progress: Progress | None = None
    ) -> Iterator[tuple[_Part, dict[str, NDArray[np.float32]]]]:
        """Yield each part with its embeddings (D,) by text, and cache those that were missing."""
        cached = ((texts, self._read_cache(texts)) for texts in parts)
        looked_up_parts = (
            _Part(texts, hits, [text for text in dict.fromkeys(texts) if text not in hits])
            for texts, hits in cached
        )
        for part, encoded in self._encode_parts(looked_up_parts, progress):
            if progress and part.cached:
                progress(len(part.cached))
            if encoded is None:
                yield part, part.cached
                continue
            vectors, cut, longest = encoded
            self._cache.check_length(self._length or vectors.shape[1], vectors.shape[1])
            self._length = vectors.shape[1]
            self._cache.put(part.missing, vectors)
            self.truncated = self.truncated + cut
            self.longest = longest
            yield part, part.cached | dict(zip(part.missing, vectors, strict=True))

    def _encode_parts(
        self, parts: Iterable[_Part], progress: Progress | None
    ) -> Iterator[tuple[_Part, Encoded | None]]:
        """Yield each part in order with the embeddings of its missing texts, None if there are none."""
        if not self._is_distributed:
            for part in parts:
                yield (
                    part,
                    self.body.encode_with_counts(part.missing, progress) if part.missing else None,
                )
            return
        from qllmft.embed.workers import in_order
        from qllmft_base.workers import ProcessDiedError, RayPool

        def room() -> int:
            return self._pool.room() if isinstance(self._pool, RayPool) else 2 * self._jobs

        try:
            for part, encoded in in_order(parts, self._submit, room):
                if progress and encoded:
                    progress(len(part.missing))
                yield part, encoded
        except ProcessDiedError:
            raise UserError(
                "a process that embeds texts ended, perhaps for want of memory: each has a language model of its own. "
                "Take fewer --jobs. Finished texts are kept."
            ) from None

    def _submit(self, part: _Part) -> Future[Encoded] | None:
        """Submit the missing texts of a part, None if there are none."""
        if not part.missing:
            return None
        from qllmft.embed import workers
        from qllmft_base.workers import RayPool

        if self._ray is None:
            self._pool = self._pool or workers.worker_pool(self._jobs)
            return self._pool.submit(
                workers.encode_part, self._config, self._location, part.missing
            )
        if not isinstance(self._pool, RayPool):
            self._pool = RayPool(self._ray, "texts")
        if self._body_reference is None:
            node_body = workers.sent_body(self._pool, self._config, self._location)
            self._body_reference = self._pool.put(node_body)
        return self._pool.submit(workers.encode_on_node, self._body_reference, part.missing)

    def _read_cache(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings (D,) in the cache by text, of the length of all others."""
        cached_vectors = self._cache.get(texts)
        if cached_vectors:
            length = len(next(iter(cached_vectors.values())))
            self._length = self._length or length
            self._cache.check_length(length, self._length)
        return cached_vectors

    def _resize(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an array (N, D), which is ``vectors`` if it has D."""
        if vectors.shape[1] == self._length:
            return vectors
        return np.empty((len(vectors), self._length), np.float32)


def embed(
    texts: Sequence[str],
    config: BodyConfig,
    *,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Embeddings:
    """Embed ``texts`` that are not in the cache, without the model on a full hit.

    Vectors of words are computed faster than they are read, and are not cached.

    Args:
        texts: N texts; repeated ones are embedded once.
        config: the language model.
        cache_folder: of the cache; by default that of `default_cache_folder`.
        progress: called with the number of texts done since its last call.

    Returns:
        Vectors (N, D) float32 in the order of the texts, with the identity of the body.

    Raises:
        UserError: if the body cannot be loaded or embeds no such text, or the cache cannot be written.
    """
    if is_word_body(config):
        from qllmft.embed.body import Body

        body = Body(config)
        return Embeddings(body.encode(texts, progress), body_identity(config, body.location))
    with Embedder(config, cache_folder) as embedder:
        return embedder.embed(texts, progress)


def check_vectors(vectors: NDArray[np.float32], body: BodyConfig, kind: str = "") -> None:
    """Raise UserError with the number of the first text, from 1, if an embedding (N, D) is not finite, or zero."""
    finite = np.isfinite(vectors)
    zero = (vectors == 0).all(axis=1)
    faulty = ~finite.all(axis=1) | zero
    if faulty.any():
        row = int(faulty.argmax())
        texts = f"{kind} text" if kind else "text"
        fault_text = "zeros alone, which have no direction"
        if not zero[row]:
            fault_text = str(vectors[row][~finite[row]][0])
        raise UserError(
            f"the embedding of {texts} {row + 1} of {len(vectors)} by the language model {body.model!r} holds "
            f"{fault_text}, expected finite numbers. Delete the cache of embeddings (the folder that QLLMFT_CACHE "
            "names, or the user's own), or choose another language model with --body."
        )


def pair_vectors(
    u: NDArray[np.float32], v: NDArray[np.float32], features: PairFeatures
) -> NDArray[np.float32]:
    """Return features of pairs with the embeddings u and v (N, D).

    They are the difference |u - v| (N, D), the product u·v by entry (N, D), both one after the other (N, 2·D), or all:
    both, the length of u - v, and the cosine of u and v (N, 2·D + 2). The last two are sums of the others that would
    take a linear model D weights each.

    >>> pair_vectors(np.float32([[1, 2]]), np.float32([[3, 1]]), "both").tolist()
    [[2.0, 1.0, 3.0, 2.0]]
    """
    difference: NDArray[np.float32] = np.abs(u - v)
    product: NDArray[np.float32] = u * v
    if features == "difference":
        return difference
    if features == "product":
        return product
    if features == "both":
        return np.concatenate([difference, product], axis=1)
    lengths = np.linalg.norm([u, v], axis=2).prod(axis=0)
    cosine = product.sum(axis=1) / np.where(lengths > 0, lengths, 1.0)
    sums = np.stack([np.linalg.norm(difference, axis=1), cosine], axis=1)
    return np.concatenate([difference, product, sums], axis=1).astype(np.float32)


def pair_size(dimension: int, features: PairFeatures | None) -> int:
    """Return the length of `pair_vectors` of embeddings of D values, which is D of single texts."""
    sizes = {"both": 2 * dimension, "all": 2 * dimension + 2}
    return sizes.get(features or "", dimension)
