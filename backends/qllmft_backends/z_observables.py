"""Observables of I and Z as arrays: what counts, simulators and the engine measure, whatever ran the circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import UnsupportedGateError


@dataclass(frozen=True)
class ZObservables:
    """Sums of Z strings.

    Attributes:
        masks: (T,) int64; bit q is set where the string has Z on qubit q.
        coefficients: (O, T) float64; observable o = Σ_t coefficients[o, t] · Z-string(masks[t]).
    """

    masks: NDArray[np.int64]
    coefficients: NDArray[np.float64]

    @property
    def is_plain(self) -> bool:
        """True where observable o is string o itself."""
        o, t = self.coefficients.shape
        return o == t and bool((self.coefficients == np.eye(o)).all())

    @classmethod
    def from_operators(cls, operators: Sequence[SparsePauliOp], n_qubits: int) -> ZObservables:
        """Read observables of I and Z with real coefficients.

        Raises:
            UnsupportedGateError: for X or Y in a string, a complex coefficient, or another number of qubits.
        """
        index_of: dict[int, int] = {}
        terms: list[tuple[int, int, float]] = []
        for o, operator in enumerate(operators):
            if operator.num_qubits != n_qubits:
                raise UnsupportedGateError(
                    f"observable {o} acts on {operator.num_qubits} qubits, expected {n_qubits}, the circuit's number."
                )
            if operator.paulis.x.any():
                raise UnsupportedGateError(
                    f"observable {o} is {operator.paulis.to_labels()}; expected strings of I and Z only. "
                    "Rotate the basis in the circuit (H for X), or use aer_statevector."
                )
            if np.abs(operator.coeffs.imag).max(initial=0.0) > 0:
                raise UnsupportedGateError(f"observable {o} has complex coefficients; expected real ones.")
            for z, coefficient in zip(operator.paulis.z, operator.coeffs.real, strict=True):
                mask = int(sum(1 << q for q in np.flatnonzero(z).tolist()))
                terms.append((o, index_of.setdefault(mask, len(index_of)), float(coefficient)))
        coefficients = np.zeros((len(operators), len(index_of)))
        for o, t, coefficient in terms:
            coefficients[o, t] += coefficient
        return cls(masks=np.array(list(index_of), dtype=np.int64), coefficients=coefficients)
