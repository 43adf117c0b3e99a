"""Bodies of a run: frozen while the head learns, or trained, alone on pairs of texts first or with the head.

The tuned body of SetFit's contrastive step is kept in the run's folder. A supervised step is made once for all heads
on the same texts: its body is kept in the cache, under a hash of all inputs that decide its bits.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from functools import cached_property
from pathlib import Path

import torch

from qllmft import embed, training  # what a body needs to learn is imported on its first use
from qllmft.config import BodyConfig
from qllmft.data import Table
from qllmft.embed import body_identity, default_cache_folder, locate_body
from qllmft.events import stage
from qllmft.run.lock import sole_use
from qllmft.run.needs import (
    GB,
    LARGE_STATES_BYTES,
    check_memory,
    duration_text,
    epoch_core_seconds,
    time_value_and_gradient,
)
from qllmft.run.setup import RunSetup
from qllmft.run.vectors import Vectors, embed_splits
from qllmft.training import Checkpoint, EndToEnd, Examples
from qllmft_base.randomness import derive_seed
from qllmft_base.text import format_count
from qllmft_engine import thread_count


def tuned_body(setup: RunSetup) -> BodyConfig:
    """Return the body after the contrastive step, which continues from its checkpoint and is made once."""
    config = setup.config
    folder = setup.folder
    train = setup.splits.train
    if config.body.contrastive.loss == "cosine":
        return _load_or_tune_body(setup, folder.contrastive_body, folder.contrastive_checkpoint)
    location = locate_body(config.body)
    # a download tells the hub's commit
    location = location if location.identity else embed.Body(config.body, location).location
    content = [
        body_identity(config.body, location),
        config.body.contrastive.identifying_settings(),
        config.seed,
        train.texts,
        train.labels.tolist(),
        [torch.__version__, torch.get_num_threads(), config.body.device],
    ]
    if "lora" not in config.body.neutral_settings():
        content.append(config.body.lora.model_dump(mode="json"))
    name = hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    shared = default_cache_folder() / f"contrastive-{name}"
    tuned = shared / folder.contrastive_body.name
    if tuned.is_dir():
        setup.message(f"contrastive step: made before on these texts, kept in {shared}")
    with sole_use(shared, setup.message):
        checkpoint = Checkpoint(shared / folder.contrastive_checkpoint.path.name)
        return _load_or_tune_body(setup, tuned, checkpoint)


def _load_or_tune_body(setup: RunSetup, tuned_folder: Path, checkpoint: Checkpoint) -> BodyConfig:
    """Return the tuned body in the folder ``tuned_folder``, and train it unless the folder exists."""
    config = setup.config
    train = setup.splits.train
    settings = config.body.contrastive
    if not tuned_folder.is_dir():
        loaded = embed.Body(config.body)
        adapter = config.body.model_copy(update={"trainable": "lora"})
        adapter_config = adapter if settings.adapts(loaded.n_weights) else None
        body = embed.TrainableBody(
            loaded, derive_seed(config.seed, "adapter"), config=adapter_config
        )
        setup.prepare_classifier(body.body.dimension)  # raises if the head does not fit on the body
        setup.folder.open_for(config, setup.corpus)
        total = training.contrastive_steps(len(train), settings)
        done = checkpoint.epochs_done()
        _announce_contrastive_step(setup, body, total - done, tuned_folder)
        started = time.perf_counter()
        with stage(setup.on_event, "contrastive", total=total, done=done) as advance:
            step_settings = settings.for_adapter if body.adapted else settings
            loss = training.fit_contrastive(
                body, train, step_settings, config.seed, checkpoint=checkpoint, on_step=advance
            )
        name = "squared error" if settings.loss == "cosine" else "loss"
        end = "" if math.isnan(loss) else f", {name} at the end {loss:.4f}"  # NaN: no step was left
        setup.message(f"contrastive step: {time.perf_counter() - started:.0f} s{end}")
        body.save(tuned_folder)
        checkpoint.path.unlink(missing_ok=True)
    from qllmft.embed.adapter import ADAPTER_CONFIG

    # all weights of the body, or an adapter alone
    adapted = (tuned_folder / ADAPTER_CONFIG).exists()
    return (
        config.body.with_adapter(tuned_folder) if adapted else config.body.with_folder(tuned_folder)
    )


def _announce_contrastive_step(
    setup: RunSetup, body: embed.TrainableBody, steps: int, place: Path
) -> None:
    """Report the duration of the contrastive step, from a few texts, and its memory and disk space."""
    settings = setup.config.body.contrastive
    train = setup.splits.train
    cosine = settings.loss == "cosine"
    n_pairs = training.contrastive_pairs(len(train), settings)
    texts = train.texts[: settings.batch_size] if cosine else training.typical_texts(train)
    seconds_per_text = sum(
        time_value_and_gradient(lambda: body(texts).sum(), body, repeats=2)
    ) / len(texts)
    texts_per_epoch = 2 * n_pairs if cosine else len(train)  # texts of an epoch
    remaining_share = steps / training.contrastive_steps(len(train), settings)
    duration = duration_text(remaining_share * settings.epochs * texts_per_epoch * seconds_per_text)
    weights = 4 * body.n_parameters
    memory = (4 * weights + 4 * body.n_frozen) / GB
    learning = f"An adapter of {body.n_parameters:,} weights learns. " if body.adapted else ""
    place_text = "" if cosine else f", in {place.parent}, for all heads on these texts"
    repetition_text = (
        f" Each of {setup.steps - 1} others takes about as long." if setup.steps > 1 else ""
    )
    setup.message(
        f"{setup.config.body.model}: contrastive fine-tuning on {n_pairs:,} pairs of training "
        f"texts{'' if cosine else ' an epoch'}, {format_count(settings.epochs, 'epoch')}, will take about {duration}."
        f"{repetition_text} {learning}It needs {memory:.1f} GB of memory for weights, gradients and moments. "
        f"{'The adapter' if body.adapted else 'The fine-tuned model'} takes {weights / GB:.2f} GB on disk{place_text}."
    )


class FrozenBody:
    """Body that embeds each text once, for the head and its baselines."""

    suffix = ""  # of the head's name
    end_to_end = None

    def __init__(self, setup: RunSetup, body: BodyConfig) -> None:
        self.start = body
        self.head_vectors = self.baseline_vectors = embed_splits(setup, body)
        self.start_identity = self.head_vectors.identity
        self.dimension = self.head_vectors.dimension  # D
        self._setup = setup
        self.classifier = setup.prepare_classifier(self.dimension)  # with its initial weights
        self._epochs_before = setup.folder.checkpoint.epochs_done()  # of earlier calls

    def announce(self, epochs_done: int) -> None:
        """Report the duration of a long training, from one batch, and the memory of the engine's states."""
        config = self._setup.config
        backend = self._setup.backend
        sizes = self._setup.splits.sizes
        epochs = config.train.epochs - epochs_done
        size = config.train.batch_size
        if config.model.head != "quantum" or backend.capabilities.remote:
            return
        if backend.capabilities.adjoint:
            n_classes = self._setup.corpus.n_classes
            memory = check_memory(config, min(size, sizes["train"]), n_classes)
            trajectories = config.noise.shot_test == "per_shot"
            if not epochs or not (trajectories or memory >= LARGE_STATES_BYTES):
                return
            cores = thread_count()
            epoch = epoch_core_seconds(config, self.dimension, n_classes, sizes) / cores
            states = (
                f"{memory / GB:.2g} GB for states, and " if memory >= LARGE_STATES_BYTES else ""
            )
            shots = (
                ", with error trajectories for each shot of a validation text"
                if trajectories
                else ""
            )
            self._setup.message(
                f"Training takes {states}about {duration_text(epoch)} an epoch, "
                f"{duration_text(config.train.epochs * epoch)} in all on {cores} free cores{shots}."
            )
        elif epochs:
            batch = self.head_vectors.train.x[:size]
            model = self.classifier
            forward, backward = time_value_and_gradient(
                lambda: model(batch).sum(), model, repeats=1
            )
            work = (forward + backward) * sizes["train"] + forward * sizes["validation"]
            seconds = work / len(batch)
            self._setup.message(
                f"{backend.name}: an epoch will take about {seconds:.0f} s, {format_count(epochs, 'epoch')} "
                f"{epochs * seconds / 60:.0f} min. The backend adjoint computes the same gradients faster, with "
                "--noise and --shots too."
            )

    @property
    def training_inputs(self) -> tuple[Examples, Examples]:
        """Return the training and validation texts for `TorchHead.fit`."""
        return self.head_vectors.train, self.head_vectors.validation

    def seconds(self, wall: float) -> float:
        """Return the seconds of the training, whose last call took ``wall``, with the epochs of earlier calls."""
        earlier_epochs = self._setup.folder.metrics()[: self._epochs_before]
        return wall + sum(metrics.seconds for metrics in earlier_epochs)

    def save_body(self) -> tuple[BodyConfig, str]:
        """Return the body of the trained head and its identity."""
        return self.start, self.head_vectors.identity


class LearningBody:
    """Body that is trained together with the head, while baselines get its initial weights."""

    suffix = " and body"

    def __init__(self, setup: RunSetup, start: BodyConfig) -> None:
        self._setup = setup
        self._place = setup.folder.trained_body(start)
        make_config = start.with_adapter if start.adapts else start.with_folder
        self._trained = make_config(self._place)
        self._start = start
        # body of the baselines; None: the contrastive step made it, and the head's is another
        self.start = None if setup.config.body.contrastive.switched_on else start
        loaded = embed.Body(start)
        self.start_identity = body_identity(start, loaded.location)
        body = embed.TrainableBody(loaded, derive_seed(setup.config.seed, "adapter"))
        self.dimension = body.body.dimension
        self.classifier = setup.prepare_classifier(self.dimension)
        self.end_to_end = EndToEnd(body, self.classifier)

    def announce(self, epochs_done: int) -> None:
        """Report the duration of training, from one batch, and its memory and disk space."""
        config = self._setup.config
        splits = self._setup.splits
        body = self.end_to_end.body
        if not (epochs := config.train.epochs - epochs_done):
            return
        batch = splits.train.texts[: config.train.batch_size]
        forward, backward = time_value_and_gradient(
            lambda: self.end_to_end(batch).sum(), self.end_to_end
        )
        work = (forward + backward) * len(splits.train) + forward * len(splits.validation)
        epoch = work / len(batch)
        weights = 4 * body.n_parameters
        frozen = 4 * body.n_frozen
        learning = (
            f"an adapter of {body.n_parameters:,} weights learns too, beside {body.n_frozen / 1e6:.1f} million "
            "frozen ones."
            if body.adapted
            else f"its {body.n_parameters / 1e6:.1f} million weights learn too."
        )
        memory = (5 * weights + frozen) / GB
        saving = (13 * weights + frozen) / GB
        self._setup.message(
            f"{config.body.model}: {learning} An epoch will take about {duration_text(epoch)}, "
            f"{format_count(epochs, 'epoch')} {duration_text(epochs * epoch)}. Memory for weights, gradients, moments "
            f"and the best weights: {memory:.1f} GB, or {saving:.1f} GB when a checkpoint is written. "
            f"On disk: {4 * weights / GB:.1f} GB until the run is finished, then {weights / GB:.2f} GB."
        )

    @property
    def training_inputs(self) -> tuple[Table, Table]:
        """Return the training and validation texts for `TorchHead.fit`."""
        return self._setup.splits.train, self._setup.splits.validation

    def seconds(self, wall: float) -> float:
        """Return the seconds of all epochs of the training, those of earlier calls included."""
        del wall
        return sum(metrics.seconds for metrics in self._setup.folder.metrics())

    def save_body(self) -> tuple[BodyConfig, str]:
        """Save the body of the selected epoch in the model's folder and return it with its identity."""
        self.end_to_end.body.save(self._place)
        return self._trained, body_identity(self._trained, locate_body(self._trained))

    @cached_property
    def head_vectors(self) -> Vectors:
        """Return the texts as the trained body embeds them."""
        return embed_splits(self._setup, self._trained)

    @cached_property
    def baseline_vectors(self) -> Vectors:
        """Return the texts as the body embedded them before training."""
        return embed_splits(self._setup, self._start)


RunBody = FrozenBody | LearningBody


def make_body(setup: RunSetup) -> RunBody:
    """Return the run's body, after its contrastive step if it has one."""
    start = tuned_body(setup) if setup.config.body.contrastive.switched_on else setup.config.body
    return LearningBody(setup, start) if setup.config.body.trainable else FrozenBody(setup, start)
