"""Forte's noise on the engine and on Aer: agreement and time: ``python benchmarks/forte.py``.

The paper's head with random angles, Z of each qubit. With shots, each is a trajectory of its own. Without, the means
are those of trajectories, or exact ones by Aer's density matrix. Backends take turns, one round a seed, on one thread.
A deviation is a difference divided by its standard error, so that its root mean square is 1 where two backends agree.
Medians of rounds, in milliseconds of processor time; a method of Aer that takes long is measured once.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from qllmft_backends import Backend, Expectations, create
from qllmft_backends.aer.noisy import AerForteBackend
from qllmft_circuits import head_circuit, readout_observables

from run import machine_facts

QUBITS = (4, 6, 8, 10)
MATRIX_QUBITS = 8  # of the density matrices that are computed as reference values
SAMPLES = 4
SHOTS = 1000
ROUNDS = 3
SLOWEST_S = 20.0  # of one call; a slower one is measured once
NOISE = {"noise": "forte1", "readout_error": 0.005}
AER = {**NOISE, "max_parallel_threads": 1}


def make_backends(seed: int, shots: int | None) -> dict[str, Backend]:
    """Return the engine and Aer with both of its methods, by name."""
    options = {"seed": seed} | ({} if shots is None else {"shots": shots})
    aer = {**AER, "seed": seed, "shots": shots}
    return {
        "adjoint": create("adjoint", {**NOISE, **options}),
        "density_matrix": create("aer_forte", {**aer, "method": "density_matrix"}),
        "trajectories": create("aer_forte", {**aer, "method": "trajectories"}),
    }


def deviations(first: Expectations, second: Expectations) -> np.ndarray[Any, Any]:
    """Return the differences of two answers, divided by their standard errors."""
    errors = np.hypot(first.standard_errors, second.standard_errors)
    return np.asarray((first.values - second.values) / errors).ravel()


def summary(differences: list[np.ndarray[Any, Any]]) -> dict[str, float]:
    """Return number, root mean square and largest size of deviations, and the median of that of normal ones."""
    numbers = np.concatenate(differences)
    normal = statistics.NormalDist()
    return {
        "values": len(numbers),
        "rms": float(np.sqrt((numbers**2).mean())),
        "largest": float(np.abs(numbers).max()),
        "median_largest": normal.inv_cdf((1 + 0.5 ** (1 / len(numbers))) / 2),
    }


def measure(qubits: int, shots: int | None) -> dict[str, Any]:
    """Return times and agreement for one head."""
    circuit = head_circuit(qubits, 4, 1, 2)
    observables = readout_observables(qubits)
    random = np.random.default_rng(qubits)
    values = random.uniform(-math.pi, math.pi, (SAMPLES, circuit.num_parameters))
    auto = create("aer_forte", {**AER, "shots": shots})
    assert isinstance(auto, AerForteBackend)
    exact = None
    if qubits <= MATRIX_QUBITS:
        reference = create("aer_forte", {**AER, "shots": None, "method": "density_matrix"})
        exact = reference.expectations(circuit, values, observables)
    times: dict[str, list[float]] = {}
    between: list[np.ndarray[Any, Any]] = []
    from_exact: list[np.ndarray[Any, Any]] = []
    for seed in range(ROUNDS):
        answers: dict[str, Expectations] = {}
        for name, backend in make_backends(seed, shots).items():
            if max(times.get(name, [0.0])) > SLOWEST_S:
                continue
            if seed == 0:  # compiles
                backend.expectations(circuit, values[:1], observables)
            started = time.process_time()
            answers[name] = backend.expectations(circuit, values, observables)
            times.setdefault(name, []).append(time.process_time() - started)
        if "trajectories" in answers:
            between.append(deviations(answers["adjoint"], answers["trajectories"]))
        if exact is not None:
            from_exact.append(deviations(answers["adjoint"], exact))
    row: dict[str, Any] = {
        "qubits": qubits,
        "gates": circuit.size(),
        "shots": shots,
        "ms": {name: round(1000 * statistics.median(s), 1) for name, s in times.items()},
        "auto": auto.method_for(circuit),
        "from_aer": summary(between),
    }
    if from_exact:
        row["from_density_matrix"] = summary(from_exact)
    return row


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--qubits", type=int, nargs="+", default=list(QUBITS))
    options = parser.parse_args()
    os.environ["QLLMFT_THREADS"] = "1"
    record: dict[str, Any] = {
        "machine": machine_facts(1),
        "versions": {"qiskit-aer": version("qiskit-aer")},
        "noise": NOISE,
        "samples": SAMPLES,
        "rounds": ROUNDS,
        "results": [],
    }
    for shots in (SHOTS, None):
        for qubits in options.qubits:
            record["results"].append(measure(qubits, shots))
            print(record["results"][-1], flush=True)
            options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
