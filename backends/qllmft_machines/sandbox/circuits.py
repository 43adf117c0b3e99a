"""Circuits of IonQ's API as Qiskit's, and the noise and the sizes that the mock server takes.

Qubit q is bit q of a basis state's index, as in the API's results and in Qiskit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.circuit import Gate as QiskitGate
from qiskit.circuit.library import (
    PauliEvolutionGate,
    PhaseGate,
    RGate,
    RZZGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp

from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Floats, Ints
from qllmft_machines.bounds import MAX_IDEAL_QUBITS, MAX_NOISY_QUBITS
from qllmft_machines.ionq.options import CLOUD_NOISE
from qllmft_machines.sandbox.request import RefusedError

Gate = Mapping[str, Any]

# Forte Enterprise and Tempo have Forte-1's noise here, because their own is not published.
NOISE: dict[str, GateNoise] = {
    **CLOUD_NOISE,
    **dict.fromkeys(("forte-enterprise-1", "tempo-1"), CLOUD_NOISE["forte-1"]),
}
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
    """Raise `RefusedError` unless the mock server can run a circuit."""
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


def qubit_indices(circuit: QuantumCircuit, instruction: CircuitInstruction) -> list[int]:
    """Return the places of an instruction's qubits in its circuit."""
    return [circuit.find_bit(qubit).index for qubit in instruction.qubits]
