"""Expectation values of any circuit and Pauli observables, from a backend that takes gates and Z strings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Pauli, PauliList, SparsePauliOp

from qllmft_backends.deferral import Deferred, defer
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.protocol import Evaluator, Expectations


def measure(
    backend: Evaluator,
    circuit: QuantumCircuit,
    values: NDArray[np.float64],
    observables: Sequence[SparsePauliOp],
) -> Expectations:
    """Return expectation values of Pauli observables, also for a circuit with measurements and resets.

    A backend that measures Z strings only gets one circuit per basis, in which H, or S† and H, end on the qubits of X
    and Y. Strings of one basis come from the same shots, and the variances of the bases add up.

    Args:
        backend: runs the circuits.
        circuit: Q qubits and P parameters.
        values: (B, P) parameter values in radians, in the order of ``circuit.parameters``.
        observables: O operators on Q qubits with real coefficients.

    Returns:
        Values and standard errors (B, O).

    Raises:
        UnsupportedGateError: for measurements that cannot be deferred, or complex coefficients.
    """
    deferred = defer(circuit)
    refuse_added_gates(backend, deferred)
    if deferred.circuit is not circuit:
        observables = [_on_wires(observable, deferred) for observable in observables]
    if backend.capabilities.paulis or not any(
        observable.paulis.x.any() for observable in observables
    ):
        return backend.expectations(deferred.circuit, values, observables)
    for o, observable in enumerate(observables):
        if np.abs(observable.coeffs.imag).max(initial=0.0) > 0:
            raise UnsupportedGateError(
                f"observable {o} has complex coefficients; expected real ones."
            )
    means = np.zeros((len(values), len(observables)))
    variances = np.zeros_like(means)
    for basis, parts in _by_basis(observables):
        answer = backend.expectations(_rotated(deferred.circuit, basis), values, parts)
        means += answer.values
        variances += answer.standard_errors**2
    return Expectations(means, np.sqrt(variances))


def refuse_added_gates(backend: Evaluator, deferred: Deferred) -> None:
    """Refuse deferred measurements that add gates to a circuit on a noisy backend or a machine."""
    if deferred.added and (backend.capabilities.noisy or backend.capabilities.remote):
        raise BackendError(
            f"circuit {deferred.circuit.name!r} has measurements, resets or conditions in the middle; {backend.name} "
            "would add gates for them, and each gate has noise. Use create('aer_forte').sampler(), in which Qiskit Aer "
            "runs the circuit as it is written, or a backend without noise."
        )


def _on_wires(observable: SparsePauliOp, deferred: Deferred) -> SparsePauliOp:
    """Return an observable of the original qubits on the wires. X and Y of a measured qubit are 0."""
    n_wires, wires = deferred.circuit.num_qubits, list(deferred.wires)
    if observable.num_qubits != len(wires):
        raise UnsupportedGateError(
            f"an observable acts on {observable.num_qubits} qubits, expected {len(wires)}, the circuit's number."
        )
    z, x = (np.zeros((len(observable), n_wires), bool) for _ in range(2))
    z[:, wires], x[:, wires] = observable.paulis.z, observable.paulis.x
    lost = x[:, sorted(deferred.measured)].any(axis=1)
    coefficients = np.where(lost, 0.0, observable.coeffs)
    z[lost], x[lost] = False, False
    return SparsePauliOp(PauliList.from_symplectic(z, x), coefficients)


def _by_basis(observables: Sequence[SparsePauliOp]) -> list[tuple[Pauli, list[SparsePauliOp]]]:
    """Return bases, and for each one the parts of all observables in it, as sums of Z strings."""
    distinct = PauliList(
        sorted({label for observable in observables for label in observable.paulis.to_labels()})
    )
    groups = distinct.group_commuting(qubit_wise=True)
    group_of = {label: g for g, group in enumerate(groups) for label in group.to_labels()}
    out = []
    for g, group in enumerate(groups):
        basis = Pauli((np.logical_or.reduce(group.z), np.logical_or.reduce(group.x)))
        parts = []
        for observable in observables:
            inside = np.array([group_of[label] == g for label in observable.paulis.to_labels()])
            paulis = observable.paulis[inside]
            acts = paulis.z | paulis.x
            none = SparsePauliOp("I" * observable.num_qubits, 0.0)
            terms = SparsePauliOp(
                PauliList.from_symplectic(acts, np.zeros_like(acts)), observable.coeffs[inside]
            )
            parts.append(terms if inside.any() else none)
        out.append((basis, parts))
    return out


def _rotated(circuit: QuantumCircuit, basis: Pauli) -> QuantumCircuit:
    """Return a circuit that ends with the rotations from a basis to that of Z."""
    if not basis.x.any():
        return circuit
    rotated = circuit.copy()
    for qubit in np.flatnonzero(basis.x).tolist():
        if basis.z[qubit]:
            rotated.sdg(qubit)
        rotated.h(qubit)
    return rotated
