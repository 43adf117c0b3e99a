"""A linear layer on odd encoders as a run: trained, killed, verified, and asked on every kind of backend."""

import shutil
import signal

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Statevector
from stopped_runs import without_seconds
from tiny_runs import LABELS, HashBody, backend_named, config, vector

from qllmft.config import ModelConfig
from qllmft.heads import build_classifier
from qllmft.inference import Predictor, export
from qllmft.inference.export import ExportRequest, export_encoder
from qllmft.model import load_model
from qllmft.report import write_report
from qllmft.run import RunFolder, run_experiment, vectors
from qllmft.training import compute_logits
from qllmft_audit import verification
from qllmft_audit.verification import verify_run
from qllmft_backends import Expectations, create
from qllmft_machines.trust import MeasuredModel
from qllmft_machines.trust.circuits import model_circuits
from qllmft_machines.trust.measurement import measure

MODEL = {
    "head": "none", "n_encoders": "auto", "encoder_qubits": 3, "encoder_layers": 6, "components": 5,
    "pad": "bias", "odd": True,
}  # fmt: skip
TRAIN = {"epochs": 40, "optimizer": "lbfgs", "select": "last"}
TEXTS = [f"{label} new text {i}" for i in range(4) for label in LABELS]
X = np.stack([vector(text) for text in TEXTS])
S = 3000


def odd(corpus, **changes):
    return config(
        corpus, model=MODEL, train=TRAIN, baselines={"names": ["logistic_regression_c1"]}, **changes
    )


@pytest.fixture(scope="module")
def trained_folder(corpus, tmp_path_factory):
    """The folder of the run."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "embed", HashBody())
        run_experiment(odd(corpus), folder)
    return folder


@pytest.fixture
def run(trained_folder, out, monkeypatch):
    """A copy of the folder of the run."""
    shutil.copytree(trained_folder, out)
    monkeypatch.setattr(
        verification, "locate_body", lambda _: type("Nowhere", (), {"identity": ""})
    )
    return out


def test_the_record_says_what_was_trained_and_stored(run):
    record = RunFolder(run).read_result()
    assert [model.name for model in record.models] == [
        "quantum head",
        "logistic regression (C = 1)",
    ]
    assert record.head.parameters == 6 * 3 + (3 + 1) * 2
    assert record.head.settings == {"epoch": record.selected_epoch, "stored": 8 + 8 * 5}
    assert record.head.tested.value > 0.9
    assert all(check.sound for check in verify_run(run)), [
        check.finding for check in verify_run(run)
    ]
    page = write_report(run).read_text(encoding="utf-8")
    assert "data map (48 numbers stored, none trained)" in page
    assert "The encoder's circuit" in page.replace("&#39;", "'")


def test_a_killed_training_begins_again_and_ends_in_the_same_bits(
    run, corpus, tmp_path, monkeypatch
):
    killed = RunFolder(tmp_path / "killed")
    odd_config = odd(corpus)
    write = RunFolder.write_metrics

    def interrupt(self, metrics):
        write(self, metrics)
        if metrics.epoch == 3:
            signal.raise_signal(signal.SIGINT)

    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "write_metrics", interrupt)
        outcome = run_experiment(odd_config, killed.path)
    signal.signal(signal.SIGINT, handler)
    assert (outcome.record, outcome.epochs_done) == (None, 3)
    resumed = run_experiment(odd_config, killed.path).record
    straight = RunFolder(run).read_result()
    assert without_seconds(resumed.to_json()) == without_seconds(straight.to_json())
    assert [m.epoch for m in killed.metrics()] == list(range(1, straight.selected_epoch + 1))
    weights, expected = (load_model(path).classifier.state_dict() for path in (killed.path, run))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["adjoint", "aer_statevector"])
def test_exact_backends_run_two_circuits_a_text_and_encoder_and_answer_as_the_model(run, name):
    model = load_model(run).classifier
    request = model_circuits(model, X)
    assert request.parameters.shape == (2 * len(X), 7 + 18)
    options = {"dtype": "float64"} if name == "adjoint" else {}
    answers = measure(request, backend_named(name, **options))
    expected = torch.softmax(compute_logits(model, torch.from_numpy(X)), dim=1)
    np.testing.assert_allclose(answers.probabilities, expected, atol=1e-6)
    assert answers.values.shape == (len(X), 2 * 3)
    bound = [Statevector(request.circuit.assign_parameters(row)) for row in request.parameters]
    by_qiskit = np.array(
        [[state.expectation_value(z).real for z in request.observables] for state in bound]
    )
    np.testing.assert_allclose(answers.values, by_qiskit.reshape(len(X), -1), atol=1e-6)
    assert not answers.standard_errors.any()
    assert set(answers.probabilities.argmax(axis=1)) == {0, 1}


def test_the_error_of_a_probability_from_shots_is_its_spread(run):
    """Over many seeds; the shots of the two circuits are independent."""
    request = model_circuits(load_model(run).classifier, X)
    few = S // 4
    measurements = [
        measure(request, backend_named("aer_statevector", shots=few, seed=i)) for i in range(30)
    ]
    spread = np.std([answers.probabilities for answers in measurements], axis=0, ddof=1)
    ratio = np.mean([answers.standard_errors for answers in measurements], axis=0) / spread
    # of 30 draws, each ratio is known to 13 %, their mean to 5 %; with any number of shots
    assert 0.85 < np.mean(ratio) < 1.15
    assert np.abs(ratio - 1).max() < 0.5


class Listed:
    """A backend whose answers are given: values and errors by circuit and observable."""

    def __init__(self, random) -> None:
        self.random = random

    def expectations(self, circuit, values, observables) -> Expectations:
        z = self.random.uniform(-1, 1, (len(values), 3))
        weights = np.array([coefficients(observable) for observable in observables])  # (O, 3)
        self.errors = self.random.uniform(0.1, 0.2, (len(values), 3))
        return Expectations(z @ weights.T, np.sqrt(self.errors**2 @ weights.T**2))


def coefficients(operator) -> list[float]:
    """Those of Z on each of three qubits."""
    terms = dict(operator.simplify().to_list())
    return [terms.get(label, 0.0).real for label in ("IIZ", "IZI", "ZII")]


def test_errors_of_several_encoders_and_labels_add_up_as_independent_ones():
    """Three labels, two encoders: four circuits a text; by hand from the errors of every circuit's qubits."""
    model = build_classifier(ModelConfig(**MODEL), 8, 3, seed=1)
    backend = Listed(np.random.default_rng(0))
    request = model_circuits(model, X)
    answers = measure(request, backend)
    assert len(request.parameters) == 4 * len(X)
    # (k, E, sign, qubit)
    weight = model.final.weight.detach().double().numpy().reshape(3, 2, 1, 3) * [[0.5], [-0.5]]
    values = answers.values.reshape(-1, 2, 2, 3)
    logits = np.einsum("kesq,nesq->nk", weight, values) + model.final.bias.detach().double().numpy()
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers.probabilities, p, atol=1e-6)
    errors = backend.errors.reshape(-1, 2, 2, 3)
    between = [
        [
            np.sqrt(np.einsum("esq,nesq->n", (weight[a] - weight[b]) ** 2, errors**2))
            for b in range(3)
        ]
        for a in range(3)
    ]
    expected = [p[:, a] * sum(p[:, b] * between[a][b] for b in range(3)) for a in range(3)]
    np.testing.assert_allclose(answers.standard_errors, np.stack(expected, axis=1), rtol=1e-5)


def test_noisy_aer_and_ionqs_sandbox_answer_within_their_errors(run, monkeypatch, tmp_path):
    pytest.importorskip("qiskit_ionq", reason="qiskit-ionq is not installed: pip install '.[ionq]'")
    from qllmft_machines.sandbox import MockServer, Store

    request = model_circuits(load_model(run).classifier, X)
    exact = measure(request, backend_named("adjoint"))
    noisy = measure(request, backend_named("aer_forte", method="density_matrix", shots=None))
    sampled = measure(request, backend_named("aer_forte", shots=S))
    z = (sampled.values - noisy.values) / np.sqrt((1 - noisy.values**2) / S)
    assert np.abs(z).max() < 4.5
    assert np.abs(noisy.values - exact.values).max() > 0.01
    monkeypatch.setenv("QISKIT_IONQ_API_TOKEN", "key-of-the-tests")
    with MockServer(store=Store(qpu_noise="ideal")) as box:
        place = {
            "url": box.url,
            "ledger": tmp_path / "ledger",
            "poll_interval_s": 0.02,
            "yes": True,
        }
        backend = create("ionq_forte", {"shots": S, **place})
        measured_model = MeasuredModel(Predictor(load_model(run)), backend)
        paid = measured_model.answer(X[:2])
        drawn_again = measured_model.bootstrap(X[:2], 200)
    assert np.abs((paid.probabilities - exact.probabilities[:2]) / paid.standard_errors).max() < 4.5
    np.testing.assert_allclose(drawn_again.standard_errors, paid.standard_errors, rtol=0.4)


def test_both_circuits_of_a_text_are_exported(run, monkeypatch):
    model = load_model(run)
    monkeypatch.setattr(export, "embedding", lambda *_: torch.from_numpy(X[:1]))
    requests = [
        ExportRequest(part="encoder", text="a text", minus=minus) for minus in (False, True)
    ]
    states = [Statevector(export_encoder(model, request)).probabilities() for request in requests]
    signs = 1 - 2 * (np.arange(8)[None] >> np.arange(3)[:, None] & 1)
    with torch.no_grad():
        expected = model.classifier.encoder(torch.from_numpy(X[:1]))[0]
    np.testing.assert_allclose(signs @ (states[0] - states[1]) / 2, expected, atol=1e-6)
