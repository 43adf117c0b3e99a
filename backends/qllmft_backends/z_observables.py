"""Observables of I and Z as arrays, for counts, simulators and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import UnsupportedGateError


@dataclass(frozen=True)
class ZObservables:
    """Sums of Z strings."""

    # (T,); bit q is set if the string has Z on qubit q
    masks: NDArray[np.int64]
    # (O, T); observable o = Σ_t coefficients[o, t] · Z-string(masks[t])
    coefficients: NDArray[np.float64]

    @property
    def is_plain(self) -> bool:
        """Return whether observable o is string o itself."""
        o, t = self.coefficients.shape
        return o == t and bool((self.coefficients == np.eye(o)).all())

    @classmethod
    def from_operators(cls, operators: Sequence[SparsePauliOp], n_qubits: int) -> ZObservables:
        """Read observables of I and Z with real coefficients.

        Raises:
            UnsupportedGateError: for X or Y in a string, a complex coefficient, or another number of qubits.
        """
        sums = PauliObservables.from_operators(operators, n_qubits)
        for o, operator in enumerate(operators):
            if operator.paulis.x.any():
                raise UnsupportedGateError(
                    f"observable {o} is {operator.paulis.to_labels()}; expected strings of I and Z only. "
                    "Rotate the basis in the circuit (H for X), or use aer_statevector without shots."
                )
        return cls(sums.masks, sums.coefficients)


@dataclass(frozen=True)
class PauliObservables(ZObservables):
    """Sums of Pauli strings, those of I and Z first. Bit q of a mask is set if the string has Z or Y on qubit q."""

    # (T,); bit q is set if the string has X or Y on qubit q
    flips: NDArray[np.int64]

    @classmethod
    def from_operators(cls, operators: Sequence[SparsePauliOp], n_qubits: int) -> PauliObservables:
        """Read observables with real coefficients.

        Raises:
            UnsupportedGateError: for a complex coefficient, or another number of qubits.
        """
        # (flips, mask): coefficient of each observable
        terms: dict[tuple[int, int], dict[int, float]] = {}
        powers = 1 << np.arange(n_qubits, dtype=np.int64)
        for o, operator in enumerate(operators):
            if operator.num_qubits != n_qubits:
                raise UnsupportedGateError(
                    f"observable {o} acts on {operator.num_qubits} qubits, expected {n_qubits}, the circuit's number."
                )
            if np.abs(operator.coeffs.imag).max(initial=0.0) > 0:
                raise UnsupportedGateError(
                    f"observable {o} has complex coefficients; expected real ones."
                )
            keys = zip(
                (operator.paulis.x @ powers).tolist(),
                (operator.paulis.z @ powers).tolist(),
                strict=True,
            )
            for key, coefficient in zip(keys, operator.coeffs.real.tolist(), strict=True):
                row = terms.setdefault(key, {})
                row[o] = row.get(o, 0.0) + coefficient
        ordered = sorted(terms, key=lambda key: key[0] != 0)
        coefficients = np.zeros((len(operators), len(ordered)))
        for t, key in enumerate(ordered):
            for o, coefficient in terms[key].items():
                coefficients[o, t] = coefficient
        flips, masks = np.array(ordered, dtype=np.int64).reshape(-1, 2).T
        return cls(np.ascontiguousarray(masks), coefficients, np.ascontiguousarray(flips))


def z_string(mask: int, n_qubits: int) -> SparsePauliOp:
    """Return the string with Z on the qubits of ``mask``."""
    qubits = [q for q in range(n_qubits) if mask >> q & 1]
    return SparsePauliOp.from_sparse_list([("Z" * len(qubits), qubits, 1.0)], n_qubits)
