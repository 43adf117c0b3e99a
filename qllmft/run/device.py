"""Device that is expected to train a head's circuits in the least time, and compilation for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module

import numpy as np
import torch
from qiskit import QuantumCircuit

from qllmft.config import ModelConfig, RunConfig
from qllmft.data import read_corpus
from qllmft.events import OnEvent, stage
from qllmft.run.compilation import functions_to_compile, runs_compiled
from qllmft.run.needs import training_step
from qllmft.templates import encoder_template, head_template
from qllmft.training import compute_logits
from qllmft_backends import UnsupportedGateError, create
from qllmft_engine import AdjointEngine, ahead, lower
from qllmft_engine.torch.devices import compile_kernels_together, runs_kernels, torch_devices

# amplitudes times gates a second in a training step, of one core and of a GPU, as in benchmarks/gpu.json: there one
# core has 2e9 to 6e9, and an H200 5e11 to 8e11
CORE_RATE = 4e9
GPU_RATE = 6e11
# of a circuit, with the copies of a model on the CPU: preset single-10q has two, and its step 2.1 ms
LAUNCHES_PER_CIRCUIT_S = 1e-3
MANY = 1024  # texts of a batch from which more have the same kernels
# of the rest of a run: imported while a process compiles
LATER_MODULES = ("sklearn.model_selection", "sklearn.svm", "matplotlib.figure")
CLEARLY_FASTER_SHARE = 0.7  # share of the CPU's time below which a GPU is recommended


@dataclass(frozen=True)
class DeviceTimes:
    """Expected seconds of the circuits in a training step, and the GPU of this machine.

    Attributes:
        cpu_s: on the CPU.
        gpu: device of torch whose kernels run here; None without one, or if it cannot train this run.
        gpu_s: on the GPU.
        reason: why the GPU cannot train this run, if it is there.
    """

    cpu_s: float
    gpu: str | None
    gpu_s: float
    reason: str = ""

    @property
    def fastest(self) -> str:
        """Return the device with the least expected time."""
        return self.gpu if self.gpu is not None and self.gpu_s < self.cpu_s else "cpu"

    @property
    def gpu_is_clearly_faster(self) -> bool:
        """Return whether a GPU is worth a line."""
        return self.gpu is not None and self.gpu_s < CLEARLY_FASTER_SHARE * self.cpu_s

    @property
    def text(self) -> str:
        """Return both times in words."""
        if self.gpu is None:
            return self.reason or "no GPU with Triton answers here"
        return (
            f"circuits of a step: about {1e3 * self.cpu_s:.2g} ms on the CPU, "
            f"{1e3 * self.gpu_s:.2g} ms on {self.gpu}"
        )


def device_times(config: RunConfig) -> DeviceTimes:
    """Return the expected times of a configuration's circuits on the devices of this machine.

    If the number of qubits depends on the labels and a GPU is here, the texts are read for their number of labels.
    """
    gpu = next((device for device in torch_devices() if runs_kernels(device)), None)
    model = config.model
    if gpu is not None and model.n_encoders == "auto":
        model = model.for_labels(read_corpus(config.data).n_classes)
    circuits = _circuit_sizes(model)
    batch = config.train.batch_size
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpu_s = gpu_s = 0.0
    for gates, n_qubits in circuits:
        work = batch * gates << n_qubits
        chunks = AdjointEngine.count_chunks(batch, n_qubits)
        cpu_s += work / (CORE_RATE * min(cores or 1, chunks))
        gpu_s += LAUNCHES_PER_CIRCUIT_S + work / GPU_RATE
    if gpu is None:
        return DeviceTimes(cpu_s, None, gpu_s)
    if reason := _obstacle(config):
        return DeviceTimes(cpu_s, None, gpu_s, f"the CPU trains this run: {reason}")
    return DeviceTimes(cpu_s, gpu, gpu_s)


def compile_kernels(
    config: RunConfig, dimension: int, n_classes: int, sizes: dict[str, int], on_event: OnEvent
) -> None:
    """Compile what a training runs on a GPU, in a stage of its own, so that no model's seconds include it.

    Args:
        config: of the run.
        dimension: D, length of an embedding.
        n_classes: k, number of labels.
        sizes: number of texts by split.
        on_event: receives the stage, which there is only where circuits run in kernels.
    """
    device = str(config.backend.options.get("device", "cpu"))
    if config.backend.entry.adjoint and runs_kernels(device):
        with stage(on_event, "compiling", device):
            _compile(config, dimension, n_classes, sizes)


def compile_engine(
    config: RunConfig, dimension: int, n_classes: int, sizes: dict[str, int], on_event: OnEvent
) -> None:
    """Compile the engine of the CPU, or wait for `start_compilation`, in a stage of an installation's first run.

    Args:
        config: of the run.
        dimension: D, length of an embedding.
        n_classes: k, number of labels.
        sizes: number of texts by split.
        on_event: receives the stage, which there is only if something is not yet compiled.
    """
    needed = functions_to_compile(config)
    if not runs_compiled(config) or all(ahead.is_compiled(*part) for part in needed):
        return
    with stage(on_event, "compiling", "the CPU, once after an installation"):
        for module in LATER_MODULES:
            import_module(module)
        for dtype, functions in needed:
            ahead.compile_here(dtype, functions)
        _compile(config, dimension, n_classes, sizes)


def _compile(config: RunConfig, dimension: int, n_classes: int, sizes: dict[str, int]) -> None:
    """Compile what a training step and a validation run, without a trace in torch's random numbers."""
    device = str(config.backend.options.get("device", "cpu"))
    with torch.random.fork_rng(devices=[]):
        if runs_kernels(device):
            with compile_kernels_together():
                _run_step(config, dimension, n_classes, sizes)
        _run_step(config, dimension, n_classes, sizes)


def _run_step(config: RunConfig, dimension: int, n_classes: int, sizes: dict[str, int]) -> None:
    """Run a training step and a validation of random embeddings."""
    rows = min(config.train.batch_size, sizes["train"])
    backend = create(config.backend.name, config.backend_options)
    with training_step(config, dimension, n_classes, rows, backend) as (model, batch, _, step):
        step()
        n_validation = min(sizes["validation"], MANY)
        compute_logits(model, batch.x[np.arange(n_validation) % rows])


def _circuit_sizes(model: ModelConfig) -> list[tuple[int, int]]:
    """Return the gates and qubits of each circuit of a text."""
    circuits = []
    encoder = encoder_template(model)
    if encoder is not None:
        circuits += [(_count_gates(encoder), encoder.num_qubits)] * model.encodings
    head = head_template(model)
    if head is not None:
        circuits += [(_count_gates(head), head.num_qubits)] * model.registers
    return circuits


def _count_gates(circuit: QuantumCircuit) -> int:
    """Return the gates of a circuit as the engine runs them."""
    try:
        return len(lower(circuit).ops)
    except UnsupportedGateError:
        return int(circuit.size())


def _obstacle(config: RunConfig) -> str:
    """Return what keeps a run from a GPU."""
    if not config.backend.entry.adjoint:
        return f"the backend is {config.backend.name!r}"
    if config.train.optimizer == "lbfgs":
        return "train.optimizer is 'lbfgs'"
    return ""
