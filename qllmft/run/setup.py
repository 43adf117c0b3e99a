"""What all steps of one run share, and the backend that its head is trained through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig
from qllmft.data import Corpus, Splits
from qllmft.errors import UserError
from qllmft.heads import Classifier, build_classifier
from qllmft.run.folder import RunFolder
from qllmft.run.reporter import Reporter
from qllmft_backends import Backend, create


@dataclass(frozen=True)
class Setup:
    """What all steps of one run share.

    Attributes:
        config: the whole run.
        folder: of the run.
        corpus: the texts as they came.
        splits: who learns from which.
        backend: what runs the head's circuit.
        reporter: who watches.
        read_test: whether the test set is read; without, it is not even embedded.
    """

    config: RunConfig
    folder: RunFolder
    corpus: Corpus
    splits: Splits
    backend: Backend
    reporter: Reporter
    read_test: bool

    def classifier(self, dimension: int) -> Classifier:
        """The run's head on embeddings of D values, with initial weights; UserError where it does not fit on them."""
        n_classes = self.corpus.n_classes
        return build_classifier(self.config.model, dimension, n_classes, seed=self.config.seed, backend=self.backend)


def training_backend(
    config: RunConfig, splits: Splits, reporter: Reporter, options: Mapping[str, Any] | None = None
) -> Backend:
    """What runs the head's circuit in training; says beforehand what will be sent.

    Raises:
        BackendError: where there is no such backend, or training through it was not allowed.
        UserError: where a body is to be trained through circuits that are sent away, or the reporter refuses them.
    """
    backend = create(config.backend.name, {**config.backend.options, **config.noise.backend_options, **(options or {})})
    if config.model.head != "quantum":
        return backend
    there = backend.capabilities
    if config.body.trainable and (there.remote or there.paid):
        raise UserError(
            f"body.trainable is true and the backend is {backend.name!r}, which sends circuits away; a body needs the "
            "gradient of every latent value in every step. Train with the backend 'adjoint' and use the model with "
            f"--backend {backend.name}, or set body.trainable to false."
        )
    sizes, epochs = splits.sizes, config.train.epochs
    evaluations = (epochs + 1) * sizes["validation"] + sizes["test"]
    if note := backend.training_note(sizes["train"], epochs, evaluations):
        reporter.message(note)
    reporter.backend(backend)
    return backend
