"""Architectures of SimCert's study: scores of the engine and of the audited states are those of Qiskit's states."""

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator, Statevector, partial_trace

from lab.audits.architectures.attention import QMSAN, QSANN, qmsan_circuit, qsann_circuit
from lab.audits.architectures.claqs import CLAQS
from lab.audits.architectures.discocat import ANGLES, GRAMMAR, DisCoCat, sentence_circuit
from lab.audits.architectures.model import audit_model, paulis, train
from lab.audits.architectures.page import PAGE, main, models
from lab.audits.architectures.texts import kitchen_or_computer, sentences
from lab.experiments.common import DOCS, read_rows


@pytest.fixture(autouse=True)
def fix_seed():
    torch.manual_seed(0)


def texts(size):
    """Return three texts of 4, 2 and 1 tokens."""
    x = torch.randn(3, 4, size, dtype=torch.float64)
    x[1, 2:] = 0.0
    x[2, 1:] = 0.0
    return x


def circuit_state(circuit, x, weights):
    named = {
        p: x[p.index] if p.vector.name == "x" else weights[p.index] for p in circuit.parameters
    }
    return Statevector(circuit.assign_parameters(named))


def both_scores(model, x):
    """Return the scores of the forward pass, and those of the states."""
    direct_scores = model(x).detach()
    assert model.scores(x, model.values(x, model.states(x))).detach() == pytest.approx(
        direct_scores
    )
    return direct_scores


def attention_scores(model, circuit, x, coefficient):
    """Return the scores of texts by loops over Qiskit's states; the coefficient is of two states."""
    weights = [head.connector.weight.tolist() for head in model.heads]
    last = model.last.weight[0].detach().numpy(), model.last.bias.item()
    scores = []
    for text in x.numpy():
        tokens = text[(text != 0).any(axis=1)]
        query, key, value = ([circuit_state(circuit, t, w) for t in tokens] for w in weights)
        told = np.array(
            [
                [state.expectation_value(o).real for o in model.circuits[2].observables]
                for state in value
            ]
        )
        alpha = np.array([[coefficient(q, k) for k in key] for q in query])
        mixed = tokens + alpha / alpha.sum(axis=1, keepdims=True) @ told
        scores.append([0.0, mixed.mean(axis=0) @ last[0] + last[1]])
    return np.array(scores)


def test_qsann_has_the_gaussians_of_its_paper():
    model = QSANN(3)
    x = texts(9)
    z = paulis(3, "Z")[0]

    def gaussian(q, k):
        return np.exp(-((q.expectation_value(z) - k.expectation_value(z)).real ** 2))

    expected = attention_scores(model, qsann_circuit(3), x, gaussian)
    assert both_scores(model, x).numpy() == pytest.approx(expected, abs=1e-9)


def test_qmsan_has_the_overlaps_of_mixed_states():
    model = QMSAN(4)
    x = texts(4)

    def overlap(q, k):
        rho, sigma = (partial_trace(state, [2, 3]).data for state in (q, k))
        return np.trace(rho @ sigma).real

    expected = attention_scores(model, qmsan_circuit(4), x, overlap)
    assert both_scores(model, x).numpy() == pytest.approx(expected, abs=1e-9)


def ansatz_14(angles, qubits):
    circuit = QuantumCircuit(qubits)
    slots = iter(angles)
    for controls, step in ((range(qubits - 1, -1, -1), 1), ([qubits - 1, *range(qubits - 1)], -1)):
        for qubit in range(qubits):
            circuit.ry(next(slots), qubit)
        for control in controls:
            circuit.crx(next(slots), control, (control + step) % qubits)
    return Operator(circuit).data


def test_claqs_has_the_polynomial_of_the_combined_unitaries():
    model = CLAQS(3, 5, 4)
    x = texts(5)
    states = model.states(x)[0]
    mixing = torch.view_as_complex(model.mixing.detach()).numpy()
    for text, state in zip(x, states, strict=True):
        tokens = text[(text != 0).any(dim=1)]
        share = mixing[: len(tokens)] / np.abs(mixing[: len(tokens)]).sum()
        unitaries = [ansatz_14(a, 3) for a in model.angles(tokens).detach().numpy()]
        combined = sum(b * u for b, u in zip(share, unitaries, strict=True))
        powers = [np.linalg.matrix_power(combined, k) for k in range(6)]
        mixed = sum(c * p[:, 0] for c, p in zip(model.polynomial.tolist(), powers, strict=True))
        expected = ansatz_14(model.window[0].detach().numpy(), 3) @ mixed
        assert state == pytest.approx(expected / np.linalg.norm(expected), abs=1e-9)
    values = [[Statevector(s).expectation_value(o).real for o in paulis(3, "XYZ")] for s in states]
    expected = model.readout(torch.tensor(values)).detach()
    assert both_scores(model, x).numpy() == pytest.approx(expected.numpy(), abs=1e-9)


def test_discocat_is_the_contraction_of_its_words_tensors():
    model = DisCoCat(sentences()[0])
    assert sorted(c.num_qubits for c, _ in model.circuits) == [5, 7, 7]
    every = sentences()[0]
    x = torch.tensor([0, 1, 2, 100])
    scores = both_scores(model, x).numpy()

    def tensor(row, place):
        """Return the state of a word, its first wire as the first axis."""
        sentence = every[row]
        kind = every[row][place][1]
        start = sum(ANGLES[word] for _, word in sentence[:place])
        angles = model.angles.detach().numpy()[model.places[row][start:]]
        word = QuantumCircuit(len(GRAMMAR[kind]))
        if kind == "noun":
            word.rx(angles[0], 0)
            word.rz(angles[1], 0)
            word.rx(angles[2], 0)
        else:
            word.h(word.qubits)
            for pair in range(word.num_qubits - 1):
                word.crz(angles[pair], pair, pair + 1)
        return Statevector(word).data.reshape([2] * word.num_qubits).transpose()

    products = ["n,nsm,m->s", "an,n,asm,m->s", "n,nsm,mb,b->s"]
    for row, text_scores in zip(x.tolist(), scores, strict=True):
        form = int(model.form[row])
        words = [tensor(row, place) for place in range(len(every[row]))]
        amplitudes = np.einsum(products[form], *words)
        chances = np.abs(amplitudes) ** 2
        assert text_scores == pytest.approx(np.log(chances / chances.sum()), abs=1e-9)


def test_a_sentence_without_a_verb_has_no_circuit():
    with pytest.raises(ValueError, match="too many values"):
        sentence_circuit(["noun", "noun"])


def test_training_finds_labels_that_need_a_bond_of_two():
    task = kitchen_or_computer(0)
    x, test = task.numbers
    model = DisCoCat(sentences()[0])
    train(model, x, task.y, rate=0.05, epochs=40)
    audit = audit_model(model, x, task.y, test, task.y_test)
    assert audit["test"] > 0.95
    assert audit["bonds"]["accuracy"] == 2
    assert audit["test_of_products"] < 0.7


def test_the_page_is_that_of_the_record(monkeypatch, tmp_path):
    monkeypatch.setattr("lab.audits.architectures.page.PAGE", tmp_path / "page.md")
    main()
    assert (tmp_path / "page.md").read_text("utf-8") == PAGE.read_text("utf-8")
    rows = read_rows(DOCS / "records" / "architectures.json")
    assert sorted((row["task"], row["seed"]) for row in rows) == [
        (task, seed) for task in ("SST-2", "kitchen or computer") for seed in range(3)
    ]
    assert models(rows, "SST-2").count("\n") == 4
