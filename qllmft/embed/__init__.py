"""Embed: texts to vectors (N, D) by a sentence transformer, frozen with a cache on disk, or trained."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.body import Body, BodyLocation, Progress, body_identity, check_finite, locate_body, pinned
from qllmft.embed.cache import EmbeddingCache, default_cache_folder
from qllmft.embed.folder_check import BODY_FILES, check_body_folder
from qllmft.embed.published import published_name, weights_hash
from qllmft.embed.trainable import TrainableBody

__all__ = [
    "BODY_FILES",
    "Body",
    "BodyLocation",
    "EmbeddingCache",
    "Embeddings",
    "TrainableBody",
    "body_identity",
    "check_body_folder",
    "check_finite",
    "default_cache_folder",
    "embed",
    "locate_body",
    "pinned",
    "published_name",
    "weights_hash",
]

_KEEP_EVERY = 1024  # texts between two writes to the cache, which an interruption may lose


@dataclass(frozen=True)
class Embeddings:
    """Embedded texts."""

    vectors: NDArray[np.float32]  # (N, D), output of the body
    identity: str  # identity of the body
    from_cache: int  # number of texts in the cache
    truncated: int = 0  # number of different texts, embedded now, that were cut
    longest: int = 0  # number of tokens that the body reads, 0 without a limit


def embed(
    texts: Sequence[str], config: BodyConfig, *, cache_folder: Path | None = None, progress: Progress | None = None
) -> Embeddings:
    """Embed ``texts`` that are not in the cache, without the model on a full hit."""
    location = locate_body(config)
    body = None if location.identity else Body(config, location)  # the download determines a hub model's commit
    location = body.location if body else location
    identity = body_identity(config, location)
    truncated = 0
    with closing(EmbeddingCache(identity, cache_folder)) as cache, ExitStack() as alone:
        found = cache.get(texts)
        if any(text not in found for text in texts):
            alone.enter_context(cache.sole_use())  # another process may be embedding the same texts
            found = cache.get(texts)
        hits = sum(text in found for text in texts)
        missing = list(dict.fromkeys(text for text in texts if text not in found))
        if progress:
            progress(len(texts) - len(missing))  # from the cache, or the same text again
        if missing:
            body = body or Body(config, location, light=True)
            for start in range(0, len(missing), _KEEP_EVERY):
                part = missing[start : start + _KEEP_EVERY]
                vectors = body.encode(part, progress)
                truncated += body.truncated(part)
                cache.check_length(found, vectors.shape[1])
                cache.put(part, vectors)
                found.update(zip(part, vectors, strict=True))
    return Embeddings(np.stack([found[text] for text in texts]), identity, hits, truncated, body.longest if body else 0)
