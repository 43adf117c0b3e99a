"""Lowering: a Qiskit circuit of real gates becomes the array program that the kernels run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qllmft_backends.errors import UnsupportedGateError


class Op(IntEnum):
    """Operations that the kernels know. CX_ROT is CNOT, then R_Y on its target, in one pass over the amplitudes."""

    ROT = 0
    CX_ROT = 1
    CX = 2
    X = 3
    Z = 4
    CZ = 5


SUPPORTED_GATES = ("ry", "cx", "x", "z", "h", "cz", "swap", "id", "barrier")


@dataclass(frozen=True)
class Program:
    """A circuit as arrays.

    Attributes:
        n_qubits: width; qubit q is bit q of an amplitude's index (Qiskit's order).
        ops: (n_ops, 4) int32: operation, control (-1: none), target, rotation slot (-1: none).
        angle_matrix: (G, P) float64; gate angles = ``parameters @ angle_matrix.T + angle_offset``, in radians.
        angle_offset: (G,) float64.
        parameters: the circuit's parameters in Qiskit's order, length P.
    """

    n_qubits: int
    ops: NDArray[np.int32]
    angle_matrix: NDArray[np.float64]
    angle_offset: NDArray[np.float64]
    parameters: tuple[Parameter, ...]

    @property
    def n_angles(self) -> int:
        """G, the number of rotations."""
        return int(self.angle_matrix.shape[0])

    @property
    def is_identity_map(self) -> bool:
        """True where gate g's angle is parameter g itself."""
        g, p = self.angle_matrix.shape
        return g == p and not self.angle_offset.any() and bool((self.angle_matrix == np.eye(g)).all())

    def angles(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Gate angles (B, G) in radians from parameter values (B, P)."""
        return np.asarray(values @ self.angle_matrix.T + self.angle_offset)

    def by_parameter(self, by_angle: NDArray[np.floating], values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Derivatives by parameters (B, P) from those by angles (B, G); they are the same at all ``values`` (B, P)."""
        del values
        return np.asarray(by_angle.astype(np.float64) @ self.angle_matrix)


def lower(circuit: QuantumCircuit) -> Program:
    """Lower ``circuit`` to a `Program`.

    Args:
        circuit: gates R_Y, CNOT, X, Z, H, CZ, SWAP (and ``id``, ``barrier``); every R_Y angle affine in the parameters.

    Raises:
        UnsupportedGateError: names the gate or the angle, and what can run it.
    """
    ops: list[tuple[int, int, int, int]] = []
    rows: list[dict[int, float]] = []
    offsets: list[float] = []
    index_of = {parameter: i for i, parameter in enumerate(circuit.parameters)}

    def rotation(row: dict[int, float], offset: float) -> int:
        rows.append(row)
        offsets.append(offset)
        return len(rows) - 1

    for position, instruction in enumerate(circuit.data):
        name = instruction.operation.name
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        if name not in SUPPORTED_GATES or getattr(instruction.operation, "condition", None) is not None:
            raise UnsupportedGateError(
                f"gate {position} of circuit {circuit.name!r} is {name!r} on qubits {qubits}; the adjoint engine runs "
                f"{', '.join(SUPPORTED_GATES)}. Rewrite it with these gates, or use a backend for any gate "
                "(aer_statevector)."
            )
        if name in ("id", "barrier"):
            continue
        if name == "ry":
            slot = rotation(*_affine(instruction.operation.params[0], index_of, position))
            previous = ops[-1] if ops else None
            if previous is not None and previous[0] == Op.CX and previous[2] == qubits[0]:
                ops[-1] = (Op.CX_ROT, previous[1], qubits[0], slot)
            else:
                ops.append((Op.ROT, -1, qubits[0], slot))
        elif name == "h":  # H = R_Y(π/2)·Z
            ops.append((Op.Z, -1, qubits[0], -1))
            ops.append((Op.ROT, -1, qubits[0], rotation({}, np.pi / 2)))
        elif name == "swap":
            a, b = qubits
            ops.extend([(Op.CX, a, b, -1), (Op.CX, b, a, -1), (Op.CX, a, b, -1)])
        elif name in ("cx", "cz"):
            ops.append((Op.CX if name == "cx" else Op.CZ, qubits[0], qubits[1], -1))
        else:
            ops.append((Op.X if name == "x" else Op.Z, -1, qubits[0], -1))

    matrix = np.zeros((len(rows), len(index_of)))
    for slot, row in enumerate(rows):
        for parameter_index, coefficient in row.items():
            matrix[slot, parameter_index] = coefficient
    return Program(
        n_qubits=circuit.num_qubits,
        ops=np.array(ops, dtype=np.int32).reshape(-1, 4),
        angle_matrix=matrix,
        angle_offset=np.array(offsets),
        parameters=tuple(circuit.parameters),
    )


def _affine(
    angle: float | ParameterExpression, index_of: dict[Parameter, int], position: int
) -> tuple[dict[int, float], float]:
    """The same as `affine`, for a gate whose angle must be so."""
    row = affine(angle, index_of)
    if row is None:
        raise UnsupportedGateError(
            f"the angle of gate {position} is {angle}; the adjoint engine takes angles that are affine in the "
            "parameters (a·x + b). Compute the expression before the circuit and pass its value as a parameter."
        )
    return row


def affine(angle: float | ParameterExpression, index_of: dict[Parameter, int]) -> tuple[dict[int, float], float] | None:
    """Coefficients by parameter index, and the constant, of an angle in radians; None where it is not affine."""
    if not isinstance(angle, ParameterExpression):
        return {}, float(angle)
    coefficients = {}
    for parameter in angle.parameters:
        slope = angle.gradient(parameter)
        if isinstance(slope, ParameterExpression) and slope.parameters:
            return None
        coefficients[index_of[parameter]] = float(_real(slope))
    return coefficients, float(_real(angle.bind(dict.fromkeys(angle.parameters, 0.0))))


def _real(value: object) -> float:
    """A number out of a bound expression."""
    return float(value.numeric().real) if isinstance(value, ParameterExpression) else float(value.real)  # type: ignore[attr-defined]
