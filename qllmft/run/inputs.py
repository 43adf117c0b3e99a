"""Inputs that several runs of one process share: texts, splits and embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig, DataConfig, RunConfig
from qllmft.data import Corpus, Splits, read_corpus, split_corpus
from qllmft.embed import Embeddings, embed

MOST_BYTES = 512 * 2**20  # of the embeddings in memory; the disk has them too

Embed = Callable[[Sequence[str]], Embeddings]


class SharedInputs:
    """Inputs of the runs of one process, each read or computed once.

    The numbers of a run do not depend on sharing. Files that change while a campaign runs are not read again.
    """

    def __init__(self, corpora: Mapping[DataConfig, Corpus] | None = None) -> None:
        self._corpora = dict(corpora or {})
        self._splits: dict[tuple[DataConfig, int], Splits] = {}
        self._embedded: dict[BodyConfig, _Embedded] = {}
        self._dimensions: dict[BodyConfig, int] = {}

    def corpus(self, data: DataConfig) -> Corpus:
        """Return the texts of ``data``."""
        if data not in self._corpora:
            self._corpora[data] = read_corpus(data)
        return self._corpora[data]

    def splits(self, data: DataConfig, seed: int) -> Splits:
        """Return the splits of the texts of ``data``, as `split_corpus` makes them."""
        key = data, seed
        if key not in self._splits:
            self._splits[key] = split_corpus(self.corpus(data), data, seed)
        return self._splits[key]

    def dimension(self, config: RunConfig) -> int:
        """Return D, the length of a text's embedding or a pair's vector by the run's body, from one training text."""
        if config.body not in self._dimensions:
            text = self.splits(config.data, config.seed).train.texts[:1]
            self._dimensions[config.body] = embed(text, config.body).vectors.shape[1]
        single = self._dimensions[config.body]
        return 2 * single if config.data.pair == "both" else single

    def embed(self, texts: Sequence[str], body: BodyConfig, compute: Embed) -> Embeddings:
        """Return the embeddings of N texts; ``compute`` embeds those not in memory, or all if the body has changed."""
        known = self._embedded.get(body, _Embedded("", {}))
        missing = list(dict.fromkeys(text for text in texts if text not in known.vectors))
        if not missing:
            return Embeddings(
                np.stack([known.vectors[text] for text in texts]), known.identity, len(texts)
            )
        found = compute(missing)
        if known.vectors and found.identity != known.identity:
            known, missing = _Embedded("", {}), list(dict.fromkeys(texts))
            found = compute(missing)
        vectors = known.vectors | dict(zip(missing, found.vectors, strict=True))
        if sum(vector.nbytes for vector in vectors.values()) <= MOST_BYTES:
            self._embedded[body] = _Embedded(found.identity, vectors)
        return replace(found, vectors=np.stack([vectors[text] for text in texts]))


@dataclass(frozen=True)
class _Embedded:
    """Texts in memory as one body embeds them."""

    identity: str  # of the body
    vectors: dict[str, NDArray[np.float32]]  # (D,) by text
