"""The ansatz layer of figure 2: which qubits are paired, in which order, and what the layer does to a state."""

import numpy as np
import pytest
from kron_products import layer
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator

from qllmft_circuits import AnsatzOptions, append_ansatz_layer, head_circuit


def one_layer(n_qubits: int, options: AnsatzOptions) -> QuantumCircuit:
    circuit = QuantumCircuit(n_qubits)
    append_ansatz_layer(circuit, list(ParameterVector("t", options.layer_size(n_qubits))), options)
    return circuit


@pytest.mark.parametrize(("n_qubits", "connectivity"), [(3, 1), (5, 2), (10, 1), (14, 3)])
def test_a_ring_layer_has_c_times_q_blocks_and_a_chain_leaves_out_those_that_wrap_around(
    n_qubits, connectivity
):
    ring = AnsatzOptions(connectivity=connectivity)
    chain = AnsatzOptions(connectivity=connectivity, ring=False)
    assert ring.layer_size(n_qubits) == connectivity * n_qubits
    wrapping = connectivity * (connectivity + 1) // 2  # distance d wraps around d times
    assert chain.layer_size(n_qubits) == connectivity * n_qubits - wrapping
    assert [pair for pair in ring.pairs(n_qubits) if pair[0] < pair[1]] == list(
        chain.pairs(n_qubits)
    )


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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: AnsatzOptions(connectivity=0), r"connectivity is 0, expected 1 or more \(C of table I\)"),
        (lambda: AnsatzOptions(connectivity=-2), r"connectivity is -2, expected 1 or more"),
        (lambda: AnsatzOptions(block="rycx"), r"block is 'rycx', expected 'cx_ry' or 'ry_cx'"),
        (lambda: list(AnsatzOptions().pairs(1)), r"n_qubits is 1, expected 2 or more: a block U_i acts on two qubits"),
        (
            lambda: AnsatzOptions(connectivity=4).layer_size(4),
            r"connectivity is 4 on 4 qubits, expected at most 3: .*pair a qubit with itself",
        ),
    ],
    ids=["no connectivity", "negative connectivity", "block", "one qubit", "too far"],
)  # fmt: skip
def test_wrong_input_is_refused_with_what_was_got_and_what_was_expected(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize(
    ("ansatz", "message"),
    [
        (lambda n, layers: None, "the ansatz returned NoneType, expected a QuantumCircuit"),
        (lambda n, layers: QuantumCircuit(n + 1), "a circuit of 4 qubits, expected 3"),
        (lambda n, layers: QuantumCircuit(n - 1), "a circuit of 2 qubits, expected 3"),
    ],
)
def test_an_ansatz_that_makes_no_circuit_of_the_width_is_refused(ansatz, message):
    with pytest.raises(ValueError, match=message):
        head_circuit(3, ansatz=ansatz)


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
