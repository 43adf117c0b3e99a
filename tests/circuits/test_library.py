"""Ansätze beside the paper's: what a layer is, and how their blocks become a template."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator, Statevector

from qllmft_circuits import AnsatzOptions, encoder_circuit, head_circuit, weight_parameters
from qllmft_circuits.ansatz import LIBRARY, brickwork

ONE_LAYER = {  # parameters, gates on one and on two qubits of a layer on 4 qubits
    "real_amplitudes": (4, 4, 3),
    "brickwork": (6, 6, 3),
    "efficient_su2": (8, 8, 3),
    "n_local_ry_cz": (4, 4, 3),
    "separable": (4, 4, 0),
}


def reversed_names(n_qubits, n_layers):
    """Parameters called ``theta``, as a template's are, that stand in the circuit from the last to the first."""
    angles = ParameterVector("theta", n_qubits * n_layers)
    circuit = QuantumCircuit(n_qubits)
    for i, angle in enumerate(reversed(angles)):
        circuit.ry(angle, i % n_qubits)
        circuit.cx(i % n_qubits, (i + 1) % n_qubits)
    return circuit


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("layers", [1, 3])
def test_layers_repeat(name, layers):
    circuit = LIBRARY[name](4, layers)
    layer = LIBRARY[name](4, 1)
    sizes = [len(instruction.qubits) for instruction in circuit.data]
    assert (circuit.num_parameters, sizes.count(1), sizes.count(2)) == tuple(
        layers * n for n in ONE_LAYER[name]
    )
    angles = np.random.default_rng(layers).uniform(-3, 3, circuit.num_parameters)
    by_hand = np.eye(16)
    for part in np.split(angles, layers):
        by_hand = Operator(layer.assign_parameters(part)).data @ by_hand
    np.testing.assert_allclose(
        Operator(circuit.assign_parameters(angles)).data, by_hand, atol=1e-12
    )


def test_bricks_by_hand():
    a, b, c, d = np.random.default_rng(0).uniform(-3, 3, 4)

    def ry(t):
        return np.array([[np.cos(t / 2), -np.sin(t / 2)], [np.sin(t / 2), np.cos(t / 2)]])

    cx = np.eye(4)[[0, 3, 2, 1]]  # control: the lower bit
    low = np.kron(np.eye(2), cx @ np.kron(ry(b), ry(a)))
    high = np.kron(cx @ np.kron(ry(d), ry(c)), np.eye(2))
    circuit = brickwork(3, 1).assign_parameters([a, b, c, d])
    np.testing.assert_allclose(Operator(circuit).data, high @ low, atol=1e-12)


@pytest.mark.parametrize(
    "ansatz", [reversed_names, *LIBRARY.values(), AnsatzOptions(2, ring=False)]
)
def test_blocks_of_a_head_have_angles_of_their_own(ansatz):
    circuit = head_circuit(4, 3, 1, 2, ansatz)
    inner = ansatz(4, 1)
    last = ansatz(4, 2)
    sizes = [inner.num_parameters] * 2 + [last.num_parameters]
    assert len(weight_parameters(circuit)) == sum(sizes) == circuit.num_parameters - 4
    rng = np.random.default_rng(1)
    x = rng.uniform(-3, 3, 4)
    theta = rng.uniform(-3, 3, sum(sizes))
    state = Statevector.from_int(0, 2**4)
    for block, part in zip(
        [inner] * 2 + [last], np.split(theta, np.cumsum(sizes)[:-1]), strict=True
    ):
        upload = QuantumCircuit(4)
        for qubit in range(4):
            upload.ry(x[qubit], qubit)
        state = state.evolve(upload).evolve(block.assign_parameters(part))
    values = dict(zip(weight_parameters(circuit), theta, strict=True))
    values |= {p: x[p.index] for p in circuit.parameters if p.name.startswith("x[")}
    np.testing.assert_allclose(
        Statevector(circuit.assign_parameters(values)).data, state.data, atol=1e-12
    )


def test_an_encoder_is_one_block():
    circuit = encoder_circuit(3, 2, reversed_names)
    alone = reversed_names(3, 2)
    theta = np.linspace(-2, 2, 6)
    assert [p.name for p in circuit.parameters] == [f"theta[{i}]" for i in range(6)]
    assert circuit.assign_parameters(theta) == alone.assign_parameters(theta)
    assert not encoder_circuit(3, 0, reversed_names).data
