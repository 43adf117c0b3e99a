"""Counts of gates, depth and parameters against formulas by hand and against a clock on every qubit."""

import pytest
from qiskit import QuantumCircuit

from qllmft_circuits import AnsatzOptions, count, encoder_circuit, head_circuit
from qllmft_circuits.inspect import CircuitCounts


def depth_by_clocks(circuit: QuantumCircuit) -> int:
    """The longest path, walked gate by gate: a gate starts when the last of its qubits is free."""
    clocks = [0] * circuit.num_qubits
    for instruction in circuit.data:
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        now = 1 + max(clocks[q] for q in qubits)
        for qubit in qubits:
            clocks[qubit] = now
    return max(clocks)


@pytest.mark.parametrize(
    ("n_qubits", "reuploads", "between", "main", "connectivity"),
    [(3, 1, 1, 1, 1), (4, 3, 2, 1, 2), (5, 2, 0, 3, 1), (10, 4, 1, 2, 1), (6, 2, 1, 1, 3)],
)
def test_a_head_on_a_ring_costs_what_the_formula_by_hand_says(
    n_qubits, reuploads, between, main, connectivity
):
    circuit = head_circuit(
        n_qubits, reuploads, between, main, AnsatzOptions(connectivity=connectivity)
    )
    blocks = ((reuploads - 1) * between + main) * connectivity * n_qubits
    assert count(circuit) == CircuitCounts(
        n_qubits=n_qubits,
        one_qubit_gates=reuploads * n_qubits + blocks,
        two_qubit_gates=blocks,
        depth=depth_by_clocks(circuit),
        weights=blocks,
        data_angles=n_qubits,
    )


@pytest.mark.parametrize(("n_qubits", "layers"), [(3, 1), (4, 3), (10, 28)])
def test_the_blocks_of_a_ring_follow_each_other_so_its_depth_is_two_a_block(n_qubits, layers):
    # block i acts on the target of block i - 1; nothing of C = 1 runs in parallel
    assert count(encoder_circuit(n_qubits, layers)).depth == 2 * n_qubits * layers


def test_an_encoder_on_a_chain_has_weights_and_no_data_angles():
    counts = count(encoder_circuit(5, 3, AnsatzOptions(connectivity=2, ring=False)))
    blocks = 3 * (4 + 3)
    assert counts.as_dict() == {
        "n_qubits": 5,
        "one_qubit_gates": blocks,
        "two_qubit_gates": blocks,
        "depth": depth_by_clocks(encoder_circuit(5, 3, AnsatzOptions(connectivity=2, ring=False))),
        "weights": blocks,
        "data_angles": 0,
    }


def test_barriers_cost_nothing_and_keep_the_order():
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.barrier()
    circuit.cx(1, 2)
    circuit.barrier(0, 1)
    # side by side without the barrier, one after the other with it; three if it counted as a layer
    assert count(circuit) == CircuitCounts(
        3, one_qubit_gates=1, two_qubit_gates=1, depth=2, weights=0, data_angles=0
    )


def test_wider_gates_must_be_decomposed_first():
    circuit = QuantumCircuit(4)
    circuit.ccx(0, 1, 2)
    circuit.mcx([0, 1, 2], 3)
    with pytest.raises(ValueError, match=r"gates on \[3, 4\] qubits. Decompose it"):
        count(circuit)
