"""Circuits of PennyLane on the engine: gates by name, angles as parameters, wire i as qubit i."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pennylane as qp
from pennylane.tape import QuantumScript
from qiskit import QuantumCircuit
from qiskit.circuit.library import StatePreparation, UnitaryGate, get_standard_gate_name_mapping
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.errors import UnsupportedGateError
from qllmft_engine.pennylane_device.gates import GATES, GateSequence
from qllmft_engine.pennylane_device.symbols import gate_outside_tables
from qllmft_engine.program.gates import GATES as ENGINE_GATES

_STANDARD_GATES = get_standard_gate_name_mapping()
_WITHOUT_EFFECT = ("GlobalPhase", "Barrier", "Snapshot")  # on a measurement
_ADDITIVE_GATES = ("RX", "RY", "RZ", "PhaseShift", "U1")  # two by a and b are one by a + b
MATRICES = ("QubitUnitary", "DiagonalQubitUnitary")


def is_supported(operation: Any) -> bool:
    """Return whether the engine takes an operation as it is; others are decomposed by PennyLane."""
    name = operation.name
    if _is_gate(name, operation.wires) or name in (*_WITHOUT_EFFECT, "GateSequence"):
        return True
    return name in (*MATRICES, "StatePrep") and not any(
        qp.math.requires_grad(p) for p in operation.data
    )


def _is_gate(name: str, wires: Any) -> bool:
    """Return whether an operation is one of `GATES`, where the identity is on one wire."""
    return name in GATES and (name != "Identity" or len(wires) == 1)


def is_differentiable(circuit: QuantumScript) -> bool:
    """Return whether all measurements are expectation values of real sums of Pauli words."""
    return bool(circuit.measurements) and all(
        isinstance(m, qp.measurements.ExpectationMP)
        and m.obs is not None
        and m.obs.pauli_rep is not None
        for m in circuit.measurements
    )


def gather_gates(tape: QuantumScript, *, stacks: bool) -> QuantumScript | None:
    """Return a tape with all gates as one operation, and None if it has other operations, shots or measurements.

    Args:
        tape: the circuit.
        stacks: stack angles that are tensors of torch, as PennyLane takes time for each parameter.
    """
    position_by_wire: dict[Any, int] = {}
    gates = []
    angles = []
    for operation in tape.operations:
        name = operation.name
        wires = operation.wires
        if not _is_gate(name, wires):
            return None
        gates.append(
            (
                name,
                tuple([position_by_wire.setdefault(wire, len(position_by_wire)) for wire in wires]),
            )
        )
        angles += operation.data
    sizes = {np.shape(angle) for angle in angles} - {()}
    if not gates or len(sizes) > 1 or tape.shots or not is_differentiable(tape):
        return None
    for measurement in tape.measurements:
        for wire in measurement.wires:
            position_by_wire.setdefault(wire, len(position_by_wire))
    stacks_by_numbers = stack_angles(angles) if stacks else None
    if stacks_by_numbers is not None:
        sequence = GateSequence(
            *stacks_by_numbers.values(),
            wires=list(position_by_wire),
            gates=tuple(gates),
            columns=tuple(stacks_by_numbers),
        )
        trained_parameters = set(tape.trainable_params)
        trainable = [
            i
            for i, numbers in enumerate(stacks_by_numbers)
            if not trained_parameters.isdisjoint(numbers)
        ]
        return QuantumScript([sequence], tape.measurements, trainable_params=trainable)
    sequence = GateSequence(*angles, wires=list(position_by_wire), gates=tuple(gates))
    return QuantumScript([sequence], tape.measurements, trainable_params=tape.trainable_params)


def stack_angles(angles: list[Any]) -> dict[tuple[int, ...], Any] | None:
    """Return a stack (n,) of the angles () and one (n, B) of the angles (B,), each by the numbers of its angles.

    None: they are not tensors of torch of one kind and device. Beside float64, they may be numbers.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    tensors = [angle for angle in angles if isinstance(angle, torch.Tensor)]
    dtypes_and_devices = {(angle.dtype, angle.device) for angle in tensors}
    if len(dtypes_and_devices) != 1:
        return None
    ((dtype, device),) = dtypes_and_devices
    if len(tensors) < len(angles) and dtype != torch.float64:
        return None  # a number would be rounded
    by_shape: dict[Any, dict[int, Any]] = {}
    for number, angle in enumerate(angles):
        tensor = torch.as_tensor(angle, dtype=dtype, device=device)
        by_shape.setdefault(tensor.shape, {})[number] = tensor
    return {
        tuple(tensor_by_number): torch.stack(list(tensor_by_number.values()))
        for tensor_by_number in by_shape.values()
    }


def pauli_sum(observable: Any, n_qubits: int) -> SparsePauliOp:
    """Return a sum of Pauli words on wires 0, 1, ... as one of Qiskit's."""
    return to_sparse_pauli(pauli_terms(observable, {i: i for i in range(n_qubits)}), n_qubits)


def pauli_terms(
    observable: Any, position_by_wire: dict[Any, int]
) -> tuple[tuple[str, tuple[int, ...], complex], ...]:
    """Return letters, places and coefficient of each word of a sum."""
    return tuple(
        (
            "".join(word.values()),
            tuple([position_by_wire[wire] for wire in word]),
            complex(qp.math.toarray(coefficient)),
        )
        for word, coefficient in observable.pauli_rep.items()
    )


def to_sparse_pauli(terms: Any, n_qubits: int) -> SparsePauliOp:
    """Return `pauli_terms` as a sum of Qiskit's."""
    return SparsePauliOp.from_sparse_list(list(terms) or [("", [], 0.0)], n_qubits)


def to_qiskit_circuit(
    circuit: QuantumScript, n_qubits: int, angles: Iterable[Any]
) -> QuantumCircuit:
    """Return a circuit on wires 0, 1, ... with Qiskit's gates, up to a phase.

    Rotations of a wire about one axis that follow each other, as an encoding and the weights after it do, become one
    by the sum of their angles.

    Args:
        circuit: of operations that `is_supported` takes.
        n_qubits: number of wires.
        angles: of all gates with angles, in the order of their parameters in PennyLane.

    Raises:
        UnsupportedGateError: for an operation that the engine does not run.
    """
    qiskit_circuit = QuantumCircuit(n_qubits)
    remaining_angles = iter(angles)
    last_operation: dict[
        int, tuple[str, int]
    ] = {}  # operation on each wire, and its place in the circuit
    for operation in circuit.operations:
        name = operation.name
        wires = [int(wire) for wire in operation.wires]
        place = len(qiskit_circuit.data)
        if name in GATES:
            gate, order = GATES[name]
            gate_angles = [next(remaining_angles) for _ in order]
            if name in _ADDITIVE_GATES and name == last_operation.get(wires[0], ("", 0))[0]:
                place = last_operation[wires[0]][1]
                total_angle = gate_angles[0] + qiskit_circuit.data[place].operation.params[0]
                merged_gate = _STANDARD_GATES[gate].base_class(total_angle)
                qiskit_circuit.data[place] = qiskit_circuit.data[place].replace(
                    operation=merged_gate
                )
            else:
                qiskit_circuit.append(
                    _STANDARD_GATES[gate].base_class(*(gate_angles[i] for i in order)), wires
                )
        elif name in MATRICES:
            matrix = np.asarray(qp.math.toarray(qp.matrix(operation, wire_order=operation.wires)))
            # PennyLane's first wire is the most significant
            qiskit_circuit.append(UnitaryGate(matrix), wires[::-1])
        elif name == "StatePrep":
            amplitudes = np.asarray(operation.state_vector(wire_order=operation.wires)).reshape(-1)
            qiskit_circuit.append(StatePreparation(amplitudes), wires[::-1])
        elif name in _WITHOUT_EFFECT:
            pass
        elif (other_gate := gate_outside_tables(operation)) is not None:
            qiskit_circuit.append(other_gate, wires)
        else:
            raise UnsupportedGateError(
                f"operation {name} on wires {wires} is none that the engine runs."
            )
        last_operation |= dict.fromkeys(wires, (name, place))
    return qiskit_circuit


def omitted_phase(circuit: QuantumScript) -> Any:
    """Return the phase that the engine leaves out, () or (B,): its gates are those of PennyLane up to a phase."""
    total: Any = 0.0
    for operation in circuit.operations:
        data = [np.asarray(qp.math.toarray(parameter)) for parameter in operation.data]
        if operation.name == "GlobalPhase":
            total = total - data[0]
        elif operation.name == "Rot":
            total = total - (data[0] + data[2]) / 2
        elif operation.name in GATES:
            gate = ENGINE_GATES[GATES[operation.name][0]]
            angle_phase = data[0] * gate.phase_slope if gate.phase_slope else 0.0
            total = total + gate.phase + angle_phase
        elif operation.name in MATRICES:
            total = total + _omitted_gate_phase(UnitaryGate(qp.math.toarray(qp.matrix(operation))))
    return total


def _omitted_gate_phase(operation: Any) -> float:
    """Return the same of one of Qiskit's gates with numbers as angles."""
    gate = ENGINE_GATES.get(operation.name)
    if gate is not None:
        angle_phase = gate.phase_slope * float(operation.params[0]) if gate.phase_slope else 0.0
        return gate.phase + angle_phase
    definition = operation.definition
    return float(definition.global_phase) + sum(
        _omitted_gate_phase(inner.operation) for inner in definition.data
    )
