"""A trained model that takes texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import softmax

from qllmft.config import BackendConfig
from qllmft.embed import Body, body_identity
from qllmft.errors import UserError
from qllmft.run.model_store import StoredModel, load_model
from qllmft.train import logits_of
from qllmft_backends import Backend


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: what was asked.
        label: name of the most probable label.
        probabilities: by label name; softmax of the logits, not calibrated.
    """

    text: str
    label: str
    probabilities: dict[str, float]


class Predictor:
    """A trained model with its body; the body is loaded with the first text.

    Args:
        model: from `load_model`.
    """

    def __init__(self, model: StoredModel) -> None:
        self.model = model
        self._body: Body | None = None

    @classmethod
    def load(cls, run: Path | str, backend: Backend | BackendConfig | None = None) -> Predictor:
        """The model of a run's folder."""
        return cls(load_model(Path(run), backend))

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Predictions for ``texts``, in their order."""
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str], batch_size: int | None = None) -> Iterator[Prediction]:
        """Predictions one after the other, in constant memory however many texts there are.

        Args:
            texts: read as they are needed.
            batch_size: texts embedded at once; the body's own by default.
        """
        iterator = iter(texts)
        while batch := list(islice(iterator, batch_size or self.model.body.batch_size)):
            for text, row in zip(batch, self.probabilities(self._embed(batch)), strict=True):
                by_name = dict(zip(self.model.label_names, row.tolist(), strict=True))
                yield Prediction(text, self.model.label_names[int(row.argmax())], by_name)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Softmax of the logits (N, k) for embeddings (N, D)."""
        return np.asarray(softmax(logits_of(self.model.classifier, torch.from_numpy(vectors)), dim=1).numpy())

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        for text in texts:
            if not text.strip():
                raise UserError("a text is empty; there is nothing to classify in it.")
        if self._body is None:
            body = Body(self.model.body)
            self.check_body(body_identity(self.model.body, body.location))
            self._body = body
        return self._body.encode(texts)

    def check_body(self, identity: str) -> None:
        """Make sure that a body is the one that the model was trained on.

        Raises:
            UserError: where it is not.
        """
        if identity != self.model.body_identity:
            raise UserError(
                f"the body {self.model.body.model!r} is not the one that this model was trained on "
                f"(got {identity}, expected {self.model.body_identity}). Train again, or install that version of it."
            )
