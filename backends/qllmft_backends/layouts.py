"""Circuits that were transpiled for a device, read as the circuits before.

The transpiler puts qubit q of a circuit on another qubit of the device, and may move it by swaps. Its layout says where
each one is at the end. Device qubits that hold none of them are ancillas.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, ControlFlowOp
from qiskit.quantum_info import PauliList, SparsePauliOp

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Operators

_REMEDY = "Give the circuit before it was transpiled."


def final_qubits(circuit: QuantumCircuit) -> list[int]:
    """Return the qubit of ``circuit`` on which each qubit of the circuit before `transpile` ends.

    Raises:
        BackendError: if the layout does not fit the circuit.

    >>> from qiskit import transpile
    >>> circuit = QuantumCircuit(2)
    >>> final_qubits(circuit)
    [0, 1]
    >>> final_qubits(transpile(circuit, coupling_map=[[0, 1], [1, 2]], initial_layout=[2, 0]))
    [2, 0]
    """
    layout = circuit.layout
    if layout is None:
        return list(range(circuit.num_qubits))
    try:
        width = len(layout.initial_layout)
        qubits = [int(qubit) for qubit in layout.final_index_layout(filter_ancillas=True)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise BackendError(
            f"circuit {circuit.name!r} has a layout that cannot be read ({error}). {_REMEDY}"
        ) from error
    if (
        width > circuit.num_qubits
        or len(set(qubits)) < len(qubits)
        or not set(qubits) <= set(range(circuit.num_qubits))
    ):
        raise BackendError(
            f"circuit {circuit.name!r} has {circuit.num_qubits} qubits, and its layout is {qubits} of {width}: that of "
            f"another circuit. {_REMEDY}"
        )
    return qubits


def describe_layout(circuit: QuantumCircuit) -> str:
    """Return words on the layout of a transpiled circuit."""
    return (
        f"circuit {circuit.name!r} was transpiled, and its qubits before are on the qubits {final_qubits(circuit)} of "
        f"{circuit.num_qubits}"
    )


def undo_layout(
    circuit: QuantumCircuit, operators: Operators = ()
) -> tuple[QuantumCircuit, list[SparsePauliOp]]:
    """Return a circuit in which qubit q is qubit q of the circuit before it was transpiled.

    Its gates are still the device's. Ancillas without a gate are left out, and others come last.

    Args:
        circuit: with or without a layout.
        operators: on the qubits before; they get identities on the ancillas.
    """
    if circuit.layout is None:
        return circuit, list(operators)
    places = final_qubits(circuit)
    ancillas = sorted(_active_qubits(circuit) - set(places))
    identities = SparsePauliOp("I" * len(ancillas))
    return _reorder_qubits(circuit, [*places, *ancillas]), [
        identities.tensor(operator) if ancillas else operator for operator in operators
    ]


def undo_observables(circuit: QuantumCircuit, observables: Operators) -> list[SparsePauliOp]:
    """Return observables on the qubits before a circuit was transpiled.

    Args:
        circuit: Q qubits of a device, of n before.
        observables: on n qubits, or on the Q of the device.

    Raises:
        BackendError: if one has another number of qubits, acts on an ancilla, or could be of either kind.
    """
    if circuit.layout is None:
        return list(observables)
    places = final_qubits(circuit)
    return [_undo_observable(observable, circuit, places) for observable in observables]


def check_placed_observables(circuit: QuantumCircuit, observables: Operators) -> None:
    """Raise `BackendError` unless observables are on the qubits of a transpiled circuit, and on no ancillas."""
    if circuit.layout is None:
        return
    for observable in observables:
        if observable.num_qubits != circuit.num_qubits:
            raise BackendError(
                f"an observable acts on {observable.num_qubits} qubits, and {describe_layout(circuit)}. Give "
                "observable.apply_layout(circuit.layout)."
            )
        _refuse_ancillas(observable, circuit, final_qubits(circuit))


def refuse_sampler_network(circuit: QuantumCircuit, caller: str) -> None:
    """Raise `BackendError` if ``caller`` is the module of `SamplerQNN` and a layout moves qubits.

    Its gradients take the device's qubit q for qubit q of the circuit before, and so do its values if the circuit was
    measured before it was transpiled (qiskit-machine-learning 0.9.1).
    """
    if caller != "qiskit_machine_learning.neural_networks.sampler_qnn":
        return
    places = final_qubits(circuit)
    if places != list(range(len(places))):
        raise BackendError(
            f"SamplerQNN takes the device's bits for those of the circuit: {describe_layout(circuit)}. {_REMEDY}"
        )


def _active_qubits(circuit: QuantumCircuit) -> set[int]:
    """Return the qubits with an operation; a measurement alone counts only if a condition may read it."""
    passive_names = {"barrier", "delay"}
    if not any(isinstance(i.operation, ControlFlowOp) for i in circuit.data):
        passive_names.add("measure")
    return {
        circuit.find_bit(qubit).index
        for instruction in circuit.data
        if instruction.operation.name not in passive_names
        for qubit in instruction.qubits
    }


def _reorder_qubits(circuit: QuantumCircuit, indices: Sequence[int]) -> QuantumCircuit:
    """Return a circuit of some qubits in their order, without a layout. The others have no gates."""
    qubits = [circuit.qubits[index] for index in indices]
    reordered = QuantumCircuit(
        qubits,
        circuit.clbits,
        *circuit.cregs,
        name=circuit.name,
        global_phase=circuit.global_phase,
        metadata=circuit.metadata,
        inputs=list(circuit.iter_input_vars()),
    )
    for variable in circuit.iter_declared_vars():
        reordered.add_uninitialized_var(variable)
    remaining = set(qubits)
    for instruction in circuit.data:
        operation = instruction.operation
        operands = [qubit for qubit in instruction.qubits if qubit in remaining]
        if len(operands) == len(instruction.qubits):
            reordered.append(instruction)
        elif operation.name == "barrier" and operands:
            reordered.append(Barrier(len(operands), label=operation.label), operands)
    return reordered


def _undo_observable(
    observable: SparsePauliOp, circuit: QuantumCircuit, places: Sequence[int]
) -> SparsePauliOp:
    """Return an observable on the qubits before."""
    width = circuit.num_qubits
    n_qubits = len(places)
    if observable.num_qubits not in (n_qubits, width):
        raise BackendError(
            f"an observable acts on {observable.num_qubits} qubits, expected {n_qubits} or {width}: "
            f"{describe_layout(circuit)}."
        )
    if observable.num_qubits < width:
        return observable
    if n_qubits == width and observable.apply_layout(list(places)).equiv(observable):
        return observable
    if n_qubits == width:
        raise BackendError(
            f"observable {observable.paulis.to_labels()} has two meanings: {describe_layout(circuit)}. {_REMEDY}"
        )
    _refuse_ancillas(observable, circuit, places)
    z = observable.paulis.z[:, places]
    x = observable.paulis.x[:, places]
    return SparsePauliOp(PauliList.from_symplectic(z, x), observable.coeffs)


def _refuse_ancillas(
    observable: SparsePauliOp, circuit: QuantumCircuit, places: Sequence[int]
) -> None:
    """Raise `BackendError` if an observable acts on a qubit that holds none of the circuit before."""
    acts_on = (observable.paulis.z | observable.paulis.x).any(axis=0)
    ancillas = sorted(set(np.flatnonzero(acts_on).tolist()) - set(places))
    if ancillas:
        raise BackendError(
            f"an observable acts on qubit {ancillas[0]}, which holds none: {describe_layout(circuit)}. Give "
            "observable.apply_layout(circuit.layout)."
        )
