"""Circuits with more noise and the same result: each gate is followed by its inverse and itself."""

from __future__ import annotations

from qiskit import QuantumCircuit

_NO_GATES = frozenset({"barrier", "measure", "delay", "reset"})


def folded(circuit: QuantumCircuit, scale: int) -> QuantumCircuit:
    """Return a circuit in which each gate G is G (G† G)^k, with ``scale`` = 2k + 1 times the noise of its gates.

    Free parameters stay free, so one circuit serves all texts. mitiq folds circuits of numbers only.
    """
    if scale == 1:
        return circuit
    out = circuit.copy_empty_like()
    for instruction in circuit.data:
        out.append(instruction)
        if instruction.operation.name in _NO_GATES:
            continue
        inverse = instruction.replace(operation=instruction.operation.inverse())
        for _ in range(scale // 2):
            out.append(inverse)
            out.append(instruction)
    return out
