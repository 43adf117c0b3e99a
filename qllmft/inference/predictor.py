"""A trained model that takes texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import softmax

from qllmft.embed import Body, body_identity, check_body_folder, check_finite, locate_body
from qllmft.errors import UserError
from qllmft.files import write_text
from qllmft.heads.quantum import exact_backend
from qllmft.inference.bootstrap import Bootstrap, bootstrap
from qllmft.inference.card import CARD, model_card
from qllmft.inference.hub import download, is_hub_name, portable, upload
from qllmft.inference.measurement import Measurement, head_request, measure
from qllmft.model.store import StoredModel, load_model, save_model
from qllmft.training import finite_logits
from qllmft.versions import versions
from qllmft_backends import Backend, Estimate, remote_or_none


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    Attributes:
        text: what was asked.
        label: name of the most probable label.
        probabilities: by label name; softmax of the logits, not calibrated.
        standard_error: of the label's probability, from the measurements; 0 where the head was computed exactly.
        decided: False where the lead of the label is within its 95 % interval at this number of shots.
    """

    text: str
    label: str
    probabilities: dict[str, float]
    standard_error: float = 0.0
    decided: bool = True


class Predictor:
    """A trained model with its body, which is loaded with the first text; without a backend it is computed exactly.

    ``folder`` is where the model was read from: its record goes into a model card.
    """

    def __init__(self, model: StoredModel, backend: Backend | None = None, folder: Path | None = None) -> None:
        self.model = model
        self.backend = backend
        self.folder = folder
        self._body: Body | None = None

    @classmethod
    def load(cls, run: Path | str, backend: Backend | None = None) -> Predictor:
        """The model of a run's folder."""
        return cls(load_model(Path(run)), backend, Path(run))

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, backend: Backend | None = None, *, token: str | None = None
    ) -> Predictor:
        """The model of a folder, or of the hub where there is no such folder.

        Args:
            name_or_path: the folder of a run or of `save_pretrained`; as text also ``owner/name`` or
                ``owner/name@revision`` of the hub.
            backend: what runs the head; None: it is computed here, exactly.
            token: of the hub, for a private model; the environment's or that of ``hf auth login`` where None.

        Raises:
            UserError: where there is no model, or it fails the checks of `load_model` and `check_body_folder`; nothing
                of it was run then.
        """
        if isinstance(name_or_path, Path) or Path(name_or_path).exists() or not is_hub_name(name_or_path):
            return cls.load(name_or_path, backend)
        found = cls.load(download(name_or_path, token), backend)
        if found.model.own_body:
            check_body_folder(Path(found.model.body.model))
        return found

    def save_pretrained(self, folder: str | Path, name: str | None = None) -> Path:
        """Write weights, ``model.json`` and a model card into a new folder, to be moved or shared.

        A body of the hub is named with its commit; one that learned, or lies in a folder, is copied to ``body``.

        Args:
            folder: a new or empty one.
            name: what the card calls the model and loads; the folder's name where None.

        Returns:
            The folder.

        Raises:
            UserError: where the folder holds something, or the body is another one or holds code.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"{folder} exists and is not an empty folder. Choose another one.")
        self.check_located_body()
        save_model(folder, portable(self.model, folder), versions())
        write_text(folder / CARD, model_card(self.model, name or folder.resolve().name, self.folder))
        return folder

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
        """Upload what `save_pretrained` writes to the Hugging Face hub; a repository that is not there is made.

        Args:
            repo_id: ``owner/name``.
            private: whether a new repository is private.
            token: one that may write; the environment's or that of ``hf auth login`` where None.

        Returns:
            The address of the commit.

        Raises:
            UserError: where the hub refuses it or is not reached. No message holds the token.
        """
        with TemporaryDirectory() as place:
            return upload(self.save_pretrained(Path(place) / "model", repo_id), repo_id, private, token)

    def predict(self, texts: Iterable[str]) -> list[Prediction]:
        """Predictions for ``texts``, in their order; a string is one text."""
        return list(self.stream(texts))

    def stream(self, texts: Iterable[str], batch_size: int | None = None) -> Iterator[Prediction]:
        """Predictions one after the other, in constant memory however many texts there are.

        Args:
            texts: read as they are needed; a string is one text. An error of the reading is raised when the texts
                before it are answered.
            batch_size: texts embedded at once; the body's own by default.
        """
        for batch in _batches([texts] if isinstance(texts, str) else texts, batch_size or self.model.body.batch_size):
            vectors = self.embed(batch)
            if self.backend is None:
                yield from self.predictions(batch, self.probabilities(vectors))
            else:
                yield from self.measured_predictions(batch, self.measure(vectors))

    def predictions(self, texts: Sequence[str], probabilities: NDArray[np.floating]) -> Iterator[Prediction]:
        """Predictions of ``texts`` from probabilities (N, k)."""
        names = self.model.label_names
        for text, row in zip(texts, probabilities, strict=True):
            yield Prediction(text, names[int(row.argmax())], dict(zip(names, row.tolist(), strict=True)))

    def measured_predictions(self, texts: Sequence[str], measured: Measurement) -> Iterator[Prediction]:
        """Predictions of ``texts`` from what a backend measured."""
        for i, prediction in enumerate(self.predictions(texts, measured.probabilities)):
            error = float(measured.standard_errors[i, measured.probabilities[i].argmax()])
            yield replace(prediction, standard_error=error, decided=bool(measured.decided[i]))

    def measure(self, vectors: NDArray[np.float32]) -> Measurement:
        """What the backend measures for embeddings (N, D); exact values where there is no backend."""
        request = head_request(self.model.classifier, vectors)
        backend = self.backend or exact_backend(request.circuit, "float64")
        return measure(self.model.classifier, request, backend)

    def estimate(self, vectors: NDArray[np.float32], *, offline: bool = False) -> Estimate:
        """Return the circuits that the remote backend would be sent for embeddings (N, D), and their price.

        ``offline``: use published prices, without a request to the server.
        """
        remote = remote_or_none(self.backend) if self.backend is not None else None
        if remote is None:
            raise UserError("a price needs a backend that sends circuits away; name one with --backend.")
        request = head_request(self.model.classifier, vectors)
        return remote.estimate(request.circuit, request.parameters, offline=offline)

    def bootstrap(self, vectors: NDArray[np.float32], repeats: int, seed: int = 0) -> Bootstrap:
        """How the probabilities for embeddings (N, D) scatter over draws of the measured shots; see `bootstrap`."""
        return bootstrap(
            self.model.classifier, head_request(self.model.classifier, vectors), self.backend, repeats, seed
        )

    def exact(self, vectors: NDArray[np.float32]) -> Measurement:
        """Exact values for embeddings (N, D), to lay beside those of a backend."""
        return Predictor(self.model).measure(vectors)

    def probabilities(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Softmax of the logits (N, k) for embeddings (N, D); UserError where they are not finite."""
        return np.asarray(softmax(finite_logits(self.model.classifier, torch.from_numpy(vectors)), dim=1).numpy())

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings (N, D) of texts, none of them empty; loads the body with the first call.

        Raises:
            UserError: where a text is empty, the body is another one, or an embedding is no finite number.
        """
        for text in texts:
            if not text.strip():
                raise UserError("a text is empty; there is nothing to classify in it.")
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise UserError(f"the text {text[:40]!r} holds half of a surrogate pair; expected text in UTF-8.")
        if self._body is None:
            self.check_located_body()
            body = Body(self.model.body, light=True)
            self.check_body(body_identity(self.model.body, body.location))
            self._body = body
        vectors = self._body.encode(texts)
        check_finite(vectors, self.model.body)
        return vectors

    def check_located_body(self) -> None:
        """Make sure, without loading it, that the body is the one that the model was trained on.

        A model of the hub that is not on this machine yet has no identity before it is loaded.
        """
        location = locate_body(self.model.body)
        if location.identity:
            self.check_body(body_identity(self.model.body, location))

    def check_body(self, identity: str) -> None:
        """Make sure that a body is the one that the model was trained on; UserError where not."""
        if identity != self.model.body_identity:
            raise UserError(
                f"the body {self.model.body.model!r} is not the one that this model was trained on "
                f"(got {identity}, expected {self.model.body_identity}). Train again, or install that version of it."
            )


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of ``size`` texts; where the reading fails, first the texts before, then the error."""
    iterator = iter(texts)
    while True:
        batch: list[str] = []
        try:
            batch.extend(islice(iterator, size))
        except Exception:
            if batch:
                yield batch
            raise
        if not batch:
            return
        yield batch
