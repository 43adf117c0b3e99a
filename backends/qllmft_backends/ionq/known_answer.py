"""Circuit with a known answer, the first of each paid job: it detects faulty hardware or software.

It has a gate on every qubit and CNOT gates along them, gives one basis state, and that state differs from its mirror
image, so that a reversed or shifted order of qubits shows. The judgement is `chunk.known_answer_error`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.ionq.compile import Template, compile_template

LEAST_SHOTS = 20  # with fewer, the noise of a good machine can turn the majority of the shots of one qubit in 36


@dataclass(frozen=True)
class KnownAnswer:
    """Circuit without parameters, and the basis state that it gives (qubit 0 the least significant bit)."""

    template: Template
    state: int


@cache
def known_answer(n_qubits: int) -> KnownAnswer:
    """Return the compiled circuit with a known answer on ``n_qubits`` qubits."""
    circuit, state = known_circuit(n_qubits)
    return KnownAnswer(compile_template(circuit), state)


def known_circuit(n_qubits: int) -> tuple[QuantumCircuit, int]:
    """Return the circuit and its answer, a basis state (qubit 0 the least significant bit).

    >>> [f"{known_circuit(n)[1]:0{n}b}" for n in (1, 2, 3, 4, 5, 7)]
    ['1', '01', '001', '0001', '01001', '0001001']
    """
    state = sum(1 << q for q in range(0, n_qubits, 3))
    if n_qubits > 1 and n_qubits % 3 == 1:
        state ^= 1 << (n_qubits - 1)  # otherwise it would equal its mirror image
    circuit, flips = QuantumCircuit(n_qubits, name="known answer"), state ^ state << 1
    for qubit in range(n_qubits):
        circuit.ry(np.pi * (flips >> qubit & 1), qubit)
    for control in range(n_qubits - 1):
        circuit.cx(control, control + 1)
    return circuit, state
