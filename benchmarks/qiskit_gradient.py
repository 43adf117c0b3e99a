"""Backward pass of an EstimatorQNN with and without the engine's gradient: ``python benchmarks/qiskit_gradient.py``.

Two layers of data and weights by RY and a ring of CNOT, Z of each qubit, a batch of 4, by the weights and the inputs.
The ways alternate on one thread. Medians of rounds, in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.neural_networks import EstimatorQNN
from qllmft_backends import create

LAYERS = 2
BATCH = 4
ROUNDS = 3


def networks(n: int) -> dict[str, EstimatorQNN]:
    """Return the network of n qubits on Qiskit's estimator, and on the engine's without and with its gradient."""
    x = ParameterVector("x", n)
    theta = ParameterVector("theta", LAYERS * n)
    circuit = QuantumCircuit(n)
    for layer in range(LAYERS):
        for qubit in range(n):
            circuit.ry(x[qubit], qubit)
            circuit.ry(theta[layer * n + qubit], qubit)
        for qubit in range(n):
            circuit.cx(qubit, (qubit + 1) % n)
    engine = create("adjoint")
    settings = {
        "circuit": circuit,
        "observables": [SparsePauliOp.from_sparse_list([("Z", [q], 1)], n) for q in range(n)],
        "input_params": x,
        "weight_params": theta,
        "input_gradients": True,
        "default_precision": 0.0,
    }
    return {
        "Qiskit's estimator": EstimatorQNN(**settings, estimator=StatevectorEstimator()),
        "no gradient=": EstimatorQNN(**settings, estimator=engine.estimator()),
        "gradient=": EstimatorQNN(
            **settings, estimator=engine.estimator(), gradient=engine.gradient()
        ),
    }


def row(n: int) -> dict[str, Any]:
    """Return the milliseconds of each way, and the largest difference of the gradients."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(BATCH, n))
    weights = random.normal(size=LAYERS * n)
    ways = networks(n)
    gradients = {name: network.backward(inputs, weights) for name, network in ways.items()}
    difference = max(
        float(np.abs(np.asarray(engine_gradient) - qiskit_gradient).max())
        for engine_gradient, qiskit_gradient in zip(
            gradients["gradient="], gradients["Qiskit's estimator"], strict=True
        )
    )
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, network in ways.items():
            started = time.perf_counter()
            network.backward(inputs, weights)
            times[name].append(time.perf_counter() - started)
    medians = {
        name: round(1000 * statistics.median(durations), 2) for name, durations in times.items()
    }
    return {"qubits": n, "batch": BATCH, "ms": medians, "difference": difference}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # that this benchmark is about
    rows = []
    for n in (4, 6, 8):
        rows.append(row(n))
        print(rows[-1], flush=True)
        arguments.json.write_text(json.dumps({"results": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
