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

from qllmft_backends.aer.noisy import as_written, gate_widths
from qllmft_backends.aer.simulator import run
from qllmft_backends.errors import BackendError
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Floats, Ints

Part = Literal["one_qubit", "two_qubit", "readout"]
MOST_QUBITS = 12  # of a density matrix: 4¹² numbers are 268 MB
_LABEL = "outcomes"


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
        if self.circuit.num_qubits > MOST_QUBITS:
            raise BackendError(
                f"circuit {self.circuit.name!r} has gates on {self.circuit.num_qubits} qubits; a density matrix holds "
                f"at most {MOST_QUBITS} here. Use fewer qubits, or evaluate on the backend itself."
            )

    @classmethod
    def of_noise(cls, circuit: QuantumCircuit, noise: GateNoise) -> MachineErrors:
        """Return the errors of a circuit as it is written under depolarizing noise.

        Raises:
            BackendError: if the circuit has more than `MOST_QUBITS` qubits, gates on more than two, or gates that Aer
                does not know.
        """
        circuit, n = as_written(circuit, AerSimulator(method="density_matrix")), circuit.num_qubits
        gates = [
            (key, (), depolarizing_error(noise.rate(width), width))
            for key, width in gate_widths(circuit).items()
        ]
        e = noise.readout_error
        readouts = np.tile([[1 - e, e], [e, 1 - e]], (n, 1, 1))
        columns = np.arange(circuit.num_parameters)
        return cls(circuit, columns, gates, readouts, tuple(range(n)))

    @classmethod
    def of_target(
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
            BackendError: if the machine states no error, or more than `MOST_QUBITS` qubits carry gates.
        """
        bare = circuit.remove_final_measurements(inplace=False)
        used = {circuit.find_bit(qubit).index for each in bare.data for qubit in each.qubits}
        place = {qubit: i for i, qubit in enumerate(sorted(used | set(measured)))}
        compact = QuantumCircuit(len(place), name=circuit.name, global_phase=bare.global_phase)
        for each in bare.data:
            if each.operation.name != "barrier":
                qubits = [place[bare.find_bit(qubit).index] for qubit in each.qubits]
                compact.append(each.operation, qubits)
        gates = [
            (name, tuple(place[q] for q in qubits), error)
            for name, qubits, error in basic_device_gate_errors(target=target)
            if place.keys() >= set(qubits)
        ]
        of_bits = basic_device_readout_errors(properties, None if properties else target)
        stated = {qubits[0]: np.asarray(error.probabilities) for qubits, error in of_bits}
        if not gates and not stated:
            raise BackendError(
                "the machine states no errors of its gates and readouts, so nothing can be predicted. Evaluate on it, "
                "or give a backend with known noise, such as aer_forte."
            )
        readouts = np.stack([stated.get(qubit, np.eye(2)) for qubit in measured])
        return cls(compact, columns, gates, readouts, tuple(place[qubit] for qubit in measured))

    def has(self, part: Part) -> bool:
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
                nothing = QuantumCircuit(error.num_qubits)
                nothing.id(range(error.num_qubits))
                parts = zip(error.circuits, factor * np.asarray(error.probabilities), strict=True)
                error = QuantumError([*parts, (nothing, 1.0 - factor)])
            if qubits:
                model.add_quantum_error(error, name, qubits)
            else:
                model.add_all_qubit_quantum_error(error, name)
        saved = self.circuit.copy()
        saved.save_probabilities(list(self.measured), label=_LABEL)
        simulator = AerSimulator(method="density_matrix")
        result = run(simulator, saved, values[:, self.columns], noise_model=model)
        found = np.array([result.data(b)[_LABEL] for b in range(len(values))])
        weight = factor if part == "readout" else 1.0
        return read(found, weight * self.readouts + (1 - weight) * np.eye(2))


def read(probabilities: Floats, readouts: Floats) -> Floats:
    """Return the probabilities (B, 2ⁿ) of bits as read, from those of states (B, 2ⁿ) and ``readouts`` (n, 2, 2)."""
    b, n = len(probabilities), len(readouts)
    found = probabilities.reshape(b, *(2,) * n)
    for qubit, matrix in enumerate(readouts):
        axis = n - qubit  # the first axis is the row, the second the last qubit
        found = np.moveaxis(np.tensordot(found, matrix, axes=(axis, 0)), -1, axis)
    return found.reshape(b, -1)
