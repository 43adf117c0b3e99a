"""Objects that all steps of a run share, and the backend of its head in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft.config import ModelConfig, RunConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.data import Corpus, Findings, Splits
from qllmft.errors import UserError
from qllmft.events import BackendReady, Message, OnEvent
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.encoder import encoder_program
from qllmft.run.folder import RunFolder
from qllmft.run.inputs import SharedInputs
from qllmft.templates import encoder_template, head_template
from qllmft_backends import Backend, create
from qllmft_backends.adjoint import adjoint_or_none
from qllmft_circuits import readout_observables


@dataclass(frozen=True)
class RunSetup:
    """Objects that all steps of a run share."""

    config: RunConfig  # the whole run
    folder: RunFolder  # of the run
    corpus: Corpus  # all texts
    splits: Splits  # of the texts
    findings: Findings  # of reading and splitting the texts
    backend: Backend  # of the head's circuit
    on_event: OnEvent  # receives the run's events
    inputs: SharedInputs | None  # shared with other runs
    read_test: bool  # embed and read the test set

    def message(self, text: str) -> None:
        """Send a line of text to the listener."""
        self.on_event(Message(text))

    def classifier(self, dimension: int) -> Classifier:
        """Build the run's head on embeddings of D values, or raise UserError if it does not fit."""
        n_classes = self.corpus.n_classes
        return build_classifier(
            self.config.model, dimension, n_classes, seed=self.config.seed, backend=self.backend
        )


def check_circuits(model: ModelConfig, backend: Backend) -> None:
    """Check that the engine runs the circuits of an ansatz other than the paper's."""
    encoder, head, adjoint = encoder_template(model), head_template(model), adjoint_or_none(backend)
    if encoder is not None:
        encoder_program(encoder)
    if head is not None and adjoint is not None:
        engine, _ = adjoint.compile(head, readout_observables(model.n_qubits, "first"))
        adjoint.noisy_pass(head, engine)


def training_backend(
    config: RunConfig, splits: Splits, on_event: OnEvent, options: Mapping[str, Any] | None = None
) -> Backend:
    """Create the backend of the head's circuit in training, and report the number of its circuits.

    Args:
        config: of the run.
        splits: texts of the run, which give the number of circuits.
        on_event: receives a message with this number, and the backend.
        options: of the backend, such as keys, which a configuration may not contain.

    Raises:
        UserError: if the backend sends circuits away and the body is trained.
        BackendError: if the backend cannot be created, or does not run the circuits.
    """
    backend = create(config.backend.name, {**config.backend_options, **(options or {})})
    if config.model.head != "quantum":
        return backend
    if {config.model.ansatz, config.model.ansatz_of_encoders} != {PAPER_ANSATZ}:
        check_circuits(config.model, backend)
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
        on_event(Message(note))
    on_event(BackendReady(backend))
    return backend
