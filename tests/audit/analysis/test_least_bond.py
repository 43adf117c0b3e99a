import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft_audit.least_bond import LABEL_SHARES, least_bonds
from qllmft_base.errors import UserError

D = 16
X = torch.randn(120, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def model(**settings):
    config = ModelConfig(encoder_layers=3, **settings)
    classifier = build_classifier(config, D, 3, seed=3).double().eval()
    with torch.no_grad():  # so that labels differ and small bonds keep some of them
        classifier.head.connector.weight.mul_(0.5)
        classifier.final.bias.copy_(-classifier(X).mean(dim=0) + classifier.final.bias)
    return config, classifier


def truncated_across(states, cut, bond):
    """Return states (N, 2^Q) with the largest Schmidt values across the cut after ``cut`` qubits."""
    u, s, v = np.linalg.svd(states.reshape(len(states), -1, 1 << cut), full_matrices=False)
    return ((u[..., :bond] * s[:, None, :bond]) @ v[:, :bond]).reshape(states.shape)


def dense_values(circuit, angles, bond):
    """Return ⟨Z⟩ (N, Q) by dense states, with a truncation across each cut of a gate on two qubits, from the last.

    ``angles`` (N, R) are those of the rotations.
    """
    qubits = circuit.num_qubits
    index = np.arange(1 << circuit.num_qubits)
    states = np.zeros((len(angles), 1 << qubits))
    states[:, 0] = 1.0
    half_angles = iter(angles.T / 2)
    for gate in circuit.data:
        places = [circuit.find_bit(qubit).index for qubit in gate.qubits]
        target = places[-1]
        if gate.operation.name == "ry":
            half_angle = next(half_angles)[:, None]
            signs = np.where(index >> target & 1, 1.0, -1.0)
            partners = states[:, index ^ (1 << target)]
            states = np.cos(half_angle) * states + np.sin(half_angle) * signs * partners
            continue
        assert gate.operation.name == "cx"
        states = states[:, index ^ ((index >> places[0] & 1) << target)]
        for cut in range(max(places), min(places), -1):
            states = truncated_across(states, cut, bond)
    signs = 1 - 2 * (index[:, None] >> np.arange(qubits) & 1)
    return states**2 @ signs


@torch.no_grad()
def bound_angles(classifier):
    """Return the angles (N, R) of the head's rotations, in the order of its circuit, for each text."""
    head = classifier.head
    network = classifier.head.connector.neural_network
    weights = dict(zip(network.weight_params, head.connector.weight.numpy(), strict=True))
    angles_of_circuits = []
    for row in classifier.encoder(X).numpy():
        inputs = dict(zip(network.input_params, row, strict=True))
        bound = head.circuit.assign_parameters(inputs | weights)
        rotations = (gate.operation for gate in bound.data if gate.operation.name == "ry")
        angles_of_circuits.append([float(rotation.params[0]) for rotation in rotations])
    return np.array(angles_of_circuits)


@torch.no_grad()
def same_labels(classifier, angles, bond):
    """Return the number of texts with the exact label by dense truncated states."""
    exact = classifier(X).argmax(dim=1).numpy()
    values = dense_values(classifier.head.circuit, angles, bond)
    logits = classifier.final(torch.from_numpy(values))
    return int((logits.argmax(dim=1).numpy() == exact).sum())


@pytest.mark.parametrize(
    "settings",
    [
        {"n_qubits": 4, "reuploads": 2, "main_layers": 1},
        {"n_qubits": 6, "reuploads": 3, "main_layers": 1, "ring": False},
        {"n_qubits": 6, "reuploads": 2, "main_layers": 2},
        {"n_qubits": 6, "reuploads": 2, "main_layers": 1, "connectivity": 2},
    ],
    ids=["ring of 4", "chain of 6", "ring of 6", "two neighbours"],
)
def test_the_least_bonds_are_those_of_dense_truncated_states(settings):
    config, classifier = model(**settings)
    result = least_bonds(config, classifier, X)
    limit = 2 ** (config.n_qubits // 2)
    assert (result.limit, result.searched, result.texts) == (limit, limit, len(X))
    angles = bound_angles(classifier)
    by_bond = {bond: same_labels(classifier, angles, bond) for bond in range(1, limit + 1)}
    assert by_bond[limit] == len(X)
    for share, least in zip(LABEL_SHARES, result.found, strict=True):
        assert least.bond == min(b for b, n_same in by_bond.items() if n_same >= share * len(X))
        assert least.same.right == by_bond[least.bond]
        assert least.certain <= least.same.right
        assert least.certain == len(X) or least.bond < limit
    assert by_bond[1] < len(X)  # truncation changes labels


def test_a_product_head_needs_a_bond_of_one():
    config, classifier = model(n_qubits=6, ansatz="separable", encoder_ansatz="paper")
    result = least_bonds(config, classifier, X)
    assert [least.bond for least in result.found] == [1, 1]
    assert [least.certain for least in result.found] == [len(X)] * 2  # nothing is truncated
    assert "1 for 99 % of 120 test texts" in result.sentence


def test_a_search_that_ends_below_the_least_bond_says_so(monkeypatch):
    monkeypatch.setattr("qllmft_audit.least_bond.MAX_BOND", 1)
    config, classifier = model(n_qubits=6, reuploads=3, main_layers=2)
    result = least_bonds(config, classifier, X)
    assert (result.found, result.searched, result.limit) == ((), 1, 8)
    assert "more than 1 for 99 %" in result.sentence


def test_a_head_of_complex_gates_has_no_truncation():
    config, classifier = model(n_qubits=4, ansatz="efficient_su2", encoder_ansatz="paper")
    with pytest.raises(UserError, match="computes real gates only"):
        least_bonds(config, classifier, X)
