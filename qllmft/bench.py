"""Durations of a training step, and of its circuits alone, on this machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import psutil
import torch

from qllmft.config import RunConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.training import PAPER_STEPS, Examples, one_torch_thread, ridge_of, step_of
from qllmft.training.step import Step
from qllmft_backends import Backend
from qllmft_backends.adjoint.peaks import Peaks, passes_of
from qllmft_circuits import encoder_circuit, head_circuit

Workload = Literal["enc", "head"]
EMBEDDING = 768  # D of the workload enc


@dataclass(frozen=True)
class Timing:
    """Result of one workload."""

    name: str  # workload and qubits, or the preset
    batch_size: int  # B
    milliseconds: float  # median duration of a step
    fastest: float  # shortest step, in milliseconds
    slowest: float  # longest step, in milliseconds
    # operations of the circuits per second, in 10⁹; None for a whole training step
    gflops: float | None
    # share of `Peaks.multiply_add_gflops`, in [0, 1]; None for a whole training step
    peak_share: float | None
    memory_mb: float  # memory of this process after the steps, with imports
    paper_run_s: float  # projected duration of the paper's 22,400 steps


def time_circuit(
    workload: Workload, n_qubits: int, peaks: Peaks, batch_size: int = 16, seconds: float = 2.0
) -> Timing:
    """Time the forward pass and the gradient of one circuit, on random angles.

    ``enc``: 28 layers after D = 768 loaded amplitudes, on 10 qubits or more, gradient of the weights. ``head``: R = 4,
    N = 1, M = 2, gradient of weights and data.
    """
    circuit, loaded = (
        (encoder_circuit(n_qubits), EMBEDDING) if workload == "enc" else (head_circuit(n_qubits), 0)
    )
    step, flops = passes_of(circuit, batch_size, loaded)
    return _timing(f"{workload}({n_qubits})", step, batch_size, seconds, flops, peaks)


def time_training(
    name: str, config: RunConfig, dimension: int = EMBEDDING, seconds: float = 2.0
) -> Timing:
    """Time a whole training step of a configuration: forward, loss, backward, Adam, on random embeddings."""
    with training_step(config, dimension, 2, config.train.batch_size) as (*_, step):
        return _timing(name, step, config.train.batch_size, seconds)


@contextmanager
def training_step(
    config: RunConfig,
    dimension: int,
    n_classes: int,
    batch_size: int,
    backend: Backend | None = None,
) -> Iterator[tuple[Classifier, Examples, Step, Callable[[], None]]]:
    """Give a configuration's head, a batch of random embeddings of D values, its `Step`, and a call of it on the batch.

    The head's circuit runs on ``backend``, by default the project's own engine. The call does not include
    `Step.inputs`, because training prepares many batches at once.
    """
    model = build_classifier(config.model, dimension, n_classes, seed=config.seed, backend=backend)
    x = torch.randn(batch_size, dimension, generator=torch.Generator().manual_seed(0))
    batch = Examples(x, torch.arange(batch_size) % n_classes)
    ridge = ridge_of(model, batch.task, config.train, batch_size)
    with one_torch_thread(), step_of(model, ridge=ridge) as way:
        optimizer = torch.optim.Adam(way.parameters(), lr=config.train.lr, fused=True)
        inputs = way.inputs(batch.x)

        def step() -> None:
            way.gradient(inputs, batch.y)
            way.move(optimizer)

        yield model, batch, way, step


def _timing(
    name: str,
    step: Callable[[], None],
    batch_size: int,
    seconds: float,
    flops: float | None = None,
    peaks: Peaks | None = None,
) -> Timing:
    step()  # compiles
    durations: list[float] = []
    until = time.perf_counter() + seconds
    while len(durations) < 3 or time.perf_counter() < until:
        started = time.perf_counter()
        step()
        durations.append(time.perf_counter() - started)
    median = statistics.median(durations)
    gflops = flops / median / 1e9 if flops else None
    return Timing(
        name=name,
        batch_size=batch_size,
        milliseconds=1e3 * median,
        fastest=1e3 * min(durations),
        slowest=1e3 * max(durations),
        gflops=gflops,
        peak_share=gflops / peaks.multiply_add_gflops if gflops and peaks else None,
        memory_mb=psutil.Process().memory_info().rss / 2**20,
        paper_run_s=median * PAPER_STEPS,
    )
