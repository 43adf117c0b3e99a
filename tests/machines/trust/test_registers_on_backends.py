"""A head of several registers on backends: as few circuits as hold them, and one table of values for a text."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Statevector
from tiny_runs import backend_named

from qllmft.config import ModelConfig
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.quantum import exact_backend
from qllmft.training import compute_logits
from qllmft_backends import create
from qllmft_backends.protocol import Capabilities
from qllmft_machines.trust.circuits import model_circuits
from qllmft_machines.trust.measurement import measure, run_circuits
from qllmft_machines.trust.rounds import Rounds, expected_shares, measure_in_rounds

D = 9
N = 4
K = 5
VECTORS = np.random.default_rng(4).normal(size=(N, D)).astype(np.float32)
STRUCTURES = [
    {"n_qubits": 6, "registers": 3},
    {"n_qubits": 10, "registers": 5, "reuploads": 2},
    {"n_qubits": 9, "registers": 3, "readout": 2},
]


def built(structure: dict[str, object], labels: int = K) -> Classifier:
    config = ModelConfig(**({"encoder": "mlp", "hidden_dim": 6} | structure))
    return build_classifier(config, D, labels, seed=2)


def machine(qubits: int) -> SimpleNamespace:
    """Return what is asked of a machine that is not here."""
    return SimpleNamespace(capabilities=Capabilities(remote=True, max_qubits=qubits))


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@pytest.mark.parametrize("qubits", [2, 4, 6, 8, 36])
def test_a_machine_gets_as_few_circuits_as_hold_all_registers(structure, qubits):
    model = built(structure)
    width = model.head.circuit.num_qubits
    registers = model.head.registers
    circuits = model_circuits(model, VECTORS, backend=machine(qubits))
    fitting = max(1, qubits // width)
    assert circuits.per_text == -(-registers // fitting)
    assert circuits.circuit.num_qubits <= max(qubits, width)
    assert circuits.parameters.shape == (N * circuits.per_text, circuits.circuit.num_parameters)
    answers = measure(circuits, exact_backend(circuits.circuit, "float64"))
    by_register = measure(circuits.in_registers, exact_backend(model.head.circuit, "float64"))
    np.testing.assert_allclose(answers.values, by_register.values, atol=1e-9)
    np.testing.assert_allclose(answers.logits, by_register.logits, atol=1e-6)
    logits = compute_logits(model, torch.from_numpy(VECTORS)).double().numpy()
    np.testing.assert_allclose(answers.logits, logits, atol=1e-5)
    assert not answers.standard_errors.any()


def test_the_values_are_those_of_qiskits_state_vector():
    circuits = model_circuits(built(STRUCTURES[0]), VECTORS, backend=machine(4))
    values = measure(circuits, exact_backend(circuits.circuit, "float64")).values
    states = [Statevector(circuits.circuit.assign_parameters(row)) for row in circuits.parameters]
    expected = np.array(
        [[state.expectation_value(o).real for o in circuits.observables] for state in states]
    )
    np.testing.assert_allclose(values, expected.reshape(N, -1)[:, : circuits.n_values], atol=1e-9)


@pytest.mark.parametrize("qubits", [2, 4, 36])
@pytest.mark.parametrize("thresholds", [None, np.full(K, 0.5)], ids=["one label", "several"])
def test_errors_of_leads_are_those_of_repeated_shots(qubits, thresholds):
    """Standard errors of the differences of logits are the scatter of repeated measurements."""
    shots = 400
    repeats = 60
    n_texts = 2
    model = built(STRUCTURES[2])
    texts = np.tile(VECTORS[:n_texts], (repeats, 1))  # each has shots of its own
    circuits = model_circuits(model, texts, thresholds, machine(qubits))
    assert circuits.registers == 3
    measured = run_circuits(
        circuits, create("adjoint", {"shots": shots, "shot_model": "multinomial"})
    )
    logits = circuits.logits(measured.values).detach().double().numpy()
    contrasts = logits
    if thresholds is None:
        first, second = np.triu_indices(K, 1)
        contrasts = logits[:, first] - logits[:, second]
    scatter = contrasts.reshape(repeats, n_texts, -1).std(axis=0, ddof=1)
    stated = measured.contrast_errors.reshape(repeats, n_texts, -1).mean(axis=0)
    assert np.abs(np.log(stated / scatter)).max() < 0.45
    assert abs(np.log(stated / scatter).mean()) < 0.1


def test_rounds_stop_for_texts_that_are_decided():
    model = built(STRUCTURES[0])
    with torch.no_grad():
        model.final.weight.mul_(20)
    circuits = model_circuits(model, VECTORS, backend=machine(4))
    backend = create("adjoint", {"shots": 4000, "shot_model": "multinomial"})
    rounds = Rounds.from_total(4000, 3)
    answers = measure_in_rounds(circuits, backend, rounds)
    exact = measure(circuits.in_registers, exact_backend(model.head.circuit, "float64"))
    assert (answers.labels == exact.labels)[answers.decided].all()
    assert answers.decided.any()
    assert answers.shots.min() < 4000
    shares = expected_shares(circuits, rounds)
    assert shares[0] == 1.0
    assert (np.diff(shares) <= 0).all()


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_backends_here_run_each_register_alone(name):
    model = built(STRUCTURES[1])
    backend = backend_named(name)
    circuits = model_circuits(model, VECTORS, backend=backend)
    assert circuits.per_text == 5
    answers = measure(circuits, backend)
    logits = compute_logits(model, torch.from_numpy(VECTORS)).double().numpy()
    np.testing.assert_allclose(answers.logits, logits, atol=1e-4)


def test_some_of_the_texts_keep_their_circuits():
    circuits = model_circuits(built(STRUCTURES[1]), VECTORS, backend=machine(4))
    rows = np.array([True, False, False, True])
    part = circuits.take(rows)
    backend = exact_backend(circuits.circuit, "float64")
    all_texts = measure(circuits, backend)
    some = measure(part, backend)
    np.testing.assert_allclose(some.values, all_texts.values[rows])
    np.testing.assert_allclose(some.logits, all_texts.logits[rows])


def test_one_register_is_asked_for_what_it_always_was():
    model = built({"n_qubits": 4})
    circuits = model_circuits(model, VECTORS, backend=machine(36))
    assert circuits.circuit is model.head.circuit
    assert circuits.companions == circuits.contrast_observables
    assert circuits.in_registers is circuits
