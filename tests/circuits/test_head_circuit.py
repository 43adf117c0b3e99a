"""The re-uploading head of figures 1 and 3: R encodings, N layers between two of them, M layers at the end."""

import numpy as np
import pytest
from kron_products import layer, product, ry
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from qllmft_circuits import AnsatzOptions, data_parameters, head_circuit, weight_parameters


def gates(circuit: QuantumCircuit) -> list[tuple[object, ...]]:
    """(name, qubits..., parameter) of every gate."""
    return [
        (
            i.operation.name,
            *(circuit.find_bit(q).index for q in i.qubits),
            *(p.name for p in i.operation.params),
        )
        for i in circuit.data
    ]


STRUCTURES = [(1, 1, 2, 1), (1, 0, 0, 1), (4, 1, 2, 1), (3, 2, 0, 2), (2, 0, 3, 1), (3, 3, 1, 3)]


@pytest.mark.parametrize(("reuploads", "between", "main", "connectivity"), STRUCTURES)
def test_n_layers_stand_between_two_uploads_and_m_after_the_last(
    reuploads, between, main, connectivity
):
    n_qubits = 4
    circuit = head_circuit(
        n_qubits, reuploads, between, main, AnsatzOptions(connectivity=connectivity)
    )
    # U: an upload on qubit q carries x[q]; B: a block
    letters = ""
    for gate in gates(circuit):
        if str(gate[-1]).startswith("x["):
            assert gate[-1] == f"x[{gate[1]}]"
            letters += "U"
        elif gate[0] == "cx":
            letters += "B"
    upload = "U" * n_qubits
    block_layer = "B" * (connectivity * n_qubits)
    assert (
        letters == (upload + between * block_layer) * (reuploads - 1) + upload + main * block_layer
    )


@pytest.mark.parametrize(("reuploads", "between", "main", "connectivity"), STRUCTURES)
def test_parameters_are_found_by_index_also_beyond_ten(reuploads, between, main, connectivity):
    n_qubits = 12
    circuit = head_circuit(
        n_qubits, reuploads, between, main, AnsatzOptions(connectivity=connectivity)
    )
    weights = ((reuploads - 1) * between + main) * connectivity * n_qubits
    assert [p.name for p in data_parameters(circuit)] == [f"x[{q}]" for q in range(n_qubits)]
    assert [p.name for p in weight_parameters(circuit)] == [f"theta[{g}]" for g in range(weights)]
    in_order = [gate[-1] for gate in gates(circuit) if str(gate[-1]).startswith("theta[")]
    assert in_order == [f"theta[{g}]" for g in range(weights)]


@pytest.mark.parametrize("n_qubits", [10, 12, 14, 18])
def test_the_default_is_the_papers_head_of_5_q_weights(n_qubits):
    circuit = head_circuit(n_qubits)
    assert (len(data_parameters(circuit)), len(weight_parameters(circuit))) == (
        n_qubits,
        5 * n_qubits,
    )
    assert gates(circuit) == gates(
        head_circuit(n_qubits, 4, 1, 2, AnsatzOptions(1, ring=True, block="cx_ry"))
    )


@pytest.mark.parametrize("block", ["cx_ry", "ry_cx"])
def test_the_unitary_of_a_head_is_uploads_and_layers_in_turn(block):
    x = np.array([0.3, -1.1, 2.0])
    theta = np.linspace(-1.5, 2.5, 9)
    ring = [(0, 1), (1, 2), (2, 0)]
    upload = product([ry(x[q], q, 3) for q in range(3)])
    first, second, third = (layer(part, ring, 3, block) for part in theta.reshape(3, 3))
    circuit = head_circuit(3, 2, 1, 2, AnsatzOptions(block=block))
    by_name = {p: theta[g] for g, p in enumerate(weight_parameters(circuit))}
    by_name |= {p: x[q] for q, p in enumerate(data_parameters(circuit))}
    unitary = Operator(circuit.assign_parameters(by_name)).data
    np.testing.assert_allclose(unitary, product([upload, first, upload, second, third]), atol=1e-12)
