"""Amplitudes by R_Y and CNOT: the state itself, signs included, and what it costs."""

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm2
from qiskit.quantum_info import Statevector

from qllmft_circuits import from_qasm3, from_qpy, to_qasm2, to_qasm3, to_qpy
from qllmft_circuits.encoder import loading_circuit

pytestmark = pytest.mark.usefixtures("forked_reader")


def check(amplitudes, n_qubits):
    expected = np.zeros(2**n_qubits)
    expected[: len(amplitudes)] = amplitudes
    circuit = loading_circuit(list(amplitudes), n_qubits)
    np.testing.assert_allclose(
        Statevector(circuit).data, expected / np.linalg.norm(expected), atol=1e-12
    )
    return circuit


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 4, 7])
def test_the_state_is_the_vector_with_its_signs_and_no_phase(n_qubits):
    rng = np.random.default_rng(n_qubits)
    for size in {1, 2**n_qubits - 1, 2**n_qubits, 2 ** (n_qubits - 1) + 1}:
        check(10 * rng.normal(size=size), n_qubits)


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_every_basis_state(index, sign):
    check(sign * np.eye(8)[index], 3)


@pytest.mark.parametrize(
    "amplitudes", [[-1, -1, -1, -1], [0, 0, 0, 0, -3, 4], [0, 1e-8, 0, -1e-8], [1e200, -1e200]]
)
def test_zeros_and_extreme_lengths(amplitudes):
    check(np.array(amplitudes) / np.abs(amplitudes).max(), 3)
    circuit = loading_circuit(amplitudes, 3)
    scaled = loading_circuit((np.array(amplitudes) / np.abs(amplitudes).max()).tolist(), 3)
    np.testing.assert_allclose(Statevector(circuit).data, Statevector(scaled).data, atol=1e-12)


@pytest.mark.parametrize("n_qubits", [2, 3, 6])
def test_the_cost_of_a_full_vector(n_qubits):
    circuit = check(np.random.default_rng(0).normal(size=2**n_qubits), n_qubits)
    assert dict(circuit.count_ops()) == {"ry": 2**n_qubits - 1, "cx": 2**n_qubits - 2}


@pytest.mark.parametrize("boxed", [True, False])
def test_every_format_brings_it_back(boxed):
    amplitudes = np.random.default_rng(3).normal(size=13)
    circuit = QuantumCircuit(4)
    load = loading_circuit(amplitudes.tolist(), 4)
    circuit.compose(load.to_gate() if boxed else load, inplace=True)
    circuit.ry(0.4, 2)
    expected = Statevector(circuit).data
    assert ("gate load " in to_qasm2(circuit)) == ("gate load " in to_qasm3(circuit)[0]) == boxed
    for returned in (
        from_qasm3(*to_qasm3(circuit)),
        qasm2.loads(to_qasm2(circuit)),
        from_qpy(to_qpy(circuit)),
    ):
        np.testing.assert_allclose(Statevector(returned).data, expected, atol=1e-10)
