"""Measured operators of a circuit of the user's own, from observables or from labels of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Pauli, SparsePauliOp

from qllmft_backends.layouts import describe_layout, final_qubits, undo_observables
from qllmft_base.errors import UserError
from qllmft_circuits import readout_observables
from qllmft_circuits.head import Interpret, outcome_observables

# a measured operator, or the letters of one Pauli string
Observable: TypeAlias = "SparsePauliOp | Pauli | str"


def measured_operators(
    circuit: QuantumCircuit,
    observables: Sequence[Observable] | Observable | None,
    interpret: Interpret | None,
    output_shape: int | None,
) -> list[SparsePauliOp]:
    """Return the operator of each value, on the qubits before the circuit was transpiled.

    Args:
        circuit: may be transpiled; its layout says where the qubits are.
        observables: one value each; None: Z words of the readout, or the labels of ``interpret``.
        interpret: maps outcomes to labels, see `outcome_observables`; None: values are those of observables.
        output_shape: number of labels of ``interpret``; None: the largest label and one.

    Raises:
        UserError: for observables beside ``interpret``, and for those that do not fit the circuit.
    """
    places = final_qubits(circuit)
    if interpret is None:
        if observables is None:
            return list(readout_observables(len(places)))
        return undo_observables(circuit, _operators(observables))
    if observables is not None:
        raise UserError("got observables and interpret, expected one of them. Leave one out.")
    _check_measured_bits(circuit, places)
    try:
        return list(outcome_observables(len(places), interpret, output_shape))
    except ValueError as error:
        raise UserError(str(error)) from None


def _operators(observables: Sequence[Observable] | Observable) -> list[SparsePauliOp]:
    """Return the operator of each value; a sum of Pauli strings is one value."""
    if isinstance(observables, SparsePauliOp | Pauli | str):
        observables = [observables]
    try:
        observables = list(observables)
    except TypeError:
        raise UserError(
            f"observables is of type {type(observables).__name__}, expected a list of operators. Leave it out for Z of "
            "every qubit."
        ) from None
    if not observables:
        raise UserError(
            "observables is empty, expected an operator for each value. Leave it out for Z of every qubit."
        )
    for observable in observables:
        if not isinstance(observable, SparsePauliOp | Pauli | str):
            raise UserError(
                f"observables hold {type(observable).__name__}, expected SparsePauliOp, such as "
                "SparsePauliOp(['ZI', 'IX'], [0.5, 1.5])."
            )
    try:
        return [SparsePauliOp(observable) for observable in observables]
    except QiskitError as error:
        raise UserError(
            f"observables hold a text that is no Pauli string ({error.message}). Give letters I, X, Y and Z, one for "
            "each qubit."
        ) from None


def _check_measured_bits(circuit: QuantumCircuit, places: Sequence[int]) -> None:
    """Refuse a circuit that ends with measurements, unless qubit q is measured into bit q for each q.

    `SamplerQNN` reads the classical bits of such a circuit, and ``interpret`` the qubits at its end. Qubit q of a
    transpiled circuit is at ``places[q]``. If all qubits of a device were measured later, bits have their numbers.
    """
    bit_of_qubit: dict[int, int] = {}
    qubits_with_later_gates: set[int] = set()
    for instruction in reversed(circuit.data):
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        if instruction.name == "barrier":
            continue
        if instruction.name == "measure" and qubits[0] not in qubits_with_later_gates:
            bit_of_qubit[qubits[0]] = circuit.find_bit(instruction.clbits[0]).index
        qubits_with_later_gates.update(qubits)
    accepted_bits = [{place: qubit for qubit, place in enumerate(places)}]
    if len(places) < circuit.num_qubits:  # otherwise these could be bits of qubits before, crossed
        accepted_bits.append({qubit: qubit for qubit in range(circuit.num_qubits)})
    if bit_of_qubit and bit_of_qubit not in accepted_bits:
        measured = ", ".join(f"qubit {q} into bit {c}" for q, c in sorted(bit_of_qubit.items()))
        layout_text = "" if circuit.layout is None else f" Note that {describe_layout(circuit)}."
        raise UserError(
            f"interpret reads an outcome whose bit q is qubit q, and the circuit measures {measured}. Leave these "
            f"measurements out, and choose the bits in a function interpret.{layout_text}"
        )
