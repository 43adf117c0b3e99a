"""Requirements of training: memory for states, processor time from a few timed steps, and durations in words."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from qllmft.config import RunConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.training import (
    Examples,
    choose_strategy,
    compute_logits,
    exact_score,
    one_torch_thread,
    open_step,
)
from qllmft.training.step import TrainingStep
from qllmft_backends import Backend, create
from qllmft_base.errors import UserError

GB = 1e9
# bytes of states from which training is announced: 18 qubits with a batch of 16
LARGE_STATES_BYTES = 48e6
MAX_TIMED_AMPLITUDES = 2**22  # largest number of amplitudes in a timed batch
TIMED_SECONDS = 0.5  # least processor time of the repetitions that are timed


def time_value_and_gradient(
    compute_value: Callable[[], Tensor], module: nn.Module, repeats: int = 3
) -> tuple[float, float]:
    """Measure the wall time of ``compute_value``, one number, and of its gradient, in seconds.

    The weights stay as they are. The fastest repetition counts: the first one compiles, and other processes may
    delay any.
    """
    module.eval()
    best = (float("inf"), float("inf"))
    for _ in range(repeats):
        started = time.perf_counter()
        result = compute_value()
        forward = time.perf_counter() - started
        result.backward()  # type: ignore[no-untyped-call]
        best = min(best, (forward, time.perf_counter() - started - forward), key=sum)
    module.zero_grad()
    return best


def duration_text(seconds: float) -> str:
    """Return a duration in words.

    >>> duration_text(89), duration_text(120), duration_text(9000)
    ('89 s', '2 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def check_memory(config: RunConfig, batch: int, n_classes: int) -> int:
    """Return the bytes of a training step: states of all circuits and the co-states of one.

    Args:
        config: of the run.
        batch: number of texts in a step.
        n_classes: k, number of labels, on which the numbers of encoders and qubits may depend.

    Raises:
        UserError: if they are more than this machine has free.
    """
    if config.backend.options.get("device", "cpu") != "cpu":
        return 0
    model = config.model.for_labels(n_classes)
    free_bytes = int(psutil.virtual_memory().available)
    qubits = [model.latent_encoder_qubits] * model.encodings
    # shots need as much again for the outcomes
    qubits += [model.register_qubits] * model.registers * (2 if config.noise.shots else 1)
    bytes_per_text = 4 * sum(1 << q for q in [*qubits, max(qubits)])
    if batch * bytes_per_text > free_bytes:
        raise UserError(
            f"training on {max(qubits)} qubits needs {batch * bytes_per_text / GB:.1f} GB for the states of {batch} "
            f"texts, and {free_bytes / GB:.1f} GB are free: {free_bytes // bytes_per_text} texts fit. Set "
            "train.batch_size, or take fewer qubits."
        )
    return batch * bytes_per_text


def epoch_core_seconds(
    config: RunConfig, dimension: int, n_classes: int, sizes: dict[str, int]
) -> float:
    """Measure an epoch on random embeddings of D values, in processor seconds summed over cores.

    Args:
        config: of the run; its batch is made smaller if its states have more than 2²² amplitudes.
        dimension: D, length of an embedding.
        n_classes: k, number of labels.
        sizes: number of texts by split.
    """
    backend = create(config.backend.name, config.backend_options)
    model_config = config.model.for_labels(n_classes)
    max_rows = MAX_TIMED_AMPLITUDES >> max(
        model_config.register_qubits, model_config.latent_encoder_qubits
    )
    rows = min(config.train.batch_size, sizes["train"], max(1, max_rows))
    with training_step(config, dimension, n_classes, rows, backend) as (
        model,
        batch,
        gradient_step,
        step,
    ):
        training = _core_seconds(lambda: (gradient_step.inputs(batch.x), step()))
        validation_batch = batch  # one text is enough where each shot has a trajectory
        if config.noise.shot_test == "per_shot":
            validation_batch = batch.take(np.arange(1))
        validation = _core_seconds(
            lambda: (
                compute_logits(model, validation_batch.x),
                exact_score(model, validation_batch),
            )
        )
    return training * sizes["train"] / rows + validation * sizes["validation"] / len(
        validation_batch
    )


@contextmanager
def training_step(
    config: RunConfig,
    dimension: int,
    n_classes: int,
    batch_size: int,
    backend: Backend | None = None,
) -> Iterator[tuple[Classifier, Examples, TrainingStep, Callable[[], None]]]:
    """Give a configuration's head, a batch of random embeddings of D values, its step, and a call of it on the batch.

    The call does not include `TrainingStep.inputs`, because training prepares many batches at once.

    Args:
        config: of the run.
        dimension: D, length of an embedding.
        n_classes: k, number of labels.
        batch_size: B, number of embeddings.
        backend: of the head's circuit; None: the project's own engine.
    """
    model = build_classifier(config.model, dimension, n_classes, seed=config.seed, backend=backend)
    x = torch.randn(batch_size, dimension, generator=torch.Generator().manual_seed(0))
    batch = Examples(x, torch.arange(batch_size) % n_classes)
    ridge = choose_strategy(model, config.train).ridge(batch.task, batch_size)
    with one_torch_thread(), open_step(model, ridge=ridge) as gradient_step:
        optimizer = torch.optim.Adam(gradient_step.parameters(), lr=config.train.lr, fused=True)
        inputs = gradient_step.inputs(batch.x)

        def step() -> None:
            gradient_step.gradient(inputs, batch.y)
            gradient_step.move(optimizer)

        yield model, batch, gradient_step, step


def _core_seconds(work: Callable[[], object]) -> float:
    """Return the median processor time of at least two repetitions, after one that compiles."""
    durations: list[float] = []
    while len(durations) < 3 or sum(durations[1:]) < TIMED_SECONDS:
        started = time.process_time()
        work()
        durations.append(time.process_time() - started)
    return statistics.median(durations[1:])
