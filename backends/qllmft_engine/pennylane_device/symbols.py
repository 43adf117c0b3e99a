"""Operations of PennyLane with symbols as angles: what PennyLane decomposes by numbers becomes a gate of Qiskit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pennylane as qp
from numpy.typing import NDArray
from pennylane.ops import Controlled, Evolution, Exp
from pennylane.ops.op_math import Adjoint, Pow
from qiskit.circuit import Gate, ParameterExpression
from qiskit.circuit.library import (
    HamiltonianGate,
    PauliEvolutionGate,
    U2Gate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp
from qiskit.quantum_info.operators.predicates import is_unitary_matrix

from qllmft_engine.pennylane_device.gates import GATES
from qllmft_engine.pennylane_device.symbol import unwrap_symbol

_STANDARD_GATES = get_standard_gate_name_mapping()
_MAX_IMAGINARY = 1e-12  # largest imaginary part of an angle
# qubits of a sum of Pauli words that do not commute, whose matrix is diagonalized
_MAX_DENSE_QUBITS = 8


def has_symbols(operation: Any) -> bool:
    """Return whether an operation has angles that are expressions of parameters."""
    return any(isinstance(unwrap_symbol(angle), ParameterExpression) for angle in operation.data)


def gate_outside_tables(operation: Any) -> Gate | None:
    """Return the gate of Qiskit for an operation with symbols, or that PennyLane does not decompose; else None.

    Its qubits are the operation's wires in their order.
    """
    return _symbolic_gate(operation) if has_symbols(operation) else _matrix_gate(operation)


def _symbolic_gate(operation: Any) -> Gate | None:
    """Return the gate of Qiskit for an operation with symbols, on its wires in their order; else None.

    A control needs the base's phase, which `GATES` has exactly for all operations but Rot.
    """
    if not has_symbols(operation):
        return None
    if isinstance(operation, Controlled):
        base_gate = _symbolic_gate(operation.base)
        if base_gate is None or isinstance(operation.base, Exp):
            return None
        values = operation.control_values
        control_state = sum(int(value) << i for i, value in enumerate(values))
        return base_gate.control(len(values), ctrl_state=control_state, annotated=False)
    if isinstance(operation, Adjoint):
        base_gate = _symbolic_gate(operation.base)
        return None if base_gate is None else base_gate.inverse()
    if isinstance(operation, Exp):
        return _evolution_gate(operation)
    angles = [unwrap_symbol(angle) for angle in operation.data]
    if operation.name == "U2":
        return U2Gate(*angles)
    if operation.name in GATES and operation.name != "Rot":
        name, order = GATES[operation.name]
        return _STANDARD_GATES[name].base_class(*(angles[i] for i in order))
    return None


def _matrix_gate(operation: Any) -> Gate | None:
    """Return the matrix of an operation of numbers that PennyLane does not decompose as a gate of Qiskit; else None."""
    if not isinstance(_base(operation), Exp) and operation.has_decomposition:
        return None
    # PennyLane's first wire is the most significant
    matrix = _unitary_matrix(operation, operation.wires[::-1])
    return UnitaryGate(matrix) if matrix is not None and matrix.ndim == 2 else None


def _base(operation: Any) -> Any:
    """Return what is controlled, inverted or repeated."""
    while isinstance(operation, Controlled | Adjoint | Pow):
        operation = operation.base
    return operation


def _unitary_matrix(operation: Any, wire_order: Any) -> NDArray[Any] | None:
    """Return the matrix of an operation on at most 8 wires, or those of a batch, and None without unitary ones."""
    if not operation.has_matrix or len(operation.wires) > _MAX_DENSE_QUBITS:
        return None
    matrix = np.asarray(qp.math.toarray(qp.matrix(operation, wire_order=wire_order)))
    size = matrix.shape[-1]
    return matrix if all(map(is_unitary_matrix, matrix.reshape(-1, size, size))) else None


def decompose_by_matrix(operation: Any) -> Sequence[Any]:
    """Return the operations that one is made of, or its matrix if PennyLane does not decompose it.

    Raises:
        DecompositionUndefinedError: if it has no unitary matrix on at most 8 wires, or its angles need a gradient.
    """
    # PennyLane says that it decomposes a controlled evolution of any sum
    has_parts = operation.has_decomposition
    if isinstance(base := _base(operation), Exp):
        has_parts = base.has_decomposition
    if not has_parts and not any(map(qp.math.requires_grad, operation.data)):
        matrix = _unitary_matrix(operation, operation.wires)
        if matrix is not None:  # of a batch, a matrix for each of its numbers
            with qp.QueuingManager.stop_recording():
                return [qp.QubitUnitary(matrix, wires=operation.wires)]
    if isinstance(operation, Exp) and (rotation := _pauli_rotation(operation)) is not None:
        return [rotation]
    parts: Sequence[Any] = operation.decomposition()
    return parts


def _pauli_rotation(operation: Exp) -> Any:
    """Return exp(-i·time·P) of one Pauli word, for a time of torch, as a rotation; else None.

    PennyLane 0.45 decomposes it by ``real_if_close``, which torch does not have.
    """
    time = _evolution_time(operation)
    words = operation.base.pauli_rep
    if qp.math.get_interface(time) != "torch" or words is None or len(words) != 1:
        return None
    ((word, coefficient),) = words.items()
    angle = qp.math.cast(2 * time * coefficient, "complex128")
    if not word or not qp.math.allclose(qp.math.imag(angle), 0.0, atol=_MAX_IMAGINARY):
        return None
    with qp.QueuingManager.stop_recording():
        return qp.PauliRot(qp.math.real(angle), "".join(word.values()), wires=list(word))


def _evolution_gate(operation: Exp) -> Gate | None:
    """Return exp(-i·time·H) of a sum of Pauli words, exactly; None if it is no such evolution."""
    time = _evolution_time(operation)
    words = operation.base.pauli_rep
    if words is None or not _is_real(time):
        return None
    n_qubits = len(operation.wires)
    place = {wire: i for i, wire in enumerate(operation.wires)}
    terms = [
        ("".join(word.values()), [place[wire] for wire in word], complex(coefficient))
        for word, coefficient in words.items()
    ]
    hamiltonian = SparsePauliOp.from_sparse_list(terms, n_qubits)
    if np.abs(hamiltonian.coeffs.imag).max(initial=0.0) > 0:
        return None
    if len(hamiltonian.paulis.group_commuting()) == 1:
        return PauliEvolutionGate(hamiltonian, time)
    if n_qubits > _MAX_DENSE_QUBITS:
        return None
    return HamiltonianGate(hamiltonian.to_matrix(), time)


def _evolution_time(operation: Exp) -> Any:
    """Return the time t of exp(-i·t·H)."""
    if isinstance(operation, Evolution):
        return unwrap_symbol(operation.param)
    return unwrap_symbol(operation.coeff) * 1j


def _is_real(expression: ParameterExpression) -> bool:
    """Return whether an expression has real values, at two points."""
    parameters = list(expression.parameters)
    random = np.random.default_rng(0)
    for _ in range(2):
        values = random.uniform(0.1, 1.0, len(parameters)).tolist()
        value = complex(expression.bind(dict(zip(parameters, values, strict=True))).numeric())
        if abs(value.imag) > _MAX_IMAGINARY:
            return False
    return True


def decompose_operation(operation: Any) -> Sequence[Any]:
    """Return the operations that one is made of, without a matrix of symbols."""
    # of a phase, PennyLane makes a gate on the controls
    is_phase = isinstance(operation, Controlled) and operation.base.name == "GlobalPhase"
    if isinstance(operation, Controlled) and has_symbols(operation) and not is_phase:
        with qp.QueuingManager.stop_recording():
            return [
                qp.ctrl(
                    part,
                    control=operation.control_wires,
                    control_values=operation.control_values,
                )
                for part in operation.base.decomposition()
            ]
    parts: Sequence[Any] = operation.decomposition()
    return parts
