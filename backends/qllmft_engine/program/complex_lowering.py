"""Lowering of circuits of any gates: they become fused one-qubit matrices, CNOTs, phases and controlled turns.

A CNOT or a controlled turn between two matrices of its target becomes a phase of both qubits, and the matrices take in
the quarter turns around it. A phase changes a quarter of the amplitudes, and the matrix before it can run as a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.quantum_info import Statevector

from qllmft_backends.errors import UnsupportedGateError
from qllmft_engine.program.angles import AngleMap, angle_map
from qllmft_engine.program.gates import GATES, FactorKind, GatePart
from qllmft_engine.program.lowering import Program, try_lower
from qllmft_engine.program.walk import LOAD_GATES, walk_circuit


class MatrixForm(IntEnum):
    """Form of a gate's matrix, and the kernel of that form. REAL and CROSS may have a control.

    REAL has real entries, CROSS a real diagonal and imaginary entries beside it (R_X), PHASE is exp(iθ) if its one or
    two qubits are 1, FLIP is CNOT. LANES is the kernel of any matrix whose target is inside registers. TURN is that of
    a matrix which leaves a phase on its wire, see `compiled.complex_matrices`, and LANE_TURN the same inside registers.
    """

    GENERAL = 0
    REAL = 1
    CROSS = 2
    LANES = 3
    PHASE = 4
    FLIP = 5
    TURN = 6
    LANE_TURN = 7


class Factor(NamedTuple):
    """Matrix with one angle: ``scale · angles[slot] + offset``. Slot -1: the offset alone."""

    kind: FactorKind
    slot: int
    scale: float
    offset: float


class Gate(NamedTuple):
    """Product of factors, the first one applied first. Control -1: none."""

    form: MatrixForm
    control: int
    target: int
    factors: tuple[Factor, ...]

    @property
    def wires(self) -> set[int]:
        """Return the wires it acts on."""
        return {self.control, self.target} - {-1}


@dataclass(frozen=True)
class ComplexProgram(AngleMap):
    """Circuit of any gates, lowered. Equal expressions share an angle."""

    n_qubits: int
    gates: tuple[Gate, ...]  # in their order, on wires
    # (Q,) the wire on which qubit q ends: an exchange of qubits moves no amplitude
    wires: tuple[int, ...]
    # (2^Q,) complex amplitudes at the beginning; None: |0...0⟩
    initial: NDArray[np.complex128] | None


class _WirePart(NamedTuple):
    """Part of a gate on wires, a control first."""

    name: str  # of `GatePart`, but no exchange
    wires: tuple[int, ...]
    factor: Factor | None  # None for a CNOT

    @property
    def kind(self) -> FactorKind:
        """Return the kind of matrix on its last wire."""
        return FactorKind.X if self.factor is None else self.factor.kind


class _PartReader:
    """Parts of a circuit's gates. Exchanges of qubits change the wires of what follows."""

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.wires = list(range(circuit.num_qubits))
        self.parts: list[_WirePart] = []
        self.slot_by_expression: dict[ParameterExpression, int] = {}

    def add(self, parts: Sequence[GatePart], qubits: list[int], parameters: Sequence[Any]) -> None:
        """Add one gate of the circuit by its parts."""
        for part in parts:
            if part.name == "exchange":
                a, b = (qubits[q] for q in part.qubits)
                self.wires[a], self.wires[b] = self.wires[b], self.wires[a]
                continue
            factor = None if part.name == "flip" else self._make_factor(part, parameters)
            wires = tuple(self.wires[qubits[q]] for q in part.qubits)
            self.parts.append(_WirePart(part.name, wires, factor))

    def _make_factor(self, part: GatePart, parameters: Sequence[Any]) -> Factor:
        if part.parameter is None:
            return Factor(part.kind, -1, 0.0, part.scale)
        angle = parameters[part.parameter]
        if isinstance(angle, ParameterExpression) and angle.parameters:
            return Factor(
                part.kind,
                self.slot_by_expression.setdefault(angle, len(self.slot_by_expression)),
                part.scale,
                0.0,
            )
        return Factor(part.kind, -1, 0.0, part.scale * float(angle))


class _Builder:
    """Gates one after the other, with the one-qubit factors of each wire collected into one matrix.

    A factor is held back past a gate that it commutes with: a phase past a control, an R_X past a CNOT's target.
    """

    def __init__(self, n_wires: int) -> None:
        self.gates: list[Gate | None] = []
        self._pending_factors: list[list[Factor]] = [[] for _ in range(n_wires)]
        self._last_gate = [-1] * n_wires  # the last gate on each wire

    def build(self, parts: Sequence[_WirePart]) -> tuple[Gate, ...]:
        """Return all gates."""
        n_wires = len(self._pending_factors)
        for part, is_followed in zip(parts, _find_followed(parts, n_wires), strict=True):
            if part.name == "turn":
                assert part.factor is not None
                self._pending_factors[part.wires[0]].append(part.factor)
            elif is_followed and self._is_preceded(part):
                self._append_as_phase(part)
            elif part.factor is None:
                self._append_cnot(*part.wires)
            else:
                control, target = part.wires
                self._flush_factors(control, FactorKind.Z)
                self._flush_factors(target, part.kind)
                form = _matrix_form((part.factor,))
                self._append_gate(Gate(form, control, target, (part.factor,)))
        for wire in range(n_wires):
            self._flush_factors(wire)
        return tuple(gate for gate in self.gates if gate is not None)

    def _is_preceded(self, part: _WirePart) -> bool:
        """Return whether a gate needs a matrix on its target before it anyhow, and is not a phase itself."""
        factors = self._pending_factors[part.wires[1]]
        return part.kind != FactorKind.Z and any(factor.kind != part.kind for factor in factors)

    def _append_as_phase(self, part: _WirePart) -> None:
        """Append a CNOT or a controlled turn as a phase of both qubits, between quarter turns of the target."""
        control, target = part.wires
        if part.factor is None:
            phase = Factor(FactorKind.Z, -1, 0.0, np.pi)
        else:
            phase = part.factor._replace(kind=FactorKind.Z)
            self._pending_factors[control].append(
                phase._replace(scale=-phase.scale / 2, offset=-phase.offset / 2)
            )
        if part.kind == FactorKind.X:
            axis, angle = FactorKind.Y, np.pi / 2
        else:
            axis, angle = FactorKind.X, -np.pi / 2
        self._pending_factors[target].append(Factor(axis, -1, 0.0, -angle))
        self._flush_factors(control, FactorKind.Z)
        self._flush_factors(target)
        self._append_gate(Gate(MatrixForm.PHASE, control, target, (phase,)))
        self._pending_factors[target].append(Factor(axis, -1, 0.0, angle))

    def _append_cnot(self, control: int, target: int) -> None:
        """Append a CNOT, or phases in its place if an equal one precedes it with only phases between."""
        last_gate = self._last_gate[control]
        pending_factors = self._pending_factors[target]
        all_phases = all(
            factor.kind == FactorKind.Z
            for factor in (*pending_factors, *self._pending_factors[control])
        )
        if last_gate >= 0 and last_gate == self._last_gate[target] and all_phases:
            previous_gate = self.gates[last_gate]
            if previous_gate is not None and previous_gate[:3] == (
                MatrixForm.FLIP,
                control,
                target,
            ):
                self.gates[last_gate] = None
                self._pending_factors[control] += pending_factors
                for factor in pending_factors:
                    phase_factor = factor._replace(
                        scale=-2 * factor.scale, offset=-2 * factor.offset
                    )
                    self._append_gate(Gate(MatrixForm.PHASE, control, target, (phase_factor,)))
                return
        self._flush_factors(control, FactorKind.Z)
        self._flush_factors(target, FactorKind.X)
        self._append_gate(
            Gate(MatrixForm.FLIP, control, target, (Factor(FactorKind.FLIP, -1, 0.0, 0.0),))
        )

    def _flush_factors(self, wire: int, commuting: FactorKind | None = None) -> None:
        """Append the factors held back on a wire as one gate, unless all are of the kind ``commuting``."""
        factors = self._pending_factors[wire]
        if all(factor.kind == commuting for factor in factors):
            return
        self._append_gate(Gate(_matrix_form(factors), -1, wire, tuple(factors)))
        self._pending_factors[wire] = []

    def _append_gate(self, gate: Gate) -> None:
        for wire in (gate.control, gate.target):
            if wire >= 0:
                self._last_gate[wire] = len(self.gates)
        self.gates.append(gate)


def _find_followed(parts: Sequence[_WirePart], n_wires: int) -> list[bool]:
    """Return for each part whether a matrix on its last wire follows before the next gate of two qubits there."""
    is_matrix_next = [False] * n_wires
    followed = []
    for part in reversed(parts):
        followed.append(is_matrix_next[part.wires[-1]])
        if part.name != "turn":
            for wire in part.wires:
                is_matrix_next[wire] = False
        elif part.kind != FactorKind.Z:
            is_matrix_next[part.wires[0]] = True
    return followed[::-1]


def _matrix_form(factors: Sequence[Factor]) -> MatrixForm:
    kinds = {f.kind for f in factors if f.slot >= 0 or f.kind != FactorKind.Z or f.offset % np.pi}
    if all(factor.kind == FactorKind.Z for factor in factors):
        return MatrixForm.PHASE
    if kinds <= {FactorKind.Y}:
        return MatrixForm.REAL
    return MatrixForm.CROSS if kinds <= {FactorKind.X} else MatrixForm.GENERAL


def lower_complex(circuit: QuantumCircuit) -> ComplexProgram:
    """Lower a circuit of standard gates, gates defined by them, matrices, and ``initialize`` of untouched qubits."""
    reader = _PartReader(circuit)
    loads = QuantumCircuit(circuit.num_qubits)
    for operation, qubits, _ in walk_circuit(circuit):
        if operation.name in LOAD_GATES:
            loads.append(operation, qubits)
        else:
            reader.add(GATES[operation.name].parts, qubits, operation.params)
    gates = _Builder(circuit.num_qubits).build(reader.parts)
    return ComplexProgram(
        **vars(angle_map(list(reader.slot_by_expression), tuple(circuit.parameters))),
        n_qubits=circuit.num_qubits,
        gates=gates,
        wires=tuple(reader.wires),
        initial=Statevector(loads).data if loads.data else None,
    )


def is_supported(circuit: QuantumCircuit) -> bool:
    """Return whether the engine runs all operations of a circuit, on real or on complex states."""
    try:
        if not isinstance(try_lower(circuit), Program):
            lower_complex(circuit)
    except UnsupportedGateError:
        return False
    return True
