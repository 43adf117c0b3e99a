"""Quantum kernels: their times, and their accuracy beside other classifiers: ``python benchmarks/kernel.py``.

Times: the kernel matrix of `zz_feature_map` with two repetitions, in turn, on one thread. `FidelityQuantumKernel` and
`qp.kernels` run a circuit for each pair of rows, so that they have few rows. Medians of rounds, in milliseconds of
processor time. Each matrix is compared with that of `FidelityStatevectorKernel`.

Accuracy: data sets of scikit-learn with five principal components, nested cross-validation on the same folds, and the
same number of settings for each support vector machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from qiskit.circuit.library import zz_feature_map
from qiskit.quantum_info import Statevector
from qiskit_machine_learning.kernels import FidelityQuantumKernel, FidelityStatevectorKernel
from qllmft import QuantumKernel
from scipy.stats import t as student
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from run import machine_facts

Floats = NDArray[np.float64]
SIZES = [(20, 5), (100, 5), (1000, 5), (100, 10)]  # rows and features
ROUNDS = 5
SLOWEST_S = 20.0  # of one call; a slower one is measured once
MAX_PAIRED_ROWS = 20  # of ways with a circuit for each pair
FEATURES = 5
FOLDS = 5
REPEATS = 4
C_VALUES = (0.1, 1.0, 10.0, 100.0, 1000.0)
WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.3)  # factors of the features of a feature map
GAMMAS = (0.01, 0.03, 0.1, 0.3, 1.0)  # γ of an RBF kernel
DATA_SETS = {"breast cancer": load_breast_cancer, "wine": load_wine}
REFERENCE = "FidelityStatevectorKernel"
BASELINE = "SVC, RBF"


def pennylane_map(x: Any, features: int) -> None:
    """Apply `zz_feature_map` with two repetitions in PennyLane."""
    for _ in range(2):
        for wire in range(features):
            qp.Hadamard(wire)
            qp.PhaseShift(2 * x[..., wire], wire)
        for first in range(features):
            for second in range(first + 1, features):
                qp.CNOT([first, second])
                qp.PhaseShift(2 * (np.pi - x[..., first]) * (np.pi - x[..., second]), second)
                qp.CNOT([first, second])


def fidelities(states: NDArray[np.complex128]) -> Floats:
    """Return |⟨ψ_i|ψ_j⟩|² of states (N, 2^Q)."""
    return np.asarray(np.abs(states @ states.conj().T) ** 2)


def kernel_ways(features: int) -> dict[str, Callable[[Floats], Floats]]:
    """Return functions from rows to their kernel matrix, by name."""
    circuit = zz_feature_map(features, reps=2)

    @qp.qnode(qp.device("default.qubit", wires=features))
    def batch_state(x: Floats) -> Any:
        pennylane_map(x, features)
        return qp.state()

    @qp.qnode(qp.device("lightning.qubit", wires=features))
    def pair_probabilities(first: Floats, second: Floats) -> Any:
        pennylane_map(first, features)
        qp.adjoint(pennylane_map)(second, features)
        return qp.probs(wires=range(features))

    def by_statevectors(x: Floats) -> Floats:
        return fidelities(np.array([Statevector(circuit.assign_parameters(row)).data for row in x]))

    def by_pairs(x: Floats) -> Floats:
        return np.asarray(
            qp.kernels.square_kernel_matrix(x, lambda a, b: pair_probabilities(a, b)[0])
        )

    return {
        "QuantumKernel": QuantumKernel(circuit).evaluate,
        REFERENCE: FidelityStatevectorKernel(feature_map=circuit).evaluate,
        "Statevector, one product": by_statevectors,
        "default.qubit, one batch, one product": lambda x: fidelities(batch_state(x)),
        "qml.kernels, lightning.qubit": by_pairs,
        "FidelityQuantumKernel": FidelityQuantumKernel(feature_map=circuit).evaluate,
    }


def time_kernels(rows: int, features: int) -> dict[str, Any]:
    """Return the milliseconds of each way, and the largest difference from the reference."""
    x = np.random.default_rng(0).uniform(0, np.pi, (rows, features))
    ways = kernel_ways(features)
    if rows > MAX_PAIRED_ROWS:
        ways = {
            name: way
            for name, way in ways.items()
            if name not in ("qml.kernels, lightning.qubit", "FidelityQuantumKernel")
        }
    matrices = {name: way(x) for name, way in ways.items()}  # compiles too
    differences = {
        name: float(np.abs(matrix - matrices[REFERENCE]).max()) for name, matrix in matrices.items()
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            if times[name] and times[name][-1] > SLOWEST_S:
                continue
            repeats = 20 if name == "QuantumKernel" and rows < 1000 else 1
            started = time.process_time()
            for _ in range(repeats):
                way(x)
            times[name].append((time.process_time() - started) / repeats)
    medians = {name: round(1000 * statistics.median(seconds), 2) for name, seconds in times.items()}
    return {"rows": rows, "features": features, "ms": medians, "difference": differences}


def scale(x: Floats, factor: float = 1.0) -> Floats:
    """Return the features times a factor, the bandwidth of a feature map."""
    return factor * x


def classifiers() -> dict[str, tuple[BaseEstimator, Mapping[str, Any]]]:
    """Return classifiers of five features and their settings, by name."""
    circuit = zz_feature_map(FEATURES, reps=2)
    widths = {"scale__kw_args": [{"factor": factor} for factor in WIDTHS]}
    costs = {"classifier__C": C_VALUES}
    fidelity = SVC(kernel=QuantumKernel(circuit).evaluate)
    projected = SVC(kernel=QuantumKernel(circuit, "projected").evaluate)
    linear = LogisticRegression(max_iter=5000)
    return {
        "fidelity kernel": (fidelity, {**costs, **widths}),
        "projected kernel": (projected, {**costs, **widths}),
        BASELINE: (SVC(), {**costs, "classifier__gamma": GAMMAS}),
        "logistic regression": (linear, costs),
    }


def difference_interval(differences: Floats, test_share: float) -> tuple[float, float]:
    """Return the 95 % interval of a mean difference over folds that share rows (Nadeau and Bengio 2003, eq. 8)."""
    n = len(differences)
    error = np.sqrt((1 / n + test_share / (1 - test_share)) * differences.var(ddof=1))
    half = float(student.ppf(0.975, n - 1) * error)
    mean = float(differences.mean())
    return mean - half, mean + half


def measure_accuracy(data_set: str) -> dict[str, Any]:
    """Return the accuracy of each classifier on the same folds, and its differences from the RBF kernel."""
    x, y = DATA_SETS[data_set](return_X_y=True)
    scores: dict[str, Floats] = {}
    for name, (classifier, settings) in classifiers().items():
        pipeline = Pipeline(
            [
                ("standard", StandardScaler()),
                ("components", PCA(FEATURES, whiten=True)),
                ("scale", FunctionTransformer(scale)),
                ("classifier", classifier),
            ]
        )
        search = GridSearchCV(pipeline, dict(settings), cv=StratifiedKFold(3))
        folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=0)
        scores[name] = cross_val_score(search, x, y, cv=folds)
    rows = []
    for name, accuracies in scores.items():
        row: dict[str, Any] = {"classifier": name, "accuracy": float(accuracies.mean())}
        if name != BASELINE:
            row["interval"] = difference_interval(accuracies - scores[BASELINE], 1 / FOLDS)
        rows.append(row)
    return {"data": data_set, "rows": len(x), "labels": len(set(y.tolist())), "results": rows}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--only", choices=["times", "accuracy"], help="keep the other results")
    options = parser.parse_args()
    os.environ["QLLMFT_THREADS"] = "1"
    record: dict[str, Any] = json.loads(options.json.read_text("utf-8")) if options.only else {}
    record |= {
        "machine": machine_facts(1),
        "versions": {
            name: version(name)
            for name in ("qiskit-machine-learning", "qiskit", "pennylane", "scikit-learn")
        },
    }
    steps = []
    if options.only != "accuracy":
        record["times"] = []
        steps += [("times", time_kernels, size) for size in SIZES]
    if options.only != "times":
        record["accuracy"] = []
        steps += [("accuracy", measure_accuracy, (name,)) for name in DATA_SETS]
    for section, measure, arguments in steps:
        result = measure(*arguments)
        record[section].append(result)
        print(result, flush=True)
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
