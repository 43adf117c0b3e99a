"""Embed: texts to vectors (N, D) by a sentence transformer, frozen with a cache on disk, or trained."""

from __future__ import annotations

from qllmft.embed.body import Body, check_vectors
from qllmft.embed.cache import EmbeddingCache, default_cache_folder
from qllmft.embed.embedder import Embedder, Embeddings, embed, pair_vectors
from qllmft.embed.folder_check import BODY_FILES, check_body_folder
from qllmft.embed.location import (
    BodyLocation,
    body_identity,
    locate_body,
    pinned,
    published_name,
    weights_hash,
)
from qllmft.embed.trainable import TrainableBody

__all__ = [
    "BODY_FILES",
    "Body",
    "BodyLocation",
    "Embedder",
    "EmbeddingCache",
    "Embeddings",
    "TrainableBody",
    "body_identity",
    "check_body_folder",
    "check_vectors",
    "default_cache_folder",
    "embed",
    "locate_body",
    "pair_vectors",
    "pinned",
    "published_name",
    "weights_hash",
]
