"""More labels or targets than one register holds, through scikit-learn's and SetFit's interfaces."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, RidgeCV

from qllmft import load_preset
from qllmft.data import Corpus
from qllmft.heads import build_classifier
from qllmft.run.notes import report_choices
from qllmft.training import Examples, fit
from qllmft_doors.sklearn import QuantumHeadClassifier, QuantumHeadRegressor

K = 16
D = 10
SMALL = {"model.encoder_qubits": 4, "model.encoder_layers": 6, "train.epochs": 4}


def rows(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, K noisy linear outputs of them, and the outputs without noise."""
    axes = np.random.default_rng(5).normal(size=(D, K))
    random = np.random.default_rng(seed)
    x = random.normal(size=(count, D)).astype(np.float32)
    clean = x @ axes
    return x, clean + random.gumbel(size=clean.shape), clean


def test_one_label_of_sixteen_is_as_right_as_logistic_regression():
    x, outputs, _ = rows(320)
    test_texts, truth, _ = rows(300, 1)
    labels = outputs.argmax(axis=1)
    labels[:K] = np.arange(K)
    model = QuantumHeadClassifier(random_state=0, settings={**SMALL, "train.ridge_c": 1.0})
    model.fit(x, labels)
    linear = LogisticRegression(max_iter=1000).fit(x, labels)
    network = model._load_network()
    assert (network.head.registers, len(network.quantum_encoders.encoders)) == (2, 18)
    right = truth.argmax(axis=1)
    assert model.score(test_texts, right) > linear.score(test_texts, right) - 0.05


@pytest.mark.parametrize(
    ("labels", "settings", "rate"),
    [
        (12, {}, 3e-3),
        (13, {}, 1e-3),
        (13, {"train.register_lr": 1e-2}, 3e-3),
        (13, {"train.lr": 5e-4}, 5e-4),
        (13, {"model.start": "linear"}, 3e-3),
    ],
)
def test_several_registers_have_a_largest_learning_rate(labels, settings, rate):
    x = torch.randn(4 * labels, D, generator=torch.Generator().manual_seed(0)).numpy()
    examples = Examples.from_arrays(x, np.tile(np.arange(labels), 4))
    shape = {"model.components": D, **SMALL, "train.epochs": 1, "train.ridge_c": 1.0}
    config = load_preset("sines").config(shape | {"train.lr": 3e-3} | settings)
    rates = []
    fit(
        build_classifier(config.model, D, labels),
        examples,
        examples,
        config.train,
        0,
        on_epoch=lambda metrics: rates.append(metrics.lr),
    )
    assert rates == [rate]


def test_several_labels_and_several_targets_have_a_qubit_each():
    x, outputs, clean = rows(160)
    test_texts, _, expected = rows(80, 1)
    several = QuantumHeadClassifier(random_state=0, settings={**SMALL, "train.ridge_c": 1.0})
    several.fit(x, (clean > 2).astype(int))
    assert several._load_network().head.registers == 2
    assert ((several.predict(test_texts) == (expected > 2)).mean()) > 0.85
    regressor = QuantumHeadRegressor(random_state=0, settings={**SMALL, "train.ridge_c": 10.0})
    regressor.fit(x, outputs)
    assert regressor._load_network().head.registers == 2
    ridge = RidgeCV().fit(x, outputs)
    assert regressor.score(test_texts, expected) > ridge.score(test_texts, expected) - 0.1


def test_training_with_shots_and_noise_draws_for_every_register():
    x, outputs, _ = rows(64)
    labels = outputs.argmax(axis=1)
    labels[:K] = np.arange(K)
    settings = {
        **SMALL,
        "train.epochs": 1,
        "train.ridge_c": 1.0,
        "noise.shots": 400,
        "noise.gates": "explicit",
        "noise.one_qubit_rate": 0.01,
        "noise.two_qubit_rate": 0.02,
    }
    fits = [
        QuantumHeadClassifier(random_state=0, settings=settings).fit(x, labels) for _ in range(2)
    ]
    exact = QuantumHeadClassifier(
        random_state=0, settings={**SMALL, "train.epochs": 1, "train.ridge_c": 1.0}
    ).fit(x, labels)
    decisions = [fit.decision_function(x) for fit in fits]
    assert np.array_equal(*decisions)
    assert not np.allclose(decisions[0], exact.decision_function(x))


def test_setfit_holds_a_head_of_several_registers():
    pytest.importorskip("setfit")
    from qllmft_doors.setfit import QuantumSetFitHead

    settings = {
        "model.n_qubits": 4,
        "model.registers": 2,
        "model.encoder_qubits": 4,
        "model.encoder_layers": 2,
    }
    head = QuantumSetFitHead(D, 3, settings={**settings, "model.n_encoders": 1}, device="cpu")
    (quantum,) = [part for part in head.modules() if type(part).__name__ == "QuantumHead"]
    assert quantum.registers == 2
    x = torch.randn(5, D)
    copy = QuantumSetFitHead(D, 3, settings={**settings, "model.n_encoders": 1}, device="cpu")
    copy.load_state_dict(head.state_dict())
    assert torch.equal(head.eval().predict_proba(x), copy.eval().predict_proba(x))


@pytest.mark.parametrize(("labels", "told"), [(3, True), (13, False)])
def test_a_learning_rate_of_registers_that_has_no_effect_is_told(labels, told):
    class Rows(list):
        labels: np.ndarray

    train = Rows(range(2 * labels))
    train.labels = np.tile(np.arange(labels), 2)
    messages = []
    setup = SimpleNamespace(
        config=load_preset("sines").config({"train.register_lr": 1e-2, "baselines.names": []}),
        corpus=Corpus("made", tuple(f"label {i}" for i in range(labels)), {}),
        splits=SimpleNamespace(train=train),
        message=messages.append,
    )
    report_choices(setup)
    assert any("train.register_lr has no effect" in message for message in messages) == told
