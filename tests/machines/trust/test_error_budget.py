"""The error budget of a machine: the spread of logits by sampling, the accuracy by evaluations, and refusals."""

import numpy as np
import pytest
import torch

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft_backends import create
from qllmft_backends.aer.machine_errors import MachineErrors
from qllmft_backends.noise import GateNoise
from qllmft_base.errors import UserError
from qllmft_machines.trust.budget import (
    STATED_ERRORS,
    BudgetRow,
    ErrorBudget,
    error_budget,
    logit_moments,
)
from qllmft_machines.trust.circuits import model_circuits
from qllmft_machines.trust.measurement import measure

NOISE = GateNoise(0.01, 0.08, 0.04)
N = 40
D = 8
VECTORS = np.random.default_rng(1).normal(size=(N, D)).astype(np.float32)


def model(k):
    """Return a head of four qubits behind an encoder, with weights that give answers of every label."""
    config = ModelConfig(n_qubits=4, encoder_qubits=4, encoder_layers=2, reuploads=2)
    classifier = build_classifier(config, D, k, seed=3).eval()
    with torch.no_grad():
        classifier.final.weight.copy_(
            torch.from_numpy(np.random.default_rng(2).normal(size=(k, 4)))
        )
        if classifier.final.bias is not None:
            classifier.final.bias.zero_()
    return classifier


def test_the_spread_of_the_logits_is_that_of_sampled_outcomes():
    classifier = model(3)
    shots = 50
    repeats = 20_000
    circuits = model_circuits(classifier, VECTORS[:2])
    outcomes = MachineErrors.from_noise(circuits.circuit, NOISE).probabilities(circuits.parameters)
    logits, covariance = logit_moments(circuits, outcomes)
    random = np.random.default_rng(0)
    bits = 1 - 2 * (np.arange(16)[:, None] >> np.arange(4) & 1)
    for text, distribution in enumerate(outcomes):
        counts = random.multinomial(shots, distribution, size=repeats)
        sampled = (counts / shots @ bits) @ classifier.final.weight.detach().double().numpy().T
        np.testing.assert_allclose(sampled.mean(axis=0), logits[text], atol=0.02)
        np.testing.assert_allclose(np.cov(sampled.T), covariance[text] / shots, rtol=0.1, atol=2e-4)


def evaluations(circuits, backend, shots, repeats):
    """Return the labels (repeats, N) of repeated evaluations, whose shots are those of one call."""
    measured = circuits.circuit.measure_all(inplace=False)
    random = np.random.default_rng(0)
    bits = backend.bits(measured, circuits.parameters, shots * repeats, random)
    values = 1 - 2 * bits.reshape(N, repeats, shots, -1).mean(axis=2)
    labels = [circuits.logits(values[:, i]).argmax(dim=1).numpy() for i in range(repeats)]
    return np.array(labels)


@pytest.mark.parametrize("k", [2, 3])
def test_the_accuracy_is_that_of_evaluations(k):
    classifier = model(k)
    shots = 60
    repeats = 60
    labels = np.random.default_rng(5).integers(k, size=N)
    options = NOISE.options | {"shots": shots}
    budget = error_budget(classifier, VECTORS, labels, create("aer_forte", options))
    circuits = model_circuits(classifier, VECTORS)
    exact = measure(circuits, create("aer_statevector")).labels
    labels_by_run = evaluations(circuits, create("aer_forte", options), shots, repeats)
    right = (labels_by_run == labels).mean(axis=1)
    differ = (labels_by_run != exact).mean(axis=1)
    stated = budget.rows[0]
    assert stated.accuracy == pytest.approx(np.mean(right), abs=4 * np.std(right) / repeats**0.5)
    assert stated.differ == pytest.approx(np.mean(differ), abs=4 * np.std(differ) / repeats**0.5)
    low, high = stated.interval
    assert (high - low) / 2 == pytest.approx(1.96 * np.std(right), rel=0.3)
    assert budget.exact == (exact == labels).mean()
    assert len(budget.rows) == 5
    better = {row.errors: row.differ for row in budget.rows}
    assert max(better["two-qubit errors halved"], better["shots doubled"]) < better[STATED_ERRORS]


def test_a_backend_without_shots_or_errors_has_no_rows_for_them():
    labels = np.zeros(N, np.int64)
    exact = create("adjoint", {"noise": "explicit", "one_qubit_rate": 0.0, "two_qubit_rate": 0.02})
    rows = error_budget(model(2), VECTORS, labels, exact).rows
    assert [row.errors for row in rows] == [STATED_ERRORS, "two-qubit errors halved"]
    assert rows[0].interval == (rows[0].accuracy,) * 2


def test_the_sentence_names_the_change_that_is_worth_most():
    rows = (
        BudgetRow(STATED_ERRORS, 0.70, (0.6, 0.8), 0.10),
        BudgetRow("two-qubit errors halved", 0.713, (0.6, 0.8), 0.06),
        BudgetRow("shots doubled", 0.701, (0.6, 0.8), 0.09),
    )
    expected = (
        "with two-qubit errors halved: 4.0 % more labels as in a noiseless simulation, "
        "and +1.3 points of accuracy."
    )
    assert ErrorBudget(10, 100, 0.7, rows).sentence.endswith(expected)
    assert "No error" in ErrorBudget(10, 100, 0.7, rows[:1]).sentence


@pytest.mark.parametrize(
    "backend",
    [("aer_statevector", {}), ("adjoint", {"noise": "paper_low", "uploads": False})],
)
def test_a_backend_of_unknown_errors_is_refused(backend):
    with pytest.raises(UserError, match="needs the errors of gates and readouts"):
        error_budget(model(2), VECTORS, np.zeros(N, np.int64), create(*backend))


@pytest.mark.parametrize(
    ("options", "mitigation"),
    [
        ({"error_mitigation": "debiasing"}, "debiasing"),
        ({"symmetry_verification": True}, "symmetry verification"),
        (
            {"error_mitigation": "debiasing", "symmetry_verification": True},
            "debiasing, symmetry verification",
        ),
    ],
)
def test_a_budget_without_the_mitigation_that_was_asked_for_is_refused(options, mitigation):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    labels = np.zeros(N, np.int64)
    backend = create("ionq_forte", options)
    with pytest.raises(
        UserError, match=f"ionq_forte mitigates errors: {mitigation}. Omit the mitigation"
    ):
        error_budget(model(2), VECTORS, labels, backend)


def test_a_machine_of_ionq_without_mitigation_has_a_budget():
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    labels = np.zeros(N, np.int64)
    assert error_budget(model(2), VECTORS, labels, create("ionq_forte", {})).rows
