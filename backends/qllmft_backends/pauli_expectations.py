"""Expectation values of any Pauli observables and any circuit, by calls of a backend.

A backend takes gates and perhaps Z strings only. Measurements are deferred, and bases are rotated to that of Z.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import Pauli, PauliList, SparsePauliOp

from qllmft_backends.consent import consent_to_calls
from qllmft_backends.deferral import DeferredCircuit, defer
from qllmft_backends.definitions import bind_numeric_rows
from qllmft_backends.errors import BackendError, UnsupportedGateError
from qllmft_backends.layouts import check_placed_observables
from qllmft_backends.protocol import Evaluator, Expectations, Floats, Operators
from qllmft_backends.requests import check_expectations, check_values


def run_expectations(
    backend: Evaluator, circuit: QuantumCircuit, values: Floats, observables: Operators
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
    calls = split_into_calls(backend, circuit, check_values(circuit, values), observables)
    with consent_to_calls(backend, [(call.circuit, call.values) for call in calls]):
        return sum_calls(backend, calls, (len(values), len(observables)))


def sum_calls(backend: Evaluator, calls: Sequence[Call], shape: tuple[int, int]) -> Expectations:
    """Return the values and standard errors (B, O) to which calls add up."""
    if len(calls) == 1:
        return _run_call(backend, calls[0])
    means = np.zeros(shape)
    variances = np.zeros(shape)
    for call in calls:
        answer = _run_call(backend, call)
        means[call.rows] += answer.values
        variances[call.rows] += answer.standard_errors**2
    return Expectations(means, np.sqrt(variances))


def _run_call(backend: Evaluator, call: Call) -> Expectations:
    """Return the values and standard errors (b, O) of one call, checked."""
    answer = backend.expectations(call.circuit, call.values, call.observables)
    check_expectations(backend, answer, call.values, call.observables)
    return answer


@dataclass(frozen=True)
class Call:
    """One call of a backend, for some rows of values and the parts of all observables in one basis."""

    rows: NDArray[np.int64]  # (b,)
    circuit: QuantumCircuit
    values: Floats  # (b, p)
    observables: Operators


def split_into_calls(
    backend: Evaluator, circuit: QuantumCircuit, values: Floats, observables: Operators
) -> list[Call]:
    """Return the calls whose values and variances add up to those of `run_expectations`, which has the same arguments.

    Args:
        backend: is to run the circuits.
        circuit: Q qubits and P parameters.
        values: (B, P) checked parameter values in radians.
        observables: O operators on Q qubits.
    """
    check_placed_observables(circuit, observables)
    calls = []
    for rows, bound_circuit, row_values in bind_numeric_rows(circuit, values):
        gates, operators = defer_to_gates(backend, bound_circuit, observables)
        has_x_or_y = any(operator.paulis.x.any() for operator in operators)
        if backend.capabilities.paulis or not has_x_or_y:
            calls.append(Call(rows, gates, row_values, operators))
            continue
        for rotated, parts in _rotate_to_z(gates, operators):
            calls.append(Call(rows, rotated, row_values, parts))
    return calls


def _rotate_to_z(
    circuit: QuantumCircuit, observables: Operators
) -> Iterator[tuple[QuantumCircuit, list[SparsePauliOp]]]:
    """Yield for each basis the circuit with rotations to Z at its end, and the parts of all observables in it."""
    for basis, parts in _split_by_basis(observables):
        rotated = circuit.copy()  # ends with the rotations from the basis to that of Z
        for qubit in np.flatnonzero(basis.x).tolist():
            if basis.z[qubit]:
                rotated.sdg(qubit)
            rotated.h(qubit)
        yield rotated, parts


def defer_to_gates(
    backend: Evaluator, circuit: QuantumCircuit, observables: Operators
) -> tuple[QuantumCircuit, Operators]:
    """Return a circuit of gates and observables with the expectation values of a circuit with measurements.

    Raises:
        UnsupportedGateError: for measurements that cannot be deferred, or complex coefficients.
        BackendError: if the backend has noise, and deferring adds gates.
    """
    deferred = defer(circuit)
    refuse_added_gates(backend, deferred)
    if deferred.circuit is circuit:
        return circuit, observables
    return deferred.circuit, [_map_to_wires(observable, deferred) for observable in observables]


def refuse_added_gates(backend: Evaluator, deferred: DeferredCircuit) -> None:
    """Refuse deferred measurements that add gates to a circuit on a noisy backend or a machine."""
    if deferred.adds_gates and (backend.capabilities.noisy or backend.capabilities.remote):
        raise BackendError(
            f"circuit {deferred.circuit.name!r} has measurements, resets or conditions in the middle. {backend.name} "
            "would add gates for them, and each gate has noise. Use create('aer_forte').sampler(), in which Qiskit Aer "
            "runs the circuit as it is written, or a backend without noise."
        )


def _map_to_wires(observable: SparsePauliOp, deferred: DeferredCircuit) -> SparsePauliOp:
    """Return an observable of the original qubits on the wires. X and Y of a measured qubit are 0."""
    wires = list(deferred.wires)
    if observable.num_qubits != len(wires):
        raise UnsupportedGateError(
            f"an observable acts on {observable.num_qubits} qubits, expected {len(wires)}, the circuit's number."
        )
    z, x = np.zeros((2, len(observable), deferred.circuit.num_qubits), bool)
    z[:, wires] = observable.paulis.z
    x[:, wires] = observable.paulis.x
    is_lost = x[:, sorted(deferred.measured)].any(axis=1)
    coefficients = np.where(is_lost, 0.0, observable.coeffs)
    z[is_lost] = False
    x[is_lost] = False
    return SparsePauliOp(PauliList.from_symplectic(z, x), coefficients)


def _split_by_basis(observables: Operators) -> Iterator[tuple[Pauli, list[SparsePauliOp]]]:
    """Yield bases, and for each one the parts of all observables in it, as sums of Z strings."""
    labels = [observable.paulis.to_labels() for observable in observables]
    distinct = PauliList(
        sorted({label for observable_labels in labels for label in observable_labels})
    )
    for group in distinct.group_commuting(qubit_wise=True):
        group_labels = set(group.to_labels())
        parts = []
        for observable, term_labels in zip(observables, labels, strict=True):
            group_terms = observable[np.array([label in group_labels for label in term_labels])]
            acts_on = group_terms.paulis.z | group_terms.paulis.x
            terms = PauliList.from_symplectic(acts_on, np.zeros_like(acts_on))
            zero_operator = SparsePauliOp("I" * observable.num_qubits, 0.0)
            parts.append(
                SparsePauliOp(terms, group_terms.coeffs) if len(group_terms) else zero_operator
            )
        yield Pauli((np.logical_or.reduce(group.z), np.logical_or.reduce(group.x))), parts
