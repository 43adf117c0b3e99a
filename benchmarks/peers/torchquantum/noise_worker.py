"""TorchQuantum's side of ``noise.py``: a training step without noise, with gate noise, and with shots too, in turns.

The variant ``steps`` runs one step of each kind at a time and hands out their durations; ``check`` hands out the mean
⟨Z⟩ of many noisy passes of a small head.
"""

from __future__ import annotations

import time
import warnings

from peers.torchquantum.stand_ins import install_torchvision

install_torchvision()
warnings.simplefilter("ignore")  # its old dependencies announce their own deprecations

import numpy as np  # noqa: E402
import torch  # noqa: E402

from peers.torchquantum.noise import Depolarizing, NoisyPart  # noqa: E402
from peers.torchquantum.step_worker import QuantumPart  # noqa: E402
from protocol import Task, serve  # noqa: E402
from torch_step import TorchStep  # noqa: E402
from workloads import Arrays  # noqa: E402


def make_noise(inputs: Arrays, n_qubits: int) -> Depolarizing:
    """Return the noise model with the rates (2,) of ``inputs``."""
    one_qubit_rate, two_qubit_rate = (float(rate) for rate in inputs["rates"])
    return Depolarizing(n_qubits, one_qubit_rate, two_qubit_rate)


class Steps:
    """The three kinds of step, one after another; the durations in milliseconds are kept."""

    def __init__(self, inputs: Arrays) -> None:
        encoder = QuantumPart(int(inputs["encoder_qubits"]))
        n_qubits = int(inputs["head_qubits"])
        noise = make_noise(inputs, n_qubits)
        heads = {
            "none": QuantumPart(n_qubits),
            "gates": NoisyPart(n_qubits, noise, 0),
            "gates and shots": NoisyPart(n_qubits, noise, int(inputs["shots"])),
        }
        self.steps = {
            name: TorchStep(inputs, encoder.encoder, head.head) for name, head in heads.items()
        }
        self.times_ms: dict[str, list[float]] = {name: [] for name in heads}

    def run(self) -> None:
        """Run one step of each kind."""
        for name, step in self.steps.items():
            start = time.perf_counter()
            step.run()
            self.times_ms[name].append((time.perf_counter() - start) * 1e3)

    def outputs(self) -> Arrays:
        """Return the durations (N,) of every kind. The first of each is cold."""
        return {name: np.array(times) for name, times in self.times_ms.items()}


class Passes:
    """Mean and standard error of ⟨Z⟩ over noisy passes; of the whole batch, which shares its errors."""

    def __init__(self, inputs: Arrays) -> None:
        n_qubits = int(inputs["n_qubits"])
        self.part = NoisyPart(n_qubits, make_noise(inputs, n_qubits), int(inputs["shots"]))
        self.weights, self.data = (
            torch.tensor(inputs[name], dtype=torch.float32) for name in ("weights", "data")
        )
        self.passes = int(inputs["passes"])
        self.values = torch.empty(0)

    @torch.no_grad()
    def run(self) -> None:
        """Run all passes, with the same errors each time."""
        np.random.seed(0)  # noqa: NPY002  TorchQuantum draws its errors from NumPy's global generator
        torch.manual_seed(0)
        self.values = torch.stack(
            [self.part.head(self.weights, self.data) for _ in range(self.passes)]
        ).double()

    def outputs(self) -> Arrays:
        """Return ``mean`` and ``error``, (B, Q)."""
        return {
            "mean": self.values.mean(0).numpy(),
            "error": self.values.std(0).numpy() / self.passes**0.5,
        }


def prepare(inputs: Arrays, variant: str) -> Task:
    """Return the task of a variant."""
    return Steps(inputs) if variant == "steps" else Passes(inputs)


if __name__ == "__main__":
    serve(prepare, "torchquantum")
