"""Circuits of IonQ's API on Qiskit's state vectors: exact, and with noise shot by shot.

Qubit q is bit q of a basis state's index, as in the API's results and in Qiskit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import CircuitInstruction, ControlledGate
from qiskit.circuit import Gate as QiskitGate
from qiskit.circuit.library import (
    PauliEvolutionGate,
    PhaseGate,
    RGate,
    RZZGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp, Statevector

from qllmft_backends.noise import GateNoise, pauli_error_probability
from qllmft_backends.protocol import Bits, Floats, Ints
from qllmft_machines.bounds import MAX_IDEAL_QUBITS, MAX_NOISY_QUBITS
from qllmft_machines.ionq.options import CLOUD_NOISE
from qllmft_machines.sandbox.request import RefusedError

Gate = Mapping[str, Any]
Complexes = NDArray[np.complex128]

# With probability r the qubits of a gate become maximally mixed, so that each of the 4**n - 1
# errors has probability r / 4**n. Forte Enterprise and Tempo have Forte-1's noise here, because
# their own is not published.
NOISE: dict[str, GateNoise] = {
    **CLOUD_NOISE,
    **dict.fromkeys(("forte-enterprise-1", "tempo-1"), CLOUD_NOISE["forte-1"]),
}
_BATCH_BITS = 8  # 2**8 trajectories at a time
STANDARD_GATES = get_standard_gate_name_mapping()
# Qiskit's name by the API's
QISKIT_NAMES = {name: name for name in ("x", "y", "z", "h", "s", "t", "swap", "rx", "ry", "rz")}
QISKIT_NAMES |= {
    "si": "sdg",
    "ti": "tdg",
    "v": "sx",
    "vi": "sxdg",
    "xx": "rxx",
    "yy": "ryy",
    "zz": "rzz",
}
_ACCEPTED_NAMES = QISKIT_NAMES | {"not": "x", "cnot": "x", "nop": "id"}
_NATIVE_NAMES = ("gpi", "gpi2", "ms")


def to_qiskit_circuit(circuit: Sequence[Gate], n_qubits: int) -> QuantumCircuit:
    """Return a list of the API's gates as Qiskit's circuit, one instruction per gate, or raise `RefusedError`."""
    converted = QuantumCircuit(n_qubits)
    for position, gate in enumerate(circuit):
        controls, targets = controls_and_targets(gate)
        acted_on = controls + targets
        operation = _to_qiskit_gate(gate)
        if operation is None or len(targets) != operation.num_qubits:
            raise RefusedError(
                f"gate {position} is {gate.get('gate')!r} with the fields {', '.join(sorted(gate))}, which the mock "
                f"server does not have, expected one of {', '.join([*_ACCEPTED_NAMES, 'pauliexp', *_NATIVE_NAMES])}"
            )
        if (
            not targets
            or len(set(acted_on)) != len(acted_on)
            or not all(0 <= q < n_qubits for q in acted_on)
        ):
            raise RefusedError(
                f"gate {position} ({gate.get('gate')!r}) acts on {acted_on}, expected qubits below {n_qubits}"
            )
        if controls:
            operation = operation.control(len(controls), annotated=False)
        converted.append(operation, acted_on)
    return converted


def controls_and_targets(gate: Gate) -> tuple[list[int], list[int]]:
    """Return the controls and the targets of a gate."""
    controls = gate.get("controls", [gate["control"]] if "control" in gate else [])
    targets = gate.get("targets", [gate["target"]] if "target" in gate else [])
    return [int(q) for q in controls], [int(q) for q in targets]


def _to_qiskit_gate(gate: Gate) -> QiskitGate | None:
    """Return the gate on its targets, or None if it is unknown. Phases are in turns, native angles in units of 2π."""
    name = str(gate.get("gate"))
    angles = [gate["rotation"]] if "rotation" in gate else []
    native_angles = [
        gate.get("phase", 0.0),
        gate.get("angle", 0.25),
        *gate.get("phases", [0.0, 0.0]),
    ]
    if len(native_angles) != 4 or not all(map(math.isfinite, (*angles, *native_angles))):
        return None
    phase, angle, *axes = (2 * np.pi * value for value in native_angles)
    if name in ("gpi", "gpi2"):
        return RGate(np.pi if name == "gpi" else np.pi / 2, phase)
    if name == "zz" and "angle" in gate:
        return RZZGate(angle)
    if name == "ms":  # RXX with its axes turned about Z
        ms_circuit = QuantumCircuit(2, name="ms")
        for sign in (-1, 1):
            for qubit, axis in enumerate(axes):
                ms_circuit.rz(sign * axis, qubit)
            if sign < 0:
                ms_circuit.rxx(angle, 0, 1)
        return ms_circuit.to_gate()
    if name == "pauliexp":
        return _evolution_gate(gate)
    if name == "z" and angles:  # a phase, as qiskit-ionq sends p, cp and mcphase
        return PhaseGate(*angles)
    standard = STANDARD_GATES.get(_ACCEPTED_NAMES.get(name, ""))
    if standard is None or len(standard.params) != len(angles):
        return None
    return standard.base_class(*angles)


def _evolution_gate(gate: Gate) -> QiskitGate | None:
    """Return exp(-i·time·Σ coefficient·term), or None without terms. A term's last letter is of the first target."""
    terms = [str(term) for term in gate.get("terms", [])]
    time = float(gate.get("time", 1.0))
    coefficients = [float(coefficient) for coefficient in gate.get("coefficients", [])]
    widths = {len(term) for term in terms}
    if len(widths) != 1 or len(coefficients) != len(terms):
        return None
    if not (set("".join(terms)) <= set("IXYZ") and all(map(math.isfinite, (time, *coefficients)))):
        return None
    operator = SparsePauliOp(terms, coefficients)
    if len(operator.paulis.group_commuting()) > 1:
        raise RefusedError(
            f"the terms {', '.join(terms[:8])} of a 'pauliexp' do not commute, and the mock server does not have the "
            "service's synthesis, expected commuting ones. Send a gate for each term, in the order of their product."
        )
    # its definition is exact for commuting terms; its matrix has 4**n entries
    product = PauliEvolutionGate(operator, time).definition
    product.name = "pauliexp"
    return product.to_gate()


@dataclass(frozen=True)
class ActiveCircuit:
    """Circuit on the qubits that gates act on. The idle ones stay in |0⟩ and are not simulated."""

    circuit: QuantumCircuit  # on m qubits, one instruction per gate
    qubits: tuple[int, ...]  # (m,) qubit of the API's circuit, ascending

    @classmethod
    def from_gates(cls, circuit: Sequence[Gate], n_qubits: int) -> Self:
        """Return the active part of a list of the API's gates, or raise `RefusedError`."""
        full_circuit = to_qiskit_circuit(circuit, n_qubits)
        acted_on = {
            qubit
            for instruction in full_circuit.data
            for qubit in qubit_indices(full_circuit, instruction)
        }
        qubits = tuple(sorted(acted_on)) or (0,)
        active_circuit = QuantumCircuit([full_circuit.qubits[qubit] for qubit in qubits])
        for instruction in full_circuit.data:
            active_circuit.append(instruction)
        return cls(active_circuit, qubits)

    def basis_state(self, index: int) -> int:
        """Return the basis state of all qubits with this index among the active ones."""
        return sum(1 << qubit for place, qubit in enumerate(self.qubits) if index >> place & 1)

    def by_basis_state(self, values: Floats | Ints, threshold: float) -> dict[int, Any]:
        """Return the values (2**m,) above ``threshold`` by the basis state of all qubits."""
        state_indices = np.flatnonzero(values > threshold).tolist()
        return {self.basis_state(index): values[index].item() for index in state_indices}


def check_circuit(circuit: Sequence[Gate], n_qubits: int, noise: str) -> None:
    """Raise `RefusedError` unless `probabilities` and `counts` can run a circuit."""
    if noise not in NOISE:
        raise RefusedError(f"there is no noise model {noise!r}, expected one of {', '.join(NOISE)}")
    limit = MAX_IDEAL_QUBITS if noise == "ideal" else MAX_NOISY_QUBITS
    if n_qubits < 1:
        raise RefusedError(f"{n_qubits} qubits, expected 1 or more")
    n_active = len(ActiveCircuit.from_gates(circuit, n_qubits).qubits)
    if n_active > limit:
        remedy = (
            f". Without noise it simulates up to {MAX_IDEAL_QUBITS}: qllmft ionq-sandbox --noise ideal"
            if limit < n_active <= MAX_IDEAL_QUBITS
            else ""
        )
        raise RefusedError(
            f"gates act on {n_active} qubits, and the mock server simulates up to {limit} with noise {noise!r}{remedy}"
        )


def probabilities(circuit: Sequence[Gate], n_qubits: int) -> dict[int, float]:
    """Return the exact probabilities without noise, by basis state; those of the others are 0 up to rounding."""
    active = ActiveCircuit.from_gates(circuit, n_qubits)
    return active.by_basis_state(_ideal_probabilities(active.circuit), 1e-14)


def counts(
    circuit: Sequence[Gate], n_qubits: int, shots: int, noise: str, rng: Generator
) -> dict[int, int]:
    """Return the counts of shots by basis state, each shot with its own Pauli errors after the gates.

    A gate on three qubits or more has the errors of the gates on one and two that it is made of.

    Args:
        circuit: checked.
        n_qubits: n.
        shots: number of shots.
        noise: one of `NOISE`.
        rng: random numbers of errors and shots.
    """
    active = ActiveCircuit.from_gates(circuit, n_qubits)
    simulated_circuit = active.circuit if noise == "ideal" else _split_wide_gates(active.circuit)
    widths = [len(instruction.qubits) for instruction in simulated_circuit.data]
    rates = [
        0.0 if noise == "ideal" else pauli_error_probability(NOISE[noise].rate(w), w)
        for w in widths
    ]
    has_error = rng.random((shots, len(widths))) < np.array(rates)  # (shots, gates)
    has_error = has_error[has_error.any(axis=1)]
    ideal_probabilities = _ideal_probabilities(active.circuit)
    state_counts = rng.multinomial(
        shots - len(has_error), ideal_probabilities / ideal_probabilities.sum()
    )
    for start in range(0, len(has_error), 2**_BATCH_BITS):
        np.add.at(
            state_counts,
            _draw_outcomes(simulated_circuit, has_error[start : start + 2**_BATCH_BITS], rng),
            1,
        )
    return active.by_basis_state(state_counts, 0)


def _split_wide_gates(circuit: QuantumCircuit) -> QuantumCircuit:
    """Return the same circuit with gates on one and two qubits in the place of wider ones."""
    narrow_circuit = circuit.copy_empty_like()
    for instruction in circuit.data:
        width = len(instruction.qubits)
        if width <= 2:
            narrow_circuit.append(instruction)
            continue
        gate = QuantumCircuit(width)
        gate.append(instruction.operation, range(width))
        narrow_gates = transpile(gate, basis_gates=["u", "cx"], optimization_level=0)
        narrow_circuit.compose(narrow_gates, instruction.qubits, inplace=True)
    return narrow_circuit


def _ideal_probabilities(circuit: QuantumCircuit) -> Floats:
    state = np.zeros(2**circuit.num_qubits, np.complex128)
    state[0] = 1
    for instruction in circuit.data:
        state = _evolve_state(state, instruction.operation, qubit_indices(circuit, instruction))
    return np.asarray(np.abs(state) ** 2)


def qubit_indices(circuit: QuantumCircuit, instruction: CircuitInstruction) -> list[int]:
    """Return the places of an instruction's qubits in its circuit."""
    return [circuit.find_bit(qubit).index for qubit in instruction.qubits]


def _evolve_state(state: Complexes, operation: QiskitGate, qubits: Sequence[int]) -> Complexes:
    """Return a state (2**k,) after a gate whose controls, if it has any, act on 1.

    Controls choose a part of the state, because the matrix of a gate with 12 of them has 1 GB.
    """
    if not isinstance(operation, ControlledGate):
        return np.asarray(Statevector(state).evolve(operation, list(qubits)).data)
    controls, targets = np.split(np.array(qubits), [operation.num_ctrl_qubits])
    n_qubits = len(state).bit_length() - 1
    tensor = state.reshape((2,) * n_qubits).copy()  # qubit q is axis n - 1 - q
    axes = set((n_qubits - 1 - controls).tolist())
    control_slice = tuple(1 if axis in axes else slice(None) for axis in range(n_qubits))
    target_positions = [int(target - (controls < target).sum()) for target in targets]
    evolved = Statevector(tensor[control_slice].ravel()).evolve(
        operation.base_gate, target_positions
    )
    tensor[control_slice] = evolved.data.reshape(tensor[control_slice].shape)
    return tensor.ravel()


def _apply_pauli(state: Complexes, pauli_number: int, qubits: Sequence[int]) -> Complexes:
    """Return a state (2**n,) after a Pauli operator on k qubits, up to its phase.

    Bit i of the number is Z on the i-th qubit, and bit k + i is X there.
    """
    z_mask, x_mask = (
        sum(1 << qubit for i, qubit in enumerate(qubits) if pauli_number >> (first + i) & 1)
        for first in (0, len(qubits))
    )
    basis_states = np.arange(len(state))
    signs = 1 - 2 * (np.bitwise_count(basis_states & z_mask) & 1).astype(float)
    return np.asarray((signs * state)[basis_states ^ x_mask])


def _draw_outcomes(circuit: QuantumCircuit, has_error: Bits, rng: Generator) -> Ints:
    """Return one outcome of each trajectory; ``has_error`` (T, gates): it has an error after a gate."""
    bits = max(
        1, len(has_error) - 1
    ).bit_length()  # the trajectories are the values of further qubits
    n_states = 2**circuit.num_qubits
    states = np.zeros((2**bits, n_states), np.complex128)
    states[:, 0] = 1
    for instruction, has_error_here in zip(circuit.data, has_error.T, strict=True):
        qubits = qubit_indices(circuit, instruction)
        evolved = _evolve_state(states.ravel(), instruction.operation, qubits)
        states = evolved.reshape(2**bits, -1)
        for row in np.flatnonzero(has_error_here):
            pauli_number = int(rng.integers(1, 4 ** len(qubits)))  # an error, uniformly
            states[row] = _apply_pauli(states[row], pauli_number, qubits)
    state_probabilities = np.abs(states[: len(has_error)]) ** 2
    draws = rng.random((len(has_error), 1)) * state_probabilities.sum(axis=1, keepdims=True)
    return np.asarray(
        np.minimum((np.cumsum(state_probabilities, axis=1) < draws).sum(axis=1), n_states - 1)
    )
