"""SPSA gradients in few circuits: two per sample and perturbation, for any number of angles and observables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.gradient import BackendGradient, GradientPoint
from qllmft_backends.protocol import Evaluator


class SpsaGradient(BackendGradient):
    """Simultaneous perturbation (Spall, IEEE Trans. Autom. Control 45, 1839, 2000) through any `Backend`.

    All angles move at once by ±step, with random signs s; the estimate of the gradient is (f(θ + step·s) - f(θ -
    step·s)) / (2·step) · s, averaged over ``batch`` draws of s. Its mean is the gradient up to O(step²); its spread
    grows with the number of angles.

    qiskit-machine-learning's `SPSAEstimatorGradient` draws new signs for each observable, and sends its circuits one by
    one: with 6 observables six times the circuits, each in a job of its own. Here the observables of a sample share
    signs and circuits, and all samples of a call are sent together.
    """

    def __init__(self, backend: Evaluator, step_rad: float, batch: int, seed: int) -> None:
        super().__init__(backend)
        self._step = step_rad
        self._batch = batch
        self._rng = np.random.default_rng(seed)

    def jacobians(
        self, circuit: QuantumCircuit, observables: list[SparsePauliOp], points: list[GradientPoint]
    ) -> Sequence[NDArray[np.float64]]:
        """Estimate the Jacobians, with signs shared by a point's observables (see `BackendGradient.jacobians`)."""
        shifted, signs = [], []
        for values, columns in points:
            for _ in range(self._batch):
                sign = self._rng.choice([-1.0, 1.0], size=len(columns))
                step = np.zeros(len(values))
                step[list(columns)] = self._step * sign
                shifted += [values + step, values - step]
                signs.append(sign)
        answers = self._backend.expectations(circuit, np.array(shifted), observables).values
        slopes = (answers[0::2] - answers[1::2]) / (2 * self._step)  # (N · batch, O)
        estimates = [np.outer(slope, sign) for slope, sign in zip(slopes, signs, strict=True)]
        return [
            np.mean(estimates[i : i + self._batch], axis=0)
            for i in range(0, len(estimates), self._batch)
        ]
