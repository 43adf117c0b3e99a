"""Circuit with a known answer, the first of a paid job.

It detects faulty hardware or software. It has a gate on every qubit and CNOT gates along them, and gives the basis
state `known_state`.
"""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.remote.ionq.compile import Template, compile_template

LEAST_CIRCUITS = 10  # in a job of fewer, it would add more than a tenth to the price
# with fewer, the noise of a good machine can turn the majority of the shots of one qubit in 36
LEAST_SHOTS = 20


def known_answer(n_qubits: int, state: int = 0) -> Template:
    """Return the compiled circuit with the answer ``state`` (qubit 0 the least significant bit).

    Its price does not depend on the state: all its gates are there for every answer.
    """
    circuit, flips = QuantumCircuit(n_qubits, name="known answer"), state ^ state << 1
    for qubit in range(n_qubits):
        circuit.ry(np.pi * (flips >> qubit & 1), qubit)
    for control in range(n_qubits - 1):
        circuit.cx(control, control + 1)
    return compile_template(circuit)
