"""Gates without an angle, on every pair of qubits inside and outside of registers, against Statevector."""

from functools import cache
from itertools import permutations

import numpy as np
import pytest
from engine_cases import PRECISIONS, Case, unit_rows
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector


def between_rotations(kinds: tuple[str, ...]) -> QuantumCircuit:
    """Six qubits: gates on every ordered pair, X and Z on every qubit, between rotations."""
    circuit = QuantumCircuit(6)
    angles = iter(ParameterVector("t", 12))
    for q in range(6):
        circuit.ry(next(angles), q)
    pairs = np.random.default_rng(1).permutation(list(permutations(range(6), 2))).tolist()
    for number, pair in enumerate(pairs):
        for kind in kinds:
            getattr(circuit, kind)(*pair)
        getattr(circuit, "xz"[number // 6 % 2])(number % 6)
    for q in range(6):
        circuit.ry(next(angles), q)
    return circuit


@cache
def case(kinds: tuple[str, ...]) -> Case:
    circuit = between_rotations(kinds)
    rng = np.random.default_rng(0)
    values = rng.uniform(-np.pi, np.pi, (5, circuit.num_parameters))
    return Case(circuit, values, unit_rows(rng, 5, 2**6))


@PRECISIONS
@pytest.mark.parametrize("kinds", [("cx",), ("cz",), ("cx", "cz")])
def test_gates_without_an_angle_are_the_statevectors_on_every_pair(kinds, dtype, tolerance):
    # chunks of 1, 2, 4 and 8 samples
    case(kinds).check(dtype, tolerance, (1, 2, 3, 5))
