"""Errors of a machine's gates and readouts in Aer's form, any part of which can be made smaller, and exact outcomes.

A part of the errors is made smaller by mixing each of its channels with the identity: with factor f, an error happens
f times as often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from qiskit import QuantumCircuit
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, QuantumError, depolarizing_error
from qiskit_aer.noise.device import basic_device_gate_errors, basic_device_readout_errors

from qllmft_backends.aer.noisy import gate_widths, inline_nested_circuits
from qllmft_backends.aer.simulator import run
from qllmft_backends.bounds import MAX_DENSITY_MATRIX_QUBITS
from qllmft_backends.errors import BackendError
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Floats, Ints

Part = Literal["one_qubit", "two_qubit", "readout"]
_OUTCOMES_LABEL = "outcomes"


@dataclass(frozen=True)
class MachineErrors:
    """Circuit as a machine runs it, with its errors.

    Attributes:
        circuit: gates on the qubits that carry any, with P' free parameters.
        columns: (P',) columns of the original parameters.
        gates: name or label, qubits of ``circuit`` and channel of each error; no qubits: all.
        readouts: (n, 2, 2) probability of each bit read (last axis) for each state of an original qubit.
        measured: (n,) qubit of ``circuit`` behind each original qubit.
    """

    circuit: QuantumCircuit
    columns: Ints
    gates: Sequence[tuple[str, tuple[int, ...], QuantumError]]
    readouts: Floats
    measured: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.circuit.num_qubits > MAX_DENSITY_MATRIX_QUBITS:
            raise BackendError(
                f"circuit {self.circuit.name!r} has gates on {self.circuit.num_qubits} qubits. A density matrix holds "
                f"at most {MAX_DENSITY_MATRIX_QUBITS} here. Use fewer qubits, or evaluate on the backend itself."
            )

    @classmethod
    def from_noise(cls, circuit: QuantumCircuit, noise: GateNoise) -> MachineErrors:
        """Return the errors of a circuit as it is written under depolarizing noise.

        Raises:
            BackendError: if the circuit has more than `MAX_DENSITY_MATRIX_QUBITS` qubits, gates on more than two, or
                gates that Aer does not know.
        """
        n_qubits = circuit.num_qubits
        circuit = inline_nested_circuits(circuit, AerSimulator(method="density_matrix"))
        gates = [
            (key, (), depolarizing_error(noise.rate(width), width))
            for key, width in gate_widths(circuit).items()
        ]
        error_rate = noise.readout_error
        readouts = np.tile(
            [[1 - error_rate, error_rate], [error_rate, 1 - error_rate]], (n_qubits, 1, 1)
        )
        columns = np.arange(circuit.num_parameters)
        return cls(circuit, columns, gates, readouts, tuple(range(n_qubits)))

    @classmethod
    def from_target(
        cls,
        circuit: QuantumCircuit,
        columns: Ints,
        measured: Sequence[int],
        target: Target,
        properties: object = None,
    ) -> MachineErrors:
        """Return the errors that a machine states: of its gates with relaxation, and of its readouts.

        Args:
            circuit: compiled to the machine, with or without its measurements.
            columns: (P',) columns of the original parameters.
            measured: (n,) the machine's qubit behind each original qubit.
            target: of the machine.
            properties: `BackendProperties` of an IBM machine, which state the readout errors of 0 and of 1; None: those
                of the target, alike for both.

        Raises:
            BackendError: if the machine states no error, or more than `MAX_DENSITY_MATRIX_QUBITS` qubits carry gates.
        """
        unmeasured_circuit = circuit.remove_final_measurements(inplace=False)
        used_qubits = {
            circuit.find_bit(qubit).index
            for instruction in unmeasured_circuit.data
            for qubit in instruction.qubits
        }
        position_by_qubit = {
            qubit: i for i, qubit in enumerate(sorted(used_qubits | set(measured)))
        }
        compact_circuit = QuantumCircuit(
            len(position_by_qubit), name=circuit.name, global_phase=unmeasured_circuit.global_phase
        )
        for instruction in unmeasured_circuit.data:
            if instruction.operation.name != "barrier":
                qubits = [
                    position_by_qubit[unmeasured_circuit.find_bit(qubit).index]
                    for qubit in instruction.qubits
                ]
                compact_circuit.append(instruction.operation, qubits)
        gates = [
            (name, tuple(position_by_qubit[q] for q in qubits), error)
            for name, qubits, error in basic_device_gate_errors(target=target)
            if position_by_qubit.keys() >= set(qubits)
        ]
        readout_errors = basic_device_readout_errors(properties, None if properties else target)
        readout_by_qubit = {
            qubits[0]: np.asarray(error.probabilities) for qubits, error in readout_errors
        }
        if not gates and not readout_by_qubit:
            raise BackendError(
                "the device states no errors of its gates and readouts, so nothing can be predicted. Evaluate on it, "
                "or give a backend with known noise, such as aer_forte."
            )
        readouts = np.stack([readout_by_qubit.get(qubit, np.eye(2)) for qubit in measured])
        return cls(
            compact_circuit,
            columns,
            gates,
            readouts,
            tuple(position_by_qubit[qubit] for qubit in measured),
        )

    def has_errors(self, part: Part) -> bool:
        """Return whether there are errors of a part."""
        if part == "readout":
            return bool((self.readouts != np.eye(2)).any())
        width = 1 if part == "one_qubit" else 2
        return any(error.num_qubits == width and not error.ideal() for _, _, error in self.gates)

    def probabilities(
        self, values: Floats, *, part: Part | None = None, factor: float = 1.0
    ) -> Floats:
        """Return the probabilities (B, 2ⁿ) of the outcomes that are read; bit q of an outcome is qubit q.

        Args:
            values: (B, P) values of the original parameters, in radians.
            part: errors that are made smaller; None: none.
            factor: of their probability, 0 to 1.
        """
        model = NoiseModel(basis_gates=sorted({name for name, _, _ in self.gates}))
        for name, qubits, error in self.gates:
            width = len(qubits) or error.num_qubits
            if part == ("one_qubit" if width == 1 else "two_qubit"):
                identity_circuit = QuantumCircuit(error.num_qubits)
                identity_circuit.id(range(error.num_qubits))
                scaled_parts = zip(
                    error.circuits, factor * np.asarray(error.probabilities), strict=True
                )
                error = QuantumError([*scaled_parts, (identity_circuit, 1.0 - factor)])
            if qubits:
                model.add_quantum_error(error, name, qubits)
            else:
                model.add_all_qubit_quantum_error(error, name)
        saved_circuit = self.circuit.copy()
        saved_circuit.save_probabilities(list(self.measured), label=_OUTCOMES_LABEL)
        simulator = AerSimulator(method="density_matrix")
        result = run(simulator, saved_circuit, values[:, self.columns], noise_model=model)
        state_probabilities = np.array(
            [result.data(b)[_OUTCOMES_LABEL] for b in range(len(values))]
        )
        weight = factor if part == "readout" else 1.0
        return apply_readout(state_probabilities, weight * self.readouts + (1 - weight) * np.eye(2))


def apply_readout(probabilities: Floats, readouts: Floats) -> Floats:
    """Return the probabilities (B, 2ⁿ) of bits as read, from those of states (B, 2ⁿ) and ``readouts`` (n, 2, 2)."""
    n_rows = len(probabilities)
    n_qubits = len(readouts)
    read_probabilities = probabilities.reshape(n_rows, *(2,) * n_qubits)
    for qubit, matrix in enumerate(readouts):
        axis = n_qubits - qubit  # the first axis is the row, the second the last qubit
        read_probabilities = np.moveaxis(
            np.tensordot(read_probabilities, matrix, axes=(axis, 0)), -1, axis
        )
    return read_probabilities.reshape(n_rows, -1)
