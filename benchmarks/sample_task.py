"""A workload one sample at a time: the same inputs, step and outputs for every library without a batch of losses."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from workloads import Arrays, Gate, circuit_gates

Floats = NDArray[np.float64]


class SampleTask:
    """Forward and backward of sum(cotangent * <Z>); a library's worker adds `sample`.

    Attributes:
        gates: the circuit.
        angles: (16, P + D), the weights and then the sample's data; for ENC the weights only.
        amplitudes: (16, 2^Q) start states of ENC, else None.
        on_threads: whether samples share the threads, which helps if the library releases Python's lock.
    """

    on_threads = True

    def __init__(self, inputs: Arrays, _variant: str) -> None:
        self.n_qubits = int(inputs["n_qubits"])
        workload = str(inputs["workload"])
        self.gates: list[Gate] = circuit_gates(workload, self.n_qubits)
        weights, data, cotangent = (
            np.asarray(inputs[name], np.float64) for name in ("weights", "data", "cotangent")
        )
        self.n_weights = len(weights)
        self.cotangent = cotangent
        self.amplitudes: Floats | None = None
        if workload == "enc":
            vectors = data / np.linalg.norm(data, axis=1, keepdims=True)
            self.amplitudes = np.pad(vectors, ((0, 0), (0, 2**self.n_qubits - data.shape[1])))
            data = data[:, :0]
        shared = np.broadcast_to(weights, (len(data), len(weights)))
        self.angles: Floats = np.concatenate([shared, data], axis=1)
        bits = np.arange(2**self.n_qubits)[:, None] >> np.arange(self.n_qubits) & 1
        self.signs = 1.0 - 2.0 * bits
        self.pool = ThreadPoolExecutor(int(os.environ["OMP_NUM_THREADS"]))
        self.results: dict[str, Floats] = {}

    def sample(self, index: int) -> tuple[Floats, Floats]:
        """Return one sample's probabilities (2^Q,) and the gradient by its angles (P + D,)."""
        raise NotImplementedError

    def run(self) -> None:
        """Run forward and backward."""
        map_samples = self.pool.map if self.on_threads else map
        rows = list(map_samples(self.sample, range(len(self.angles))))
        slopes = np.array([slope for _, slope in rows])
        by_weights, by_data = np.split(slopes, [self.n_weights], axis=1)
        values = np.array([probabilities for probabilities, _ in rows]) @ self.signs
        self.results = {"values": values, "grad_weights": by_weights.sum(axis=0)}
        if self.amplitudes is None:
            self.results["grad_data"] = by_data

    def outputs(self) -> Arrays:
        """Return values (16, Q) and gradients, as in ``reference.expected_outputs``."""
        return self.results
