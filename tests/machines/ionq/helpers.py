"""A small problem with known answers, and what the tests ask of every answer. Without qiskit-ionq they are skipped."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from faulty_server import has_known_answer

pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")

from qllmft_circuits.head import head_circuit, readout_observables
from qllmft_engine.backend import AdjointBackend, AdjointOptions


@dataclass
class Problem:
    """A circuit on more than two qubits without symmetry, some samples, and their exact answers."""

    circuit: Any
    values: np.ndarray  # (B, P)
    observables: list[Any]
    exact: np.ndarray  # (B, O)


def make_problem(samples: int, n_qubits: int = 3, seed: int = 0) -> Problem:
    """Return a problem of the caller's own, which it may change."""
    return deepcopy(_exact_problem(samples, n_qubits, seed))


@lru_cache
def _exact_problem(samples: int, n_qubits: int, seed: int) -> Problem:
    circuit = head_circuit(n_qubits, reuploads=2, main_layers=1)
    values = np.random.default_rng(seed).uniform(-2, 2, (samples, circuit.num_parameters))
    observables = readout_observables(n_qubits)
    engine = AdjointBackend(AdjointOptions(dtype="float64"))
    exact = engine.expectations(circuit, values, observables).values
    return Problem(circuit, values, observables, exact)


def ask(backend, problem):
    return backend.expectations(problem.circuit, problem.values, problem.observables)


def assert_fails(backend, problem, error, match=None):
    with pytest.raises(error, match=match) as caught:
        ask(backend, problem)
    return caught.value


def assert_right(answer, problem, shots=1000):
    """Assert that values are within 4 standard errors of the exact ones.

    The errors are those of the exact values: where all shots agree the estimated one is 0. Near ±1 a single shot
    counts.
    """
    assert answer.values.shape == problem.exact.shape
    errors = np.sqrt((1 - problem.exact**2) / shots) + 1 / shots
    assert np.abs((answer.values - problem.exact) / errors).max() < 4


def times_paid(box, *, checked):
    """Return how often each circuit was paid, and how many had a known answer, told apart if some are ``checked``."""
    jobs = [job for job in box.store.jobs.values() if not job.children]
    jobs = [job for job in jobs if job.status not in ("failed", "canceled")]
    user_jobs = [job for job in jobs if not (checked and has_known_answer(job.circuits[0]))]
    texts = [json.dumps([j.circuits, j.shots, j.backend], sort_keys=True) for j in user_jobs]
    return list(Counter(texts).values()), len(jobs) - len(user_jobs)


def assert_paid_once(box, circuits, checks=0, jobs=None):
    """Assert that each of the user's ``circuits`` was paid once, in ``jobs`` where they are told.

    ``checks`` is the number of circuits with a known answer that were paid beside them.
    """
    assert times_paid(box, checked=checks) == ([1] * circuits, checks), box.store.totals()
    assert jobs in (None, box.store.totals()["jobs"]), box.store.totals()


def assert_served(box, forte, problem, checks=0, jobs=None, **options):
    """Assert that the problem's answer by `forte` with ``options`` is right, and that each circuit was paid once."""
    assert_right(ask(forte(**options), problem), problem)
    assert_paid_once(box, len(problem.values), checks, jobs)


def assert_recovers(box, forte, problem, **more):
    """Assert that a later call without faults ends well and pays for the rest only; see `assert_served`."""
    box.faults.clear()
    assert_served(box, forte, problem, **more)


def fill_a_page(box):
    """Send 30 jobs of another ledger, more than a page of the server's list holds."""
    for number in range(30):
        gates = [{"gate": "ry", "target": qubit, "rotation": 0.1 + number} for qubit in range(3)]
        token = {"client_token": f"{number:032x}", "ledger": "another"}
        program = {"gateset": "qis", "qubits": 3, "circuit": gates}
        job = {"type": "ionq.circuit.v1", "backend": "qpu.forte-1", "shots": 1000}
        box.store.submit(job | {"name": f"qllmft {number}", "metadata": token, "input": program})


def await_jobs(box, jobs):
    """Wait until the server has taken so many jobs: a request that was given up may be accepted late."""
    give_up = time.monotonic() + 20
    while box.store.totals()["jobs"] < jobs:
        assert time.monotonic() < give_up, box.store.totals()
        time.sleep(0.02)


@contextmanager
def assert_refused(box, error, match):
    """Assert that what is done inside ends in ``error``, and that no job was sent."""
    n_requests = box.store.requests["submit"]
    with pytest.raises(error, match=match) as caught:
        yield caught
    assert box.store.requests["submit"] == n_requests


def read_records(ledger):
    """Return the events in the ledger's folder."""
    return [json.loads(line) for line in (ledger / "ledger.jsonl").read_text().splitlines()]


def write_records(ledger, records):
    (ledger / "ledger.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
