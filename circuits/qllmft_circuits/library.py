"""Ansätze beside the paper's, by name: two of our own, and those of Qiskit's circuit library.

Each is a function of n_qubits and n_layers, whose circuit of L layers is one layer L times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import efficient_su2, n_local, real_amplitudes

from qllmft_circuits.ansatz import Ansatz


def brickwork(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of bricks, each two R_Y and a CNOT: on (0, 1), (2, 3), ..., then on (1, 2), . 2·(Q-1) angles.

    >>> brickwork(4, 3).num_parameters
    18
    """
    angles = iter(ParameterVector("brick", 2 * (n_qubits - 1) * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for first in (*range(0, n_qubits - 1, 2), *range(1, n_qubits - 1, 2)):
            circuit.ry(next(angles), first)
            circuit.ry(next(angles), first + 1)
            circuit.cx(first, first + 1)
    return circuit


def separable(n_qubits: int, n_layers: int) -> QuantumCircuit:
    """Return layers of one R_Y per qubit: the paper's layers on a ring (C = 1) without their CNOTs.

    >>> separable(4, 3).num_parameters, separable(4, 3).num_nonlocal_gates()
    (12, 0)
    """
    angles = iter(ParameterVector("turn", n_qubits * n_layers))
    circuit = QuantumCircuit(n_qubits)
    for _ in range(n_layers):
        for qubit in range(n_qubits):
            circuit.ry(next(angles), qubit)
    return circuit


def _of_qiskit(
    n_qubits: int, n_layers: int, *, make: Callable[..., QuantumCircuit]
) -> QuantumCircuit:
    """Return a circuit of Qiskit without its last rotations, which belong to no layer."""
    return make(n_qubits, reps=n_layers, skip_final_rotation_layer=True)


_ry_cz = partial(n_local, rotation_blocks="ry", entanglement_blocks="cz", entanglement="linear")
LIBRARY: dict[str, Ansatz] = {
    "brickwork": brickwork,
    "separable": separable,
    "real_amplitudes": partial(_of_qiskit, make=real_amplitudes),
    "n_local_ry_cz": partial(_of_qiskit, make=_ry_cz),
    "efficient_su2": partial(_of_qiskit, make=efficient_su2),
}
