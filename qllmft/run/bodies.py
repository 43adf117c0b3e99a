"""The two kinds of a run's body: frozen while the head learns, or learning together with it."""

from __future__ import annotations

import time
from functools import cached_property

from qllmft.baselines import TrainedHead
from qllmft.config import BodyConfig
from qllmft.embed import Body, TrainableBody, body_identity, locate_body
from qllmft.run.contrastive import tuned_body
from qllmft.run.needs import LARGE, check_memory, epoch_core_seconds
from qllmft.run.setup import RunSetup
from qllmft.run.timing import GB, minutes, seconds_of
from qllmft.run.vectors import Vectors, vectors_of
from qllmft.training import EndToEnd
from qllmft_backends.adjoint.thread_pool import thread_count


class FrozenBody:
    """A body whose texts are embedded once, for the head and its baselines alike.

    Attributes:
        suffix: of the head's name.
        dimension: D, the length of an embedding.
        classifier: the run's head, with its initial weights.
        head_vectors: what the trained head reads: the embeddings.
        baseline_vectors: what its baselines read: the same embeddings.
    """

    suffix = ""

    def __init__(self, setup: RunSetup, body: BodyConfig) -> None:
        self._setup = setup
        self._body = body
        self.head_vectors = self.baseline_vectors = vectors_of(setup, body)
        self.dimension = self.head_vectors.dimension
        self.classifier = setup.classifier(self.dimension)

    def announce(self, epochs_done: int) -> None:
        """Where it is long: how long training will take, from one batch, and the memory of the engine's states."""
        config, backend, sizes = self._setup.config, self._setup.backend, self._setup.splits.sizes
        if config.model.head != "quantum" or backend.capabilities.remote:
            return
        if backend.capabilities.adjoint:
            memory, cores = check_memory(config, min(config.train.batch_size, sizes["train"])), thread_count()
            if memory >= LARGE and epochs_done < config.train.epochs:
                epoch = epoch_core_seconds(config, self.dimension, self._setup.corpus.n_classes, sizes) / cores
                took = f"{minutes(epoch)} an epoch, {minutes(config.train.epochs * epoch)} in all on {cores} free cores"
                self._setup.message(f"Training takes {memory / GB:.2g} GB for states, and about {took}.")
            return
        batch = self.head_vectors.train.x[: config.train.batch_size]
        forward, backward = seconds_of(lambda: self.classifier(batch).sum(), self.classifier, repeats=1)
        seconds = ((forward + backward) * sizes["train"] + forward * sizes["validation"]) / len(batch)
        epochs = config.train.epochs - epochs_done
        self._setup.message(
            f"{backend.name}: an epoch will take about {seconds:.0f} s, {epochs} epochs {epochs * seconds / 60:.0f} "
            "min. The backend adjoint computes the same gradients faster, with --noise and --shots too."
        )

    def fit(self, head: TrainedHead) -> float:
        """Train ``head``, which holds `classifier`, on the embeddings; returns the seconds that it took."""
        started = time.perf_counter()
        head.fit(self.head_vectors.train, self.head_vectors.validation)
        return time.perf_counter() - started

    def saved(self) -> tuple[BodyConfig, str]:
        """The body that the trained head reads, as it was, and its identity."""
        return self._body, self.head_vectors.identity


class LearningBody:
    """A body whose weights learn together with the head's; its baselines show what that brings. See `FrozenBody`."""

    suffix = " and body"

    def __init__(self, setup: RunSetup, start: BodyConfig) -> None:
        self._setup = setup
        self._start, self._trained = start, start.saved_in(setup.folder.model_body)
        body = TrainableBody(Body(start))
        self.dimension = body.body.dimension
        self.classifier = setup.classifier(self.dimension)
        self._model = EndToEnd(body, self.classifier)

    def announce(self, epochs_done: int) -> None:
        """How long training will take, from one batch, and what memory and disk it needs."""
        config, splits, body = self._setup.config, self._setup.splits, self._model.body
        size = config.train.batch_size
        forward, backward = seconds_of(lambda: self._model(splits.train.texts[:size]).sum(), self._model)
        sizes, weights = splits.sizes, 4 * body.n_parameters
        epoch = ((forward + backward) * sizes["train"] + forward * sizes["validation"]) / min(size, sizes["train"])
        epochs = config.train.epochs - epochs_done
        self._setup.message(
            f"{config.body.model}: its {body.n_parameters / 1e6:.1f} million weights learn too. An epoch will take "
            f"about {minutes(epoch)}, {epochs} epochs {minutes(epochs * epoch)}; {5 * weights / GB:.1f} GB of memory "
            f"for weights, gradients, moments and the best weights ({13 * weights / GB:.1f} GB while a checkpoint is "
            f"written); {4 * weights / GB:.1f} GB on disk until the run is finished, then {weights / GB:.2f} GB."
        )

    def fit(self, head: TrainedHead) -> float:
        """Train the head and the body on the texts; returns the seconds of all epochs, whenever they were trained."""
        head.fit_with_body(self._model, self._setup.splits.train, self._setup.splits.validation)
        return sum(metrics.seconds for metrics in self._setup.folder.metrics())

    def saved(self) -> tuple[BodyConfig, str]:
        """The body with the weights of the selected epoch, in the folder of the model."""
        self._model.body.save(self._setup.folder.model_body)
        return self._trained, body_identity(self._trained, locate_body(self._trained))

    @cached_property
    def head_vectors(self) -> Vectors:
        """Texts as the body embeds them after training."""
        return vectors_of(self._setup, self._trained)

    @cached_property
    def baseline_vectors(self) -> Vectors:
        """Texts as the body embedded them before training."""
        return vectors_of(self._setup, self._start)


RunBody = FrozenBody | LearningBody


def body_of(setup: RunSetup) -> RunBody:
    """The run's body, after the contrastive step where it has one; UserError where the head does not fit on it."""
    start = tuned_body(setup) if setup.config.body.contrastive.switched_on else setup.config.body
    return LearningBody(setup, start) if setup.config.body.trainable else FrozenBody(setup, start)
