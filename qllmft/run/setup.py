"""Objects that all steps of a run share, inputs that runs of one process share, and the backend in training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig, DataConfig, ModelConfig, RunConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.data import Corpus, Findings, Splits, read_corpus, split_corpus
from qllmft.embed import Embeddings, embed
from qllmft.embed.embedder import pair_size
from qllmft.events import BackendReady, DataChecked, Message, OnEvent
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.encoder import encoder_program
from qllmft.run.device import compile_engine
from qllmft.run.folder import RunFolder
from qllmft.templates import encoder_template, head_template
from qllmft_backends import Backend, create
from qllmft_base.errors import UserError
from qllmft_circuits import readout_observables
from qllmft_engine import adjoint_or_none

MAX_MEMORY_BYTES = 512 * 2**20  # of the embeddings in memory; the disk has them too

Embed = Callable[[Sequence[str]], Embeddings]


class SharedInputs:
    """Inputs of the runs of one process, each read or computed once.

    The numbers of a run do not depend on sharing. Files that change while a campaign runs are not read again.

    Attributes:
        keeps_vectors: whether embeddings stay in memory; one run alone needs them once.
    """

    def __init__(
        self, corpora: Mapping[DataConfig, Corpus] | None = None, *, keeps_vectors: bool = True
    ) -> None:
        self.keeps_vectors = keeps_vectors
        self._corpora = dict(corpora or {})
        self._splits: dict[tuple[DataConfig, int], Splits] = {}
        # identity of each body, and its vectors (D,) by text
        self._embedded: dict[BodyConfig, tuple[str, dict[str, NDArray[np.float32]]]] = {}
        self._dimensions: dict[BodyConfig, int] = {}

    def corpus(self, data: DataConfig) -> Corpus:
        """Return the texts of ``data``."""
        if data not in self._corpora:
            self._corpora[data] = read_corpus(data)
        return self._corpora[data]

    def add(self, data: DataConfig, corpus: Corpus) -> None:
        """Keep a corpus as the texts of ``data``."""
        self._corpora[data] = corpus

    def splits(self, data: DataConfig, seed: int) -> Splits:
        """Return the splits of the texts of ``data``, as `split_corpus` makes them."""
        key = data, seed
        if key not in self._splits:
            self._splits[key] = split_corpus(self.corpus(data), data, seed)
        return self._splits[key]

    def check(self, data: DataConfig, seed: int) -> DataChecked:
        """Return the findings about the texts of ``data``, and the number of each label in the parts of the split."""
        corpus = self.corpus(data)
        splits = self.splits(data, seed)
        findings = splits.findings(corpus)
        return DataChecked(findings, splits.in_words, corpus.tables, splits.label_table(corpus))

    def dimension(self, config: RunConfig) -> int:
        """Return D, the length of a text's embedding or a pair's vector by the run's body, from one training text."""
        if config.body not in self._dimensions:
            text = self.splits(config.data, config.seed).train.texts[:1]
            self._dimensions[config.body] = embed(text, config.body).vectors.shape[1]
        text_dimension = self._dimensions[config.body]
        return pair_size(text_dimension, config.data.pair)

    def embed(self, texts: Sequence[str], body: BodyConfig, compute: Embed) -> Embeddings:
        """Return the embeddings of N texts; ``compute`` embeds those not in memory, or all if the body has changed."""
        identity, cached_vectors = self._embedded.get(body, ("", {}))
        missing = list(dict.fromkeys(text for text in texts if text not in cached_vectors))
        if not missing:
            return Embeddings(np.stack([cached_vectors[text] for text in texts]), identity)
        embeddings = compute(missing)
        if cached_vectors and embeddings.identity != identity:
            cached_vectors = {}
            missing = list(dict.fromkeys(texts))
            embeddings = compute(missing)
        vectors = cached_vectors | dict(zip(missing, embeddings.vectors, strict=True))
        if sum(vector.nbytes for vector in vectors.values()) <= MAX_MEMORY_BYTES:
            self._embedded[body] = embeddings.identity, vectors
        return replace(embeddings, vectors=np.stack([vectors[text] for text in texts]))


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
    steps: int = 1  # number of contrastive steps that are left, this one included

    def message(self, text: str) -> None:
        """Send a line of text to the listener."""
        self.on_event(Message(text))

    def prepare_classifier(self, dimension: int) -> Classifier:
        """Compile what a new installation lacks, and build the run's head on embeddings of D values.

        Raises:
            UserError: if the head does not fit on the embeddings.
        """
        n_classes = self.corpus.n_classes
        compile_engine(self.config, dimension, n_classes, self.splits.sizes, self.on_event)
        return build_classifier(
            self.config.model, dimension, n_classes, seed=self.config.seed, backend=self.backend
        )


def check_circuits(model: ModelConfig, backend: Backend) -> None:
    """Check that the engine runs the circuits of an ansatz other than the paper's."""
    encoder = encoder_template(model)
    head = head_template(model)
    adjoint = adjoint_or_none(backend)
    if encoder is not None:
        encoder_program(encoder)
    if head is not None and adjoint is not None:
        engine, _ = adjoint.compile(head, readout_observables(model.register_qubits, "first"))
        adjoint.noisy_pass(head, engine)


def training_backend(
    config: RunConfig,
    splits: Splits,
    n_classes: int,
    on_event: OnEvent,
    options: Mapping[str, Any] | None,
) -> Backend:
    """Create the backend of the head's circuit in training, and report the number of its circuits.

    Args:
        config: of the run.
        splits: texts of the run, which give the number of circuits.
        n_classes: k, number of labels.
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
    capabilities = backend.capabilities
    if config.body.trainable and (capabilities.remote or capabilities.paid):
        raise UserError(
            f"body.trainable is true and the backend is {backend.name!r}, which sends circuits away. A language model "
            "needs the gradient of every latent value in every step. Train with the backend 'adjoint' and use the "
            f"model with --backend {backend.name}, or set body.trainable to false."
        )
    if splits.folds is not None and (capabilities.remote or capabilities.paid):
        raise UserError(
            f"data.validation_folds is {splits.n_folds} and the backend is {backend.name!r}, which sends circuits "
            f"away: it would train {splits.n_folds + 1} times. Train with the backend 'adjoint' and use the model with "
            f"--backend {backend.name}, or leave data.validation_folds out."
        )
    sizes = splits.sizes
    epochs = config.train.epochs
    evaluations = (epochs + 1) * sizes["validation"] + sizes["test"]
    circuits = config.model.for_labels(n_classes).registers  # of a text
    if note := backend.training_note(circuits * sizes["train"], epochs, circuits * evaluations):
        on_event(Message(note))
    on_event(BackendReady(backend))
    return backend
