"""Readout errors: circuits that measure them, and observables that undo them.

The mean of Z on a qubit with flip probabilities p(1|0) and p(0|1) is a·⟨Z⟩ + b. The inverse of that, for each qubit of
a string, is again a sum of Z strings. So mitigated values are expectation values of other observables of the same
shots, with their standard errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import BackendError
from qllmft_backends.z_observables import ZObservables, z_string

LONGEST = 10  # qubits of a string, whose inverse has 4^n numbers
_LEAST_CONTRAST = 0.1  # of the mean of Z between a qubit in 0 and in 1
_STEP = 1e-5  # of a numerical derivative


def calibration_circuits(n_qubits: int) -> tuple[QuantumCircuit, QuantumCircuit]:
    """Return circuits that prepare all qubits in 0, and all in 1."""
    zeros, ones = QuantumCircuit(n_qubits, name="all-0"), QuantumCircuit(n_qubits, name="all-1")
    ones.x(range(n_qubits))
    return zeros, ones


@dataclass(frozen=True)
class Readout:
    """Measured means of Z of n qubits that were prepared in 0 and in 1."""

    means: NDArray[np.float64]  # (2, n)
    errors: NDArray[np.float64]  # (2, n) standard errors

    def check(self, name: str) -> None:
        """Raise if a backend has no readout error, or a qubit's bit says nothing about its state."""
        if (self.means[0] == 1).all() and (self.means[1] == -1).all():
            raise BackendError(
                f"there is no readout error to mitigate: {name} read every calibration bit right."
            )
        contrast = self.means[0] - self.means[1]
        if (worst := contrast.min()) < _LEAST_CONTRAST:
            raise BackendError(
                f"qubit {contrast.argmin()} of {name} has a mean of Z that differs by {worst:.3f} between 0 and 1, "
                f"expected at least {_LEAST_CONTRAST}. Its readout cannot be inverted; use more shots, or other qubits."
            )

    def inverse(self, mask: int) -> dict[int, float]:
        """Return the sum of Z strings (mask: coefficient) with the mean of an error-free string ``mask``."""
        qubits = [q for q in range(self.means.shape[1]) if mask >> q & 1]
        if len(qubits) > LONGEST:
            raise BackendError(
                f"a string has Z on {len(qubits)} qubits; readout mitigation takes up to {LONGEST}."
            )
        if not qubits:
            return {0: 1.0}
        # (K, n), the first qubit the slowest
        outcomes = np.array(list(product((0, 1), repeat=len(qubits))))
        flips = (1 - self.means[0, qubits]) / 2, (1 + self.means[1, qubits]) / 2  # p(1|0), p(0|1)
        matrices = [
            np.array([[1 - up, down], [up, 1 - down]]) for up, down in zip(*flips, strict=True)
        ]
        # (K,) value of a shot by its bits
        inverse: NDArray[np.float64] = np.ones((1, 1))
        for matrix in matrices:
            inverse = np.kron(inverse, np.linalg.inv(matrix)).astype(np.float64)
        per_shot = (-1.0) ** outcomes.sum(axis=1) @ inverse
        signs = (-1.0) ** (outcomes @ outcomes.T)  # (K, K) each string in each outcome
        coefficients = signs @ per_shot / len(outcomes)
        masks = [
            sum(1 << q for q, has in zip(qubits, row, strict=True) if has)
            for row in outcomes.tolist()
        ]
        return dict(zip(masks, coefficients.tolist(), strict=True))

    def slopes(self, mask: int) -> dict[tuple[int, int], dict[int, float]]:
        """Return the derivatives of `inverse` by each mean (state, qubit) of the string's qubits."""
        found = {}
        for state, qubit in product(
            (0, 1), (q for q in range(self.means.shape[1]) if mask >> q & 1)
        ):
            shift = np.zeros_like(self.means)
            shift[state, qubit] = _STEP
            high, low = (
                replace(self, means=self.means + sign * shift).inverse(mask) for sign in (1, -1)
            )
            found[state, qubit] = {key: (high[key] - low[key]) / (2 * _STEP) for key in high}
        return found


@dataclass(frozen=True)
class Correction:
    """Observables as sums of M strings whose means are measured, and their derivatives by the calibration."""

    masks: list[int]  # M
    coefficients: NDArray[np.float64]  # (O, M)
    # (J, O, M), times the standard error of the mean j of the calibration
    slopes: NDArray[np.float64]

    @classmethod
    def of(cls, sums: ZObservables, readout: Readout) -> Correction:
        """Return the correction of O sums of Z strings."""
        strings: list[int] = sums.masks.tolist()
        inverses = [readout.inverse(mask) for mask in strings]
        masks = sorted({0}.union(*inverses))
        column = {mask: i for i, mask in enumerate(masks)}
        n_qubits, n_strings = readout.means.shape[1], len(strings)
        values = np.zeros((n_strings, len(masks)))
        slopes = np.zeros((2 * n_qubits, n_strings, len(masks)))
        for t, (mask, inverse) in enumerate(zip(strings, inverses, strict=True)):
            for key, coefficient in inverse.items():
                values[t, column[key]] = coefficient
            for (state, qubit), slope in readout.slopes(mask).items():
                for key, coefficient in slope.items():
                    slopes[state * n_qubits + qubit, t, column[key]] = (
                        coefficient * readout.errors[state, qubit]
                    )
        return cls(masks, sums.coefficients @ values, sums.coefficients @ slopes)

    def operators(self, n_qubits: int) -> list[SparsePauliOp]:
        """Return the M strings, then the O corrected observables."""
        strings = [z_string(mask, n_qubits) for mask in self.masks]
        return [*strings, *(SparsePauliOp.sum(_scaled(strings, row)) for row in self.coefficients)]


def _scaled(strings: list[SparsePauliOp], row: NDArray[np.float64]) -> list[SparsePauliOp]:
    return [float(factor) * string for factor, string in zip(row, strings, strict=True)]
