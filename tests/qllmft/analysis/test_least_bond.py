import numpy as np
import pytest
import torch

from qllmft.analysis.least_bond import LABEL_SHARES, least_bonds
from qllmft.config import ModelConfig
from qllmft.errors import UserError
from qllmft.heads import build_classifier

D = 16
X = torch.randn(120, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def model(**settings):
    config = ModelConfig(encoder_layers=3, **settings)
    classifier = build_classifier(config, D, 3, seed=3).double().eval()
    with torch.no_grad():  # so that labels differ and small bonds keep some of them
        classifier.head.connector.weight.mul_(0.5)
        classifier.final.bias.copy_(-classifier(X).mean(dim=0) + classifier.final.bias)
    return config, classifier


def truncated_across(state, cut, bond):
    """Return a state (2^Q,) with the largest Schmidt values across the cut after ``cut`` qubits."""
    u, s, v = np.linalg.svd(state.reshape(-1, 1 << cut), full_matrices=False)
    return ((u[:, :bond] * s[:bond]) @ v[:bond]).ravel()


def dense_values(circuit, values, bond):
    """Return ⟨Z⟩ (Q,) by dense states, with a truncation across each cut of a gate on two qubits, from the last."""
    qubits, index = circuit.num_qubits, np.arange(1 << circuit.num_qubits)
    bound = circuit.assign_parameters(values)
    state = np.zeros(1 << qubits)
    state[0] = 1.0
    for gate in bound.data:
        places = [bound.find_bit(qubit).index for qubit in gate.qubits]
        target = places[-1]
        if gate.operation.name == "ry":
            cos, sin = (f(float(gate.operation.params[0]) / 2) for f in (np.cos, np.sin))
            other = state[index ^ (1 << target)]
            state = cos * state + np.where(index >> target & 1, sin, -sin) * other
            continue
        assert gate.operation.name == "cx"
        state = state[index ^ ((index >> places[0] & 1) << target)]
        for cut in range(max(places), min(places), -1):
            state = truncated_across(state, cut, bond)
    return np.array([(state**2 * (1 - 2 * (index >> q & 1))).sum() for q in range(qubits)])


@torch.no_grad()
def same_labels(classifier, bond):
    """Return the number of texts with the exact label by dense truncated states."""
    latent, exact = classifier.encoder(X).numpy(), classifier(X).argmax(dim=1).numpy()
    head, network = classifier.head, classifier.head.connector.neural_network
    weights = head.connector.weight.numpy()
    found = []
    for row in latent:
        values = dict(zip(network.input_params, row, strict=True))
        values |= dict(zip(network.weight_params, weights, strict=True))
        found.append(dense_values(head.circuit, values, bond))
    logits = classifier.final(torch.from_numpy(np.stack(found)))
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
    found = least_bonds(config, classifier, X)
    limit = 2 ** (config.n_qubits // 2)
    assert (found.limit, found.searched, found.texts) == (limit, limit, len(X))
    by_bond = {bond: same_labels(classifier, bond) for bond in range(1, limit + 1)}
    assert by_bond[limit] == len(X)
    for share, each in zip(LABEL_SHARES, found.found, strict=True):
        assert each.bond == min(b for b, same in by_bond.items() if same >= share * len(X))
        assert each.same.right == by_bond[each.bond]
        assert each.certain <= each.same.right
        assert each.certain == len(X) or each.bond < limit
    assert by_bond[1] < len(X)  # truncation changes labels


def test_a_product_head_needs_a_bond_of_one():
    config, classifier = model(n_qubits=6, ansatz="separable", encoder_ansatz="paper")
    found = least_bonds(config, classifier, X)
    assert [each.bond for each in found.found] == [1, 1]
    assert [each.certain for each in found.found] == [len(X)] * 2  # nothing is truncated
    assert "1 for 99 % of 120 test texts" in found.sentence


def test_a_search_that_ends_below_the_least_bond_says_so(monkeypatch):
    monkeypatch.setattr("qllmft.analysis.least_bond.MAX_BOND", 1)
    config, classifier = model(n_qubits=6, reuploads=3, main_layers=2)
    found = least_bonds(config, classifier, X)
    assert (found.found, found.searched, found.limit) == ((), 1, 8)
    assert "more than 1 for 99 %" in found.sentence


def test_a_head_of_complex_gates_has_no_truncation():
    config, classifier = model(n_qubits=4, ansatz="efficient_su2", encoder_ansatz="paper")
    with pytest.raises(UserError, match="computes real gates only"):
        least_bonds(config, classifier, X)
