import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Instruction
from qiskit.circuit.library import HamiltonianGate, MCXGate, RYGate, UnitaryGate
from qiskit.quantum_info import Statevector, entropy, partial_trace, random_unitary

from qllmft.config import ModelConfig
from qllmft.heads import QuantumHead
from qllmft_audit.certificate import certify
from qllmft_audit.entanglement import (
    head_states,
    meyer_wallach,
    rank_bounds,
    schmidt_rank,
    schmidt_values,
    truncated_rank,
)
from qllmft_base.errors import UserError
from qllmft_circuits import AnsatzOptions, head_circuit
from qllmft_circuits.ansatz import LIBRARY

GHZ = np.zeros((1, 16))
GHZ[0, [0, 15]] = np.sqrt(0.5)
PRODUCT = np.kron(np.kron([0.6, 0.8], [1.0, 0.0]), np.kron([0.8, -0.6], [0.6, 0.8]))[None]


def bound_state(head, latent):
    network = head.connector.neural_network
    weights = head.connector.weight.detach().double().numpy()
    values = dict(zip(network.weight_params, weights, strict=True))
    values |= dict(zip(network.input_params, latent, strict=True))
    return Statevector(head.circuit.assign_parameters(values))


@pytest.mark.parametrize("ansatz", ["paper", "brickwork", "efficient_su2"])
def test_states_are_those_of_qiskit(ansatz):
    function = {"paper": None, **LIBRARY}[ansatz]
    head = QuantumHead(4, 2, ansatz=function, generator=torch.Generator().manual_seed(3))
    latent = np.random.default_rng(0).normal(size=(3, 4))
    for state, row in zip(head_states(head, latent), latent, strict=True):
        expected = bound_state(head, row).data
        assert abs(np.vdot(state, expected)) == pytest.approx(1.0, abs=1e-12)
        np.testing.assert_allclose(
            np.outer(state, state.conj()), np.outer(expected, expected.conj()), atol=1e-12
        )


def test_schmidt_values_give_the_entropy_of_a_part():
    head = QuantumHead(5, 2, generator=torch.Generator().manual_seed(3))
    latent = np.random.default_rng(1).normal(size=(2, 5))
    values = schmidt_values(head_states(head, latent))
    for cut in range(1, 5):
        weights = values[cut - 1][1] ** 2
        weights = weights[weights > 1e-15]
        expected = entropy(partial_trace(bound_state(head, latent[1]), range(cut)), base=np.e)
        assert -(weights * np.log(weights)).sum() == pytest.approx(expected, abs=1e-9)


def test_ghz_and_product_states():
    assert [schmidt_rank(v) for v in schmidt_values(GHZ)] == [2, 2, 2]
    assert [schmidt_rank(v) for v in schmidt_values(PRODUCT)] == [1, 1, 1]
    assert meyer_wallach(np.concatenate([GHZ, PRODUCT])) == pytest.approx([1.0, 0.0], abs=1e-12)
    assert truncated_rank(np.array([[np.sqrt(1 - 1e-6), 1e-3]])) == 1
    assert truncated_rank(np.array([[np.sqrt(0.9), np.sqrt(0.1)]])) == 2


@pytest.mark.parametrize(
    ("ring", "connectivity", "base"), [(False, 1, 2), (True, 1, 4), (False, 2, 8), (True, 2, 64)]
)
@pytest.mark.parametrize("layers", [1, 2])
def test_ranks_are_within_their_bound(ring, connectivity, base, layers):
    ansatz = AnsatzOptions(connectivity, ring)
    assert max(rank_bounds(head_circuit(8, 1, 1, layers, ansatz))) == base**layers
    head = QuantumHead(8, 1, 1, layers, ansatz=ansatz, generator=torch.Generator().manual_seed(0))
    latent = np.random.default_rng(0).uniform(-3, 3, (4, 8))
    ranks = [schmidt_rank(values) for values in schmidt_values(head_states(head, latent))]
    assert all(rank <= bound for rank, bound in zip(ranks, rank_bounds(head.circuit), strict=True))
    if connectivity == 1 and not ring:
        assert max(ranks) == base**layers  # the bound of a chain is met
    shape = ModelConfig(
        n_qubits=8, reuploads=1, main_layers=layers, ring=ring, connectivity=connectivity
    )
    assert certify(shape).bond == base**layers
    assert certify(shape).holds  # each of these bonds is below the limit of 65,536


def wide_gates():
    """Return circuits of five qubits whose gates on three and more qubits cross cuts."""
    spread = QuantumCircuit(5)
    spread.h(range(4))
    for places in ([0, 1, 2], [2, 3, 4], [4, 0, 2]):
        spread.ccx(*places)
        spread.ry(0.7, places)
    wrapped = QuantumCircuit(5)
    wrapped.h(range(5))
    wrapped.append(spread.to_instruction(), range(5))
    many = QuantumCircuit(5)
    many.h([0, 1, 2, 4])
    many.append(MCXGate(4), [4, 0, 2, 1, 3])  # qubit 3 is the target
    swapped = QuantumCircuit(5)
    swapped.h(range(3))
    swapped.cx(0, 3)
    swapped.cswap(0, 1, 4)
    unitary = QuantumCircuit(5)
    unitary.h(range(5))
    unitary.append(UnitaryGate(random_unitary(8, seed=1)), [0, 2, 4])
    annotated = QuantumCircuit(5)
    annotated.h(range(5))
    annotated.append(RYGate(0.3).control(2, annotated=True), [0, 2, 4])
    evolved = QuantumCircuit(5)
    evolved.h(range(5))
    evolved.append(HamiltonianGate(np.diag(np.arange(8) ** 2), 0.3), [0, 2, 4])
    return {
        "annotated": annotated,
        "evolved": evolved,
        "ccx": spread,
        "wrapped": wrapped,
        "mcx": many,
        "cswap": swapped,
        "unitary": unitary,
    }


@pytest.mark.parametrize("name", wide_gates())
def test_ranks_of_gates_on_three_and_more_qubits_are_within_their_bound(name):
    circuit = wide_gates()[name]
    ranks = [schmidt_rank(values) for values in schmidt_values(Statevector(circuit).data[None])]
    bounds = rank_bounds(circuit)
    assert max(ranks) > 1
    assert all(rank <= bound for rank, bound in zip(ranks, bounds, strict=True))
    if name == "mcx":
        assert bounds == [2] * 4  # a controlled gate is a sum of two products across any cut
    if name == "wrapped":
        assert bounds == rank_bounds(wide_gates()["ccx"])


def test_an_instruction_that_is_no_gate_has_no_bound():
    circuit = QuantumCircuit(3)
    circuit.append(Instruction("pulse", 2, 0, []), [0, 2])
    with pytest.raises(UserError, match=r"'pulse' on 2 qubits, expected gates .* Decompose it"):
        rank_bounds(circuit)


def test_certificates_of_other_models():
    linear = ModelConfig(head="none", encoder_qubits=4, odd=True, pad="bias")
    assert (
        certify(linear).sentence
        == "No circuit is needed: the model is exactly one linear layer on the unit embedding."
    )
    assert not certify(ModelConfig(ansatz="efficient_su2")).holds
    assert certify(ModelConfig(ansatz="separable")).bond == 1
    deep = certify(ModelConfig(reupload_layers=3, main_layers=3))  # twelve layers
    assert (deep.holds, deep.bond) == (False, 4**12)


@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize("ring", [False, True])
def test_a_certificate_is_refused_above_the_limit_only(connectivity, ring):
    for layers in range(1, 10):
        certificate = certify(
            ModelConfig(reuploads=1, main_layers=layers, ring=ring, connectivity=connectivity)
        )
        assert certificate.holds == (certificate.bond <= 65_536)
        assert f"{certificate.bond:,}" in certificate.sentence
        assert ("above the limit of 65,536" in certificate.sentence) != certificate.holds
        assert ("at any number of qubits" in certificate.sentence) == certificate.holds
