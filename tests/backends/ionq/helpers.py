"""A small problem with known answers, and what the tests ask of every answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qllmft_backends.adjoint.backend import AdjointBackend, AdjointOptions
from qllmft_circuits.head import head_circuit, readout_observables

TOKEN = "tok-5f3a9c71e2d84b60"
FAST = {"poll_interval_s": 0.02, "settle_s": 0.15, "retry_s": 3.0, "deadline_s": 20.0, "request_timeout_s": 10.0}
NO_IONQ = "qiskit-ionq is not installed: pip install 'qllmft[ionq]'"


@dataclass
class Problem:
    """A circuit on more than two qubits without symmetry, some samples, and their exact answers."""

    circuit: Any
    values: np.ndarray  # (B, P)
    observables: list[Any]
    exact: np.ndarray  # (B, O)


def make_problem(samples: int, n_qubits: int = 3, seed: int = 0) -> Problem:
    circuit = head_circuit(n_qubits, reuploads=2, main_layers=1)
    values = np.random.default_rng(seed).uniform(-2, 2, (samples, circuit.num_parameters))
    observables = readout_observables(n_qubits)
    exact = AdjointBackend(AdjointOptions(dtype="float64")).expectations(circuit, values, observables).values
    return Problem(circuit, values, observables, exact)


def ask(backend, problem):
    return backend.expectations(problem.circuit, problem.values, problem.observables)


def assert_right(answer, problem, shots=1000):
    """Within 4 standard errors of the exact values. The errors are those of the exact values: where all shots agree the
    estimated one is 0. Near ±1 a single shot counts."""
    assert answer.values.shape == problem.exact.shape
    errors = np.sqrt((1 - problem.exact**2) / shots) + 1 / shots
    assert np.abs((answer.values - problem.exact) / errors).max() < 4


def assert_paid_once(box, circuits, checks=0):
    """Of the user's ``circuits`` each; ``checks``: how often the circuit with a known answer was paid beside them."""
    till = box.store.till()
    assert till["circuits_paid"] == circuits + checks, till
    assert sum(till["times"].values()) - len(till["times"]) == max(0, checks - 1), till
