"""Texts and pairs of texts that a model is asked about, and their vectors by its body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice, tee
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from qllmft.data.corpus import BETWEEN
from qllmft.embed import Body, Embedder, body_identity, check_vectors, locate_body
from qllmft.embed.embedder import pair_vectors
from qllmft.embed.reading import Reader, TextReading
from qllmft.model import StoredModel
from qllmft_base.errors import UserError
from qllmft_base.text import HALF_PAIR
from qllmft_tables.cells import is_blank, python_text

Item = str | tuple[str, str]  # a text, or two to compare
BATCHES_PER_PART = 4  # of the body per part of a stream; texts of like length share a batch


def item_text(item: Item) -> str:
    """Return a text, or both texts of a pair in one."""
    return str(item) if isinstance(item, str) else BETWEEN.join(item)  # str: of a NumPy array


def check_items(items: Sequence[Any], *, pairs: bool) -> None:
    """Raise UserError unless all items are texts that can be read, or pairs of them."""
    for item in items:
        if pairs and not (isinstance(item, tuple | list) and len(item) == 2):
            raise UserError(
                f"the model compares two texts, and got {str(item)[:60]!r}, expected pairs: "
                'predict([("a text", "another text")]).'
            )
        if not pairs and isinstance(item, tuple):
            raise UserError(
                f"the model reads single texts, and got the pair {str(item)[:60]}, expected strings."
            )
        for text in item if pairs else (item,):
            if not isinstance(text, str):
                raise UserError(f"a text is {python_text(text):.60}, expected a string.")
            if is_blank(text):
                raise UserError("a text is empty. There is nothing to classify in it.")
            if HALF_PAIR.search(text):
                raise UserError(
                    f"the text {text[:40]!r} holds half of a surrogate pair, expected text in UTF-8."
                )


def batches(texts: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of ``size`` texts, also those before an error of reading."""
    iterator = iter(texts)
    while True:
        batch: list[Item] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch


class ItemVectors:
    """Body of a trained model, loaded with the first text.

    Attributes:
        body: the body in this process, None before its first text.
        embedder: that of several processes or of a cluster, None before its first text.
    """

    def __init__(self, model: StoredModel) -> None:
        self._model = model
        self.body: Body | None = None
        self.embedder: Embedder | None = None

    def stream(
        self, items: Iterable[Item], jobs: int, ray: str | None
    ) -> Iterator[tuple[list[Item], NDArray[np.float32]]]:
        """Yield parts of the items, or of one item, with their vectors (N, D), in order and in constant memory.

        The parts are the same in one process, in several and on a cluster, and so are the bits.
        """
        pair = isinstance(items, tuple) and len(items) == 2 and self._model.pair is not None
        if isinstance(items, str) or (pair and all(isinstance(text, str) for text in items)):
            items = [cast("Item", items)]
        parts = batches(items, BATCHES_PER_PART * self._model.body.batch_size)
        if jobs == 1 and ray is None:
            for part in parts:
                yield part, self.compute_vectors(part, jobs, ray)
            return
        parts_to_yield, parts_to_embed = tee(parts)
        for vectors in self._start_embedder(jobs, ray).parts(
            map(self._flatten_texts, parts_to_embed)
        ):
            yield next(parts_to_yield), self._item_vectors(vectors)

    def compute_vectors(
        self, items: Sequence[Item], jobs: int, ray: str | None
    ) -> NDArray[np.float32]:
        """Return the vectors (N, D) of items."""
        texts = self._flatten_texts(items)
        if jobs == 1 and ray is None:
            return self._item_vectors(self._load_body().encode(texts))
        return self._item_vectors(self._start_embedder(jobs, ray).embed(texts).vectors)

    @cached_property
    def _reader(self) -> Reader | None:
        return Reader.for_body(self._model.body)

    def readings(self, items: Sequence[Item]) -> list[TextReading]:
        """Return what the body reads of each item; of a pair, the text that it reads worse."""
        if self._reader is None:
            return [TextReading(0.0, False, b"")] * len(items)
        readings = list(self._reader.read_texts(self._flatten_texts(items)))
        if self._model.pair is None:
            return readings
        return [
            TextReading(max(a.unknown, b.unknown), a.cut or b.cut, a.tokens + b.tokens)
            for a, b in zip(readings[::2], readings[1::2], strict=True)
        ]

    def close(self) -> None:
        """End the other processes; the next text starts them again."""
        if self.embedder is not None:
            self.embedder.close()
            self.embedder = None

    def check_located(self) -> None:
        """Raise `UserError` if the body on this machine, unloaded, is not the model's.

        A model of the hub that has not been downloaded yet is not checked.
        """
        location = locate_body(self._model.body)
        if location.identity:
            self.check(body_identity(self._model.body, location))

    def check(self, identity: str) -> None:
        """Raise `UserError` unless the identity is that of the model's body."""
        if identity != self._model.body_identity:
            raise UserError(
                f"the language model {self._model.body.model!r} is not the one that this model was trained on (got "
                f"{identity}, expected {self._model.body_identity}). Train again, or install that version of it."
            )

    def _flatten_texts(self, items: Sequence[Item]) -> list[str]:
        """Return the texts of items, two of each pair."""
        check_items(items, pairs=self._model.pair is not None)
        return [part for item in items for part in ((item,) if isinstance(item, str) else item)]

    def _item_vectors(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors of items from those of their texts."""
        check_vectors(vectors, self._model.body)
        if self._model.pair is None:
            return vectors
        return pair_vectors(vectors[::2], vectors[1::2], self._model.pair)

    def _load_body(self) -> Body:
        if self.body is None:
            self.check_located()
            body = Body(self._model.body, light=True)
            self.check(body_identity(self._model.body, body.location))
            self.body = body
        return self.body

    def _start_embedder(self, jobs: int, ray: str | None) -> Embedder:
        if self.embedder is None:
            self.check_located()
            self.embedder = Embedder(self._model.body, jobs=jobs, ray=ray)
            self.check(self.embedder.identity)
        return self.embedder
