"""The encoder's circuit of section III-C: nothing but ansatz layers, behind amplitudes that the simulator loads."""

import numpy as np
import pytest
from kron_products import layer, product
from qiskit.quantum_info import Operator, Statevector

from qllmft_circuits import AnsatzOptions, encoder_circuit
from qllmft_circuits.encoder import PAPER_ENCODER_LAYERS

RING_OF_THREE = [(0, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize(("n_qubits", "weights"), [(10, 280), (12, 336), (14, 392), (18, 504)])
def test_the_default_is_the_papers_28_layers_on_a_ring(n_qubits, weights):
    assert PAPER_ENCODER_LAYERS == 28
    assert encoder_circuit(n_qubits).num_parameters == weights


@pytest.mark.parametrize(
    ("connectivity", "ring", "a_layer"), [(1, True, 4), (2, True, 8), (1, False, 3), (3, False, 6)]
)
def test_theta_g_is_the_angle_of_block_g_also_beyond_ten_blocks(connectivity, ring, a_layer):
    circuit = encoder_circuit(4, 5, AnsatzOptions(connectivity=connectivity, ring=ring))
    in_order = [i.operation.params[0].name for i in circuit.data if i.operation.name == "ry"]
    # compared as text, theta[10] would come before theta[2]
    assert in_order == [f"theta[{g}]" for g in range(5 * a_layer)]
    assert [p.name for p in circuit.parameters] == in_order


def test_two_layers_are_the_second_after_the_first():
    angles = np.linspace(-2.0, 3.0, 6)
    expected = product(
        [layer(part, RING_OF_THREE, 3, "cx_ry") for part in (angles[:3], angles[3:])]
    )
    unitary = Operator(encoder_circuit(3, 2).assign_parameters(angles)).data
    np.testing.assert_allclose(unitary, expected, atol=1e-12)


def test_the_options_reach_every_layer():
    circuit = encoder_circuit(4, 2, AnsatzOptions(connectivity=2, ring=False, block="ry_cx"))
    gates = [
        (i.operation.name, *(circuit.find_bit(q).index for q in i.qubits))
        for i in circuit.data
    ]  # fmt: skip
    pairs = [(0, 1), (1, 2), (2, 3), (0, 2), (1, 3)]
    assert gates == 2 * [gate for c, t in pairs for gate in (("ry", t), ("cx", c, t))]


def test_qubit_0_is_the_least_significant_bit_of_an_amplitudes_index():
    still = encoder_circuit(3, 1, AnsatzOptions(ring=False)).assign_parameters(np.zeros(2))
    # index 1 has qubit 0 set alone; the chain of CNOTs 0 -> 1 -> 2 then sets the other two
    assert Statevector.from_int(1, 8).evolve(still).probabilities_dict() == {"111": 1.0}
    assert Statevector.from_int(4, 8).evolve(still).probabilities_dict() == {"100": 1.0}


def test_no_layers_leave_the_amplitudes_alone():
    circuit = encoder_circuit(3, 0)
    assert (len(circuit.data), circuit.num_parameters, circuit.num_qubits) == (0, 0, 3)
