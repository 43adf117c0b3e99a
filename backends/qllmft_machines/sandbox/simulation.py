"""Circuits of IonQ's API on Qiskit Aer: exact, and in shots with a machine's noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import ControlledGate
from qiskit.circuit import Gate as QiskitGate
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import Operator
from qiskit_aer import AerSimulator

from qllmft_backends.aer.noisy import AerForteBackend, AerForteOptions
from qllmft_backends.aer.simulator import native_names, run
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Floats, Ints
from qllmft_backends.requests import inline_definitions
from qllmft_machines.sandbox.circuits import NOISE, ActiveCircuit, Gate

_SIMULATOR = AerSimulator(method="statevector")
_NATIVE_NAMES = native_names(_SIMULATOR)
# of every method that the noise may choose
_NOISY_NAMES = _NATIVE_NAMES & native_names(AerSimulator(method="density_matrix"))
_NO_PARAMETERS = np.empty((1, 0))  # of a single run


def probabilities(circuit: Sequence[Gate], n_qubits: int) -> dict[int, float]:
    """Return the exact probabilities without noise, by basis state; those of the others are 0 up to rounding."""
    active = ActiveCircuit.from_gates(circuit, n_qubits)
    return active.by_basis_state(_ideal_probabilities(active.circuit), 1e-14)


def counts(
    circuit: Sequence[Gate], n_qubits: int, shots: int, noise: str, rng: Generator
) -> dict[int, int]:
    """Return the counts of shots by basis state, with the noise after every gate.

    A gate on three qubits or more has the errors of the gates on one and two that it is made of.

    Args:
        circuit: checked.
        n_qubits: n.
        shots: number of shots.
        noise: one of `NOISE`.
        rng: random numbers of errors and shots.
    """
    active = ActiveCircuit.from_gates(circuit, n_qubits)
    if NOISE[noise].is_on_gates:
        state_counts = _noisy_counts(active.circuit, shots, NOISE[noise], rng)
    else:
        ideal_probabilities = _ideal_probabilities(active.circuit)
        state_counts = rng.multinomial(shots, ideal_probabilities / ideal_probabilities.sum())
    return active.by_basis_state(state_counts, 0)


def _ideal_probabilities(circuit: QuantumCircuit) -> Floats:
    """Return the probabilities (2**m,) of a circuit's basis states."""
    saved_circuit = inline_definitions(_name_controls(circuit), _NATIVE_NAMES, "Aer").copy()
    saved_circuit.save_probabilities(range(circuit.num_qubits))
    return np.asarray(run(_SIMULATOR, saved_circuit, _NO_PARAMETERS).data(0)["probabilities"])


def _name_controls(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the same circuit with Aer's own gates of many controls, whose definitions have hundreds of gates."""
    named_circuit = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ControlledGate) and operation.num_ctrl_qubits > 1:
            name = f"mc{operation.base_gate.name}"
            if name in _NATIVE_NAMES:
                operation = QiskitGate(name, operation.num_qubits, operation.base_gate.params)
        named_circuit.append(operation, instruction.qubits)
    return named_circuit


def _noisy_counts(circuit: QuantumCircuit, shots: int, noise: GateNoise, rng: Generator) -> Ints:
    """Return the counts (2**m,) of a circuit's basis states."""
    measured_circuit = gates_with_noise(circuit)
    measured_circuit.measure_all()
    machine = AerForteBackend(AerForteOptions(**noise.options))
    bits = machine.bits(measured_circuit, _NO_PARAMETERS, shots, rng)[0]  # (shots, m)
    states = bits @ (1 << np.arange(circuit.num_qubits))
    return np.bincount(states, minlength=2**circuit.num_qubits).astype(np.int64)


def gates_with_noise(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the same circuit in gates of Aer that carry noise.

    Gates on one and two qubits remain one gate each. Wider ones become the gates on one and two that they are made of.
    """
    noisy_circuit = QuantumCircuit(circuit.num_qubits)
    for instruction in circuit.data:
        operation = instruction.operation
        width = len(instruction.qubits)
        gate = QuantumCircuit(width)
        if width <= 2 and operation.name not in _NOISY_NAMES:
            operation = UnitaryGate(Operator(operation), label=f"matrix on {width}")
        gate.append(operation, range(width))
        if width > 2:
            gate = transpile(gate, basis_gates=["u", "cx"], optimization_level=0)
        places = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        noisy_circuit.compose(gate, places, inplace=True)
    return noisy_circuit
