"""Lowering of any unitary circuit: gates become fused one-qubit matrices, CNOTs, phases and controlled turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, Parameter, ParameterExpression
from qiskit.circuit.library import UnitaryGate
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, Statevector

from qllmft_backends.adjoint.program.complex_gates import CLASSES, MOVES, Axis, Move
from qllmft_backends.adjoint.program.expressions import Curve, compile_curve
from qllmft_backends.adjoint.program.lowering import affine
from qllmft_backends.errors import UnsupportedGateError

_LOADS = ("initialize", "state_preparation")


class Kind(IntEnum):
    """Operations of a complex program, by what their matrix looks like; REAL and CROSS may have a control.

    REAL has real entries, CROSS real ones on the diagonal and imaginary ones beside it (R_X), PHASE is exp(iθ) where
    its one or two qubits are 1, FLIP is CNOT.
    """

    GENERAL = 0
    REAL = 1
    CROSS = 2
    PHASE = 3
    FLIP = 4


class Factor(NamedTuple):
    """A matrix with one angle: ``scale · angles[slot] + offset``; slot -1: the offset alone."""

    axis: Axis
    slot: int
    scale: float
    offset: float


class Gate(NamedTuple):
    """One operation: the product of its factors, the first one applied first; control -1: none."""

    kind: Kind
    control: int
    target: int
    factors: tuple[Factor, ...]


@dataclass(frozen=True)
class ComplexProgram:
    """A circuit of any gates, lowered.

    Attributes:
        n_qubits: width.
        gates: in their order, on wires.
        wires: (Q,) the wire on which qubit q is at the end: an exchange of qubits moves no amplitude.
        slopes: (G, P) float64; affine angles = ``parameters @ slopes.T + angle_offset``, in radians.
        angle_offset: (G,) float64.
        parameters: the circuit's parameters in Qiskit's order, length P.
        initial: (2^Q,) complex amplitudes that the circuit begins with; None: |0...0⟩.
        curve: the angles that are not affine in the parameters; None where all are.
        curved: their slots.
    """

    n_qubits: int
    gates: tuple[Gate, ...]
    wires: tuple[int, ...]
    slopes: NDArray[np.float64]
    angle_offset: NDArray[np.float64]
    parameters: tuple[Parameter, ...]
    initial: NDArray[np.complex128] | None
    curve: Curve | None
    curved: NDArray[np.int64]

    @property
    def n_angles(self) -> int:
        """G, the number of different angles with a parameter."""
        return int(self.slopes.shape[0])

    @property
    def angle_matrix(self) -> NDArray[np.float64]:
        """(G, P), as of `Program`.

        Raises:
            UnsupportedGateError: where an angle is not affine in the parameters.
        """
        if self.curve is not None:
            raise UnsupportedGateError(
                "an angle of the circuit is a product or a function of parameters; a head takes angles that are affine "
                "in them (a·x + b). Compute the expression before the circuit and pass its value as a parameter, or "
                "train through EstimatorQNN(estimator=..., gradient=...), which takes any expression."
            )
        return self.slopes

    def angles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gate angles (B, G) in radians from parameter values (B, P)."""
        values = np.asarray(values, np.float64)
        angles = np.asarray(values @ self.slopes.T + self.angle_offset)
        if self.curve is not None:
            angles[:, self.curved] = self.curve.angles(values)
        return angles

    def by_parameter(self, by_angle: NDArray[np.floating], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives by parameters (B, P) from those by angles (B, G), at ``values`` (B, P)."""
        out = np.asarray(by_angle.astype(np.float64) @ self.slopes)
        return out if self.curve is None else out + self.curve.pull_back(by_angle[:, self.curved], values)


class _Builder:
    """Gates one after the other; one-qubit factors wait on their wire and become one matrix.

    A factor waits past a gate that it commutes with: a phase past a control, an R_X past a CNOT's target.
    """

    def __init__(self, circuit: QuantumCircuit) -> None:
        self.parameters = tuple(circuit.parameters)
        self.wires = list(range(circuit.num_qubits))
        self.gates: list[Gate | None] = []
        self.slot_of: dict[ParameterExpression, int] = {}
        self._waiting: list[list[Factor]] = [[] for _ in self.wires]
        self._last = [-1] * circuit.num_qubits  # the last gate on each wire

    def add(self, moves: Sequence[Move], qubits: list[int], parameters: Sequence[Any]) -> None:
        """Add one gate of the circuit."""
        for move in moves:
            wires = [self.wires[qubits[q]] for q in move.qubits]
            if move.kind == "exchange":
                a, b = (qubits[q] for q in move.qubits)
                self.wires[a], self.wires[b] = self.wires[b], self.wires[a]
            elif move.kind == "flip":
                self._flip(*wires)
            else:
                factor = self._factor(move, parameters)
                if move.kind == "turn":
                    self._waiting[wires[0]].append(factor)
                else:
                    self._pair(wires, factor)

    def finish(self) -> tuple[Gate, ...]:
        """All gates."""
        for wire in range(len(self.wires)):
            self._settle(wire)
        return tuple(gate for gate in self.gates if gate is not None)

    def _factor(self, move: Move, parameters: Sequence[Any]) -> Factor:
        if move.parameter is None:
            return Factor(move.axis, -1, 0.0, move.scale)
        angle = parameters[move.parameter]
        if isinstance(angle, ParameterExpression) and angle.parameters:
            return Factor(move.axis, self.slot_of.setdefault(angle, len(self.slot_of)), move.scale, 0.0)
        return Factor(move.axis, -1, 0.0, move.scale * float(angle))

    def _pair(self, wires: list[int], factor: Factor) -> None:
        """A phase, or a controlled turn."""
        control, target = wires
        self._settle(control, Axis.Z)
        self._settle(target, factor.axis)
        self._append(Gate(_kind((factor,)), control, target, (factor,)))

    def _flip(self, control: int, target: int) -> None:
        """A CNOT; with an equal one before it and phases between, three phases."""
        last, between = self._last[control], self._waiting[target]
        all_phases = all(factor.axis == Axis.Z for factor in (*between, *self._waiting[control]))
        if last >= 0 and last == self._last[target] and all_phases:
            before = self.gates[last]
            if before is not None and before[:3] == (Kind.FLIP, control, target):
                self.gates[last] = None
                self._waiting[control] += between
                for factor in between:
                    twice = factor._replace(scale=-2 * factor.scale, offset=-2 * factor.offset)
                    self._append(Gate(Kind.PHASE, control, target, (twice,)))
                return
        self._settle(control, Axis.Z)
        self._settle(target, Axis.X)
        self._append(Gate(Kind.FLIP, control, target, (Factor(Axis.FLIP, -1, 0.0, 0.0),)))

    def _settle(self, wire: int, commuting: Axis | None = None) -> None:
        """Make a gate of the factors that wait on a wire, unless all are turns about the axis ``commuting``."""
        factors = self._waiting[wire]
        if all(factor.axis == commuting for factor in factors):
            return
        self._append(Gate(_kind(factors), -1, wire, tuple(factors)))
        self._waiting[wire] = []

    def _append(self, gate: Gate) -> None:
        for wire in (gate.control, gate.target):
            if wire >= 0:
                self._last[wire] = len(self.gates)
        self.gates.append(gate)


def _kind(factors: Sequence[Factor]) -> Kind:
    """What the product of some factors looks like."""
    axes = {factor.axis for factor in factors if factor.slot >= 0 or factor.axis != Axis.Z or factor.offset % np.pi}
    if all(factor.axis == Axis.Z for factor in factors):
        return Kind.PHASE
    if axes <= {Axis.Y}:
        return Kind.REAL
    return Kind.CROSS if axes <= {Axis.X} else Kind.GENERAL


def lower_complex(circuit: QuantumCircuit) -> ComplexProgram:
    """Lower a circuit of unitary gates.

    Args:
        circuit: Qiskit's standard gates, what is defined by them, matrices; ``initialize`` of untouched qubits.

    Raises:
        UnsupportedGateError: names what is no gate, and what can run.
    """
    builder = _Builder(circuit)
    touched: set[int] = set()
    loads = QuantumCircuit(circuit.num_qubits)
    for operation, qubits in _flat(circuit, list(range(circuit.num_qubits)), circuit.name):
        if operation.name in _LOADS and touched.isdisjoint(qubits):
            loads.append(operation, qubits)
        elif operation.name in MOVES:
            builder.add(MOVES[operation.name], qubits, operation.params)
        else:
            raise _refusal(operation, qubits, circuit.name)
        touched.update(qubits)
    gates = builder.finish()
    index_of = {parameter: i for i, parameter in enumerate(builder.parameters)}
    slopes = np.zeros((len(builder.slot_of), len(index_of)))
    offsets = np.zeros(len(builder.slot_of))
    curved = []
    for slot, angle in enumerate(builder.slot_of):
        row = affine(angle, index_of)
        if row is None:
            curved.append(slot)
            continue
        offsets[slot] = row[1]
        for column, slope in row[0].items():
            slopes[slot, column] = slope
    expressions = list(builder.slot_of)
    return ComplexProgram(
        n_qubits=circuit.num_qubits,
        gates=gates,
        wires=tuple(builder.wires),
        slopes=slopes,
        angle_offset=offsets,
        parameters=builder.parameters,
        initial=Statevector(loads).data if loads.data else None,
        curve=compile_curve(tuple(expressions[s] for s in curved), builder.parameters) if curved else None,
        curved=np.array(curved, np.int64),
    )


def _flat(circuit: QuantumCircuit, qubits: list[int], name: str) -> Iterator[tuple[Any, list[int]]]:
    """Operations down to those of `MOVES` and loads, with the outermost circuit's qubits; barriers are left out."""
    for instruction in circuit.data:
        operation = instruction.operation
        inner = [qubits[circuit.find_bit(q).index] for q in instruction.qubits]
        if operation.name == "barrier":
            continue
        known = CLASSES.get(operation.name)
        if (known is not None and operation.base_class is known) or operation.name in _LOADS:
            yield operation, inner
        elif instruction.clbits or operation.name in ("reset", "delay") or isinstance(operation, ControlFlowOp):
            raise _refusal(operation, inner, name)
        else:
            yield from _flat(_definition(operation, inner, name), inner, name)


def _definition(operation: Any, qubits: list[int], name: str) -> QuantumCircuit:
    """What an operation is made of; by its matrix where it does not say."""
    definition = getattr(operation, "definition", None)
    if definition is None:
        try:
            definition = UnitaryGate(Operator(operation)).definition
        except (QiskitError, TypeError, ValueError) as error:
            raise _refusal(operation, qubits, name) from error
    return definition


def _refusal(operation: Any, qubits: list[int], name: str) -> UnsupportedGateError:
    return UnsupportedGateError(
        f"circuit {name!r} has {operation.name!r} on qubits {qubits}; the adjoint engine runs Qiskit's standard gates, "
        "gates that are defined by them or by a matrix, barriers, and initialize on qubits without gates before it. "
        "Leave out measurements, resets and conditions: the observables say what is measured."
    )
