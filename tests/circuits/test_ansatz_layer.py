"""The ansatz layer of figure 2: which qubits are paired, in which order, and what the layer does to a state."""

import numpy as np
import pytest
from kron_products import layer
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator

from qllmft_circuits import AnsatzOptions
from qllmft_circuits.ansatz import append_ansatz_layer


def one_layer(n_qubits: int, options: AnsatzOptions) -> QuantumCircuit:
    circuit = QuantumCircuit(n_qubits)
    append_ansatz_layer(circuit, list(ParameterVector("t", options.layer_size(n_qubits))), options)
    return circuit


def test_a_layer_extends_a_circuit_and_keeps_what_was_there():
    circuit = QuantumCircuit(3)
    circuit.x(1)
    append_ansatz_layer(circuit, list(ParameterVector("t", 3)), AnsatzOptions())
    assert [instruction.operation.name for instruction in circuit.data] == ["x"] + 3 * ["cx", "ry"]


@pytest.mark.parametrize(("n_qubits", "connectivity"), [(3, 1), (3, 2), (4, 1), (4, 2), (4, 3)])
@pytest.mark.parametrize("ring", [True, False])
@pytest.mark.parametrize("block", ["cx_ry", "ry_cx"])
def test_the_unitary_of_a_layer_is_the_kronecker_product_of_its_blocks(
    n_qubits, connectivity, ring, block
):
    options = AnsatzOptions(connectivity=connectivity, ring=ring, block=block)
    pairs = [
        (control, (control + distance) % n_qubits)
        for distance in range(1, connectivity + 1)
        for control in range(n_qubits)
        if ring or control + distance < n_qubits
    ]
    assert list(options.pairs(n_qubits)) == pairs
    angles = np.random.default_rng(n_qubits).uniform(-np.pi, np.pi, len(pairs))
    unitary = Operator(one_layer(n_qubits, options).assign_parameters(angles)).data
    np.testing.assert_allclose(unitary, layer(angles, pairs, n_qubits, block), atol=1e-12)


@pytest.mark.parametrize("angles", [3, 5])
def test_a_layer_with_the_wrong_number_of_angles_is_refused_and_leaves_the_circuit_as_it_was(
    angles,
):
    circuit = QuantumCircuit(4)
    with pytest.raises(
        ValueError, match=f"got {angles} angles for one layer, expected 4: one a block"
    ):
        append_ansatz_layer(circuit, list(ParameterVector("t", angles)), AnsatzOptions())
    assert len(circuit.data) == 0
