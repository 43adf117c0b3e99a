"""Lowering of circuits of any gates: they become fused one-qubit matrices, CNOTs, phases and controlled turns."""

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

from qllmft_backends.adjoint.program.angles import AngleMap, angle_map
from qllmft_backends.adjoint.program.gates import PARTS, FactorKind, GatePart
from qllmft_backends.adjoint.program.walk import LOADS, walk


class MatrixForm(IntEnum):
    """Form of a gate's matrix, and the kernel of that form. REAL and CROSS may have a control.

    REAL has real entries, CROSS a real diagonal and imaginary entries beside it (R_X), PHASE is exp(iθ) if its one or
    two qubits are 1, FLIP is CNOT. LANES is the kernel of any matrix whose target is inside registers.
    """

    GENERAL = 0
    REAL = 1
    CROSS = 2
    LANES = 3
    PHASE = 4
    FLIP = 5


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


@dataclass(frozen=True)
class ComplexProgram(AngleMap):
    """Circuit of any gates, lowered. Equal expressions share an angle."""

    n_qubits: int
    gates: tuple[Gate, ...]  # in their order, on wires
    # (Q,) the wire on which qubit q ends: an exchange of qubits moves no amplitude
    wires: tuple[int, ...]
    # (2^Q,) complex amplitudes at the beginning; None: |0...0⟩
    initial: NDArray[np.complex128] | None


class _Builder:
    """Gates one after the other, with the one-qubit factors of each wire collected into one matrix.

    A factor is held back past a gate that it commutes with: a phase past a control, an R_X past a CNOT's target.
    """

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.wires = list(range(circuit.num_qubits))
        self.gates: list[Gate | None] = []
        self.slot_of: dict[ParameterExpression, int] = {}
        self._held: list[list[Factor]] = [[] for _ in self.wires]
        self._last = [-1] * circuit.num_qubits  # the last gate on each wire

    def add(self, parts: Sequence[GatePart], qubits: list[int], parameters: Sequence[Any]) -> None:
        """Add one gate of the circuit by its parts."""
        for part in parts:
            wires = [self.wires[qubits[q]] for q in part.qubits]
            if part.name == "exchange":
                a, b = (qubits[q] for q in part.qubits)
                self.wires[a], self.wires[b] = self.wires[b], self.wires[a]
            elif part.name == "flip":
                self._flip(*wires)
            else:
                factor = self._factor(part, parameters)
                if part.name == "turn":
                    self._held[wires[0]].append(factor)
                    continue
                control, target = wires
                self._settle(control, FactorKind.Z)
                self._settle(target, factor.kind)
                self._append(Gate(_form((factor,)), control, target, (factor,)))

    def finish(self) -> tuple[Gate, ...]:
        """Return all gates."""
        for wire in range(len(self.wires)):
            self._settle(wire)
        return tuple(gate for gate in self.gates if gate is not None)

    def _factor(self, part: GatePart, parameters: Sequence[Any]) -> Factor:
        if part.parameter is None:
            return Factor(part.kind, -1, 0.0, part.scale)
        angle = parameters[part.parameter]
        if isinstance(angle, ParameterExpression) and angle.parameters:
            return Factor(
                part.kind, self.slot_of.setdefault(angle, len(self.slot_of)), part.scale, 0.0
            )
        return Factor(part.kind, -1, 0.0, part.scale * float(angle))

    def _flip(self, control: int, target: int) -> None:
        """Append a CNOT, or phases in its place if an equal one precedes it with only phases between."""
        last, between = self._last[control], self._held[target]
        all_phases = all(factor.kind == FactorKind.Z for factor in (*between, *self._held[control]))
        if last >= 0 and last == self._last[target] and all_phases:
            before = self.gates[last]
            if before is not None and before[:3] == (MatrixForm.FLIP, control, target):
                self.gates[last] = None
                self._held[control] += between
                for factor in between:
                    twice = factor._replace(scale=-2 * factor.scale, offset=-2 * factor.offset)
                    self._append(Gate(MatrixForm.PHASE, control, target, (twice,)))
                return
        self._settle(control, FactorKind.Z)
        self._settle(target, FactorKind.X)
        self._append(
            Gate(MatrixForm.FLIP, control, target, (Factor(FactorKind.FLIP, -1, 0.0, 0.0),))
        )

    def _settle(self, wire: int, commuting: FactorKind | None = None) -> None:
        """Append the factors held back on a wire as one gate, unless all are of the kind ``commuting``."""
        factors = self._held[wire]
        if all(factor.kind == commuting for factor in factors):
            return
        self._append(Gate(_form(factors), -1, wire, tuple(factors)))
        self._held[wire] = []

    def _append(self, gate: Gate) -> None:
        for wire in (gate.control, gate.target):
            if wire >= 0:
                self._last[wire] = len(self.gates)
        self.gates.append(gate)


def _form(factors: Sequence[Factor]) -> MatrixForm:
    kinds = {f.kind for f in factors if f.slot >= 0 or f.kind != FactorKind.Z or f.offset % np.pi}
    if all(factor.kind == FactorKind.Z for factor in factors):
        return MatrixForm.PHASE
    if kinds <= {FactorKind.Y}:
        return MatrixForm.REAL
    return MatrixForm.CROSS if kinds <= {FactorKind.X} else MatrixForm.GENERAL


def lower_complex(circuit: QuantumCircuit) -> ComplexProgram:
    """Lower a circuit of standard gates, gates defined by them, matrices, and ``initialize`` of untouched qubits."""
    builder = _Builder(circuit)
    loads = QuantumCircuit(circuit.num_qubits)
    for operation, qubits, _ in walk(circuit, real=False):
        if operation.name in LOADS:
            loads.append(operation, qubits)
        else:
            builder.add(PARTS[operation.name], qubits, operation.params)
    gates = builder.finish()
    return ComplexProgram(
        **vars(angle_map(list(builder.slot_of), tuple(circuit.parameters))),
        n_qubits=circuit.num_qubits,
        gates=gates,
        wires=tuple(builder.wires),
        initial=Statevector(loads).data if loads.data else None,
    )
