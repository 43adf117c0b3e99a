"""How long a training step takes on this machine, and what share of the machine that is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import psutil
import torch

from qllmft.config import RunConfig
from qllmft.heads import build_classifier
from qllmft.training import PAPER_STEPS, one_torch_thread, step_of
from qllmft_backends.adjoint import AdjointEngine, lower
from qllmft_backends.adjoint.compiled.peak import multiply_add, rotate
from qllmft_backends.adjoint.thread_pool import thread_count
from qllmft_circuits import encoder_circuit, head_circuit

Workload = Literal["enc", "head"]
EMBEDDING = 768  # D of the workload enc
# A rotation by its tangent is two multiply-adds a pair of amplitudes forward. Backward it is four to undo it on state
# and co-state, and two for the gradient.
FORWARD_FLOPS, BACKWARD_FLOPS = 2, 6  # an amplitude and gate


@dataclass(frozen=True)
class Peaks:
    """What this machine can do, measured with all of the engine's threads.

    Attributes:
        multiply_add_gflops: float32 multiply-adds in registers: the arithmetic peak.
        rotation_gflops: rotations on an array in the first-level cache, each loaded and stored.
        copy_gb_s: memory copied, bytes read and written counted.
    """

    multiply_add_gflops: float
    rotation_gflops: float
    copy_gb_s: float


@dataclass(frozen=True)
class Timing:
    """One measured workload.

    Attributes:
        name: workload and qubits, or the preset.
        batch_size: B.
        milliseconds: median of a step.
        fastest, slowest: of all steps, in milliseconds.
        gflops: executed in the circuits, a second; None for a whole training step.
        peak_share: of `Peaks.multiply_add_gflops`, in [0, 1]; None for a whole training step.
        memory_mb: of this process after the steps, imports included.
        paper_run_s: projected time of the paper's 22,400 steps.
    """

    name: str
    batch_size: int
    milliseconds: float
    fastest: float
    slowest: float
    gflops: float | None
    peak_share: float | None
    memory_mb: float
    paper_run_s: float


def measure_peaks() -> Peaks:
    """Measure the machine; about a second."""
    threads = thread_count()
    with ThreadPoolExecutor(threads) as pool:
        return _peaks(threads, lambda work: list(pool.map(work, range(threads))))


def _peaks(threads: int, on_each: Callable[[Callable[[int], object]], object]) -> Peaks:
    """The same; ``on_each`` calls its argument with 0, 1, ... on a thread each."""
    registers = np.full((threads, 14 * 16), 1.0, np.float32)
    repeats = 2_000_000
    seconds = _best(lambda: on_each(lambda i: multiply_add(registers[i], repeats)))
    multiply_adds = threads * repeats * 24 * 16 / seconds / 1e9
    cached = np.full((threads, 4096), 1.0, np.float32)  # 16 KiB
    seconds = _best(lambda: on_each(lambda i: rotate(cached[i], 20_000)))
    rotations = threads * 20_000 * 4096 * 2 / seconds / 1e9
    source = np.ones((threads, 32 * 2**20), np.float32)
    target = np.empty_like(source)
    seconds = _best(lambda: on_each(lambda i: np.copyto(target[i], source[i])))
    return Peaks(multiply_adds, rotations, 2 * source.nbytes / seconds / 1e9)


def _best(work: Callable[[], object], times: int = 4) -> float:
    """Seconds of the fastest of some runs, the first not counted."""
    work()
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def time_circuit(workload: Workload, n_qubits: int, peaks: Peaks, batch_size: int = 16, seconds: float = 2.0) -> Timing:
    """Forward and gradient of one circuit, on random angles.

    Args:
        workload: ``enc``: 28 layers behind D = 768 loaded amplitudes, gradient of the weights. ``head``: R = 4, N = 1,
            M = 2, gradient of weights and data.
        n_qubits: Q; the encoder needs 10 or more.
        peaks: to hold it against.
        batch_size: B.
        seconds: to measure for.
    """
    random = np.random.default_rng(0)
    program = lower(encoder_circuit(n_qubits) if workload == "enc" else head_circuit(n_qubits))
    engine = AdjointEngine(program, 1 << np.arange(n_qubits, dtype=np.int64))
    amplitudes = None
    if workload == "enc":
        amplitudes = random.normal(size=(batch_size, EMBEDDING)).astype(np.float32)
        amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
        angles = random.uniform(-np.pi, np.pi, program.n_angles)
    else:
        angles = program.angles(random.uniform(-np.pi, np.pi, (batch_size, len(program.parameters))))
    angles = angles.astype(np.float32)  # as training has them
    cotangent = random.normal(size=(batch_size, n_qubits))

    def step() -> None:
        _, tape = engine.forward(angles, amplitudes)
        engine.vjp(tape, cotangent)

    flops = (FORWARD_FLOPS + BACKWARD_FLOPS) * program.n_angles * 2**n_qubits * batch_size
    return _timing(f"{workload}({n_qubits})", step, batch_size, seconds, flops, peaks)


def time_training(name: str, config: RunConfig, dimension: int = EMBEDDING, seconds: float = 2.0) -> Timing:
    """A whole training step of a configuration: forward, loss, backward, Adam, on random embeddings."""
    batch_size = config.train.batch_size
    model = build_classifier(config.model, dimension, 2, seed=config.seed)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch_size, dimension, generator=generator)
    y = torch.arange(batch_size) % 2
    with one_torch_thread(), step_of(model) as way:
        optimizer = torch.optim.Adam(way.parameters(), lr=config.train.lr, fused=True)
        inputs = way.inputs(x)

        def step() -> None:
            way.gradient(inputs, y)
            way.move(optimizer)

        return _timing(name, step, batch_size, seconds)


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
