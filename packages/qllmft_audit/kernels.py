"""Kernels of a trained model's states: an SVM on them, and the geometric difference to classical kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from qllmft.tasks.accuracy import Accuracy
from qllmft.training import Examples
from qllmft_audit.entanglement import States

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

C_GRID = tuple(float(c) for c in 10.0 ** np.arange(-2, 5))  # values of C
RIDGES = tuple(float(r) for r in 10.0 ** np.arange(-6.0, 0.5, 0.5))  # λ
RIDGE = 1e-2  # the λ of tables and sentences
TEXTS_PER_BLOCK = 512  # texts per block of a kernel


@dataclass(frozen=True)
class KernelResult:
    """Result of a support vector machine on a precomputed kernel."""

    c: float  # chosen on the validation texts
    validation: Accuracy
    test: Accuracy


def fidelities(states: States, other_states: States) -> Floats:
    """Return |⟨ψ_i|φ_j⟩|² (N, M) of states (N, 2^Q) and (M, 2^Q), or of registers (N, R, 2^Q) and (M, R, 2^Q)."""
    if states.ndim == 3:
        registers = zip(states.swapaxes(0, 1), other_states.swapaxes(0, 1), strict=True)
        by_register = [fidelities(rows, columns) for rows, columns in registers]
        return np.asarray(np.prod(by_register, axis=0))
    return np.asarray(np.abs(states.conj() @ other_states.T) ** 2, dtype=np.float64)


def kernel_svm(
    train: Examples,
    validation: Examples,
    test: Examples,
    compute_states: Callable[[Floats], States],
) -> tuple[KernelResult, States]:
    """Fit an SVM on the fidelities of states, with C by validation, and return it with the training states.

    Args:
        train: embeddings and labels to fit on.
        validation: those that choose C; of equal ones the smallest.
        test: those that are predicted once, with the chosen C.
        compute_states: maps embeddings (N, D) in float64 to states, see `fidelities`.
    """
    train_states = compute_states(train.x.double().numpy())
    kernel = fidelities(train_states, train_states)
    labels = train.y.numpy()

    def kernel_rows(examples: Examples) -> Floats:
        blocks = np.array_split(examples.x.double().numpy(), -(-len(examples.x) // TEXTS_PER_BLOCK))
        return np.concatenate([fidelities(compute_states(block), train_states) for block in blocks])

    machine, score = select_svm(kernel, labels, kernel_rows(validation), validation.y.numpy())
    test_accuracy = Accuracy.from_answers(test.y.numpy(), machine.predict(kernel_rows(test)))
    return KernelResult(machine.C, score, test_accuracy), train_states


def select_svm(
    kernel: Floats, labels: Ints, held_out_kernel: Floats, truth: Ints
) -> tuple[SVC, Accuracy]:
    """Return the SVM with the C that is best on other rows, and its accuracy there.

    Args:
        kernel: (N, N) of the training rows.
        labels: (N,) of them.
        held_out_kernel: (M, N) of the other rows with the training rows.
        truth: (M,) labels of the other rows.
    """
    machines = [SVC(C=c, kernel="precomputed").fit(kernel, labels) for c in C_GRID]
    scores = [
        Accuracy.from_answers(truth, machine.predict(held_out_kernel)) for machine in machines
    ]
    best = int(np.argmax([score.right for score in scores]))
    return machines[best], scores[best]


def classical_kernels(unit: Floats) -> dict[str, Floats]:
    """Return kernels (N, N) of unit embeddings (N, D) by name: linear, RBF (γ as scikit-learn's "scale"), quadratic."""
    linear = unit @ unit.T
    gamma = 1.0 / (unit.shape[1] * unit.var())
    return {"linear": linear, "RBF": rbf_kernel(unit, gamma=gamma), "quadratic": linear**2}


@dataclass(frozen=True)
class GeometricDifference:
    """Geometric difference of Huang et al. (Nat. Commun. 12, 2631) of a quantum kernel to a classical one."""

    ridges: tuple[float, ...]  # λ
    texts: int  # N, on which the kernels are compared
    # by λ; bounds the ratio of prediction errors, √N if the kernels are far apart
    general: tuple[float, ...]
    training: tuple[float, ...]  # by λ; bound on the error in training that λ causes

    @classmethod
    def compute(
        cls, quantum: Floats, classical: Floats, ridges: Sequence[float] = RIDGES
    ) -> GeometricDifference:
        """Return the difference of kernels (N, N), each scaled to trace N, for ridges λ.

        It is √‖√K_Q √K_C (K_C + λI)⁻² √K_C √K_Q‖, and λ√‖√K_Q (K_C + λI)⁻² √K_Q‖ in training (their equations F18,
        F19).
        """
        n = len(quantum)
        squares, basis = np.linalg.eigh(quantum * (n / np.trace(quantum)))
        root = (basis * np.sqrt(squares.clip(0.0))) @ basis.T
        values, vectors = np.linalg.eigh(classical * (n / np.trace(classical)))
        values = values.clip(0.0)
        projected_root = root @ vectors
        general = []
        training = []
        for ridge in ridges:
            weights = 1.0 / (values + ridge)
            general.append(float(np.linalg.norm(projected_root * (np.sqrt(values) * weights), 2)))
            training.append(float(ridge * np.linalg.norm(projected_root * weights, 2)))
        return cls(tuple(ridges), n, tuple(general), tuple(training))

    @property
    def at_ridge(self) -> float:
        """Return the difference at `RIDGE`."""
        return self.general[self.ridges.index(RIDGE)]
