"""`QuantumHeadClassifier`: scikit-learn's own checks, its tools around it, and its numbers by another route."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from qllmft.config import ModelConfig, TrainConfig
from qllmft.errors import UserError
from qllmft.heads import build_classifier
from qllmft.sklearn import QuantumHeadClassifier
from qllmft.training import Examples, fit, logits_of
from qllmft_backends import BackendError

SMALL = {"model.n_qubits": 4, "model.encoder_qubits": 5, "model.encoder_layers": 4, "train.lr": 0.03}
STRUCTURE = ModelConfig(n_qubits=4, n_encoders=2, encoder_qubits=5, encoder_layers=4, pad="bias")


def small(**parameters):
    return QuantumHeadClassifier(**({"settings": SMALL, "epochs": 3, "random_state": 0} | parameters))


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), PolynomialFeatures(1)).fit_transform(x), y


# none of the checks is expected to fail
@parametrize_with_checks([small(epochs=20)], expected_failed_checks=lambda _: {})
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_numbers_are_those_of_the_training_loop(iris):
    x, y = iris
    words = np.array(["setosa", "versicolor", "virginica"])
    model = small().fit(x, words[y])
    network = build_classifier(STRUCTURE, 5, 3, seed=0)
    config = TrainConfig(epochs=3, lr=0.03, schedule="cosine", embedding_noise=0.08, select="last")
    rows = Examples.from_arrays(x.astype(np.float32), y)
    fit(network, rows, rows, config, 0)
    with torch.no_grad():
        logits = logits_of(network, rows.x)
    np.testing.assert_allclose(model.decision_function(x), logits, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), logits.softmax(dim=1), atol=1e-5)
    assert model.predict(x).tolist() == words[logits.argmax(dim=1)].tolist()
    assert model.n_parameters_ == network.n_parameters
    assert len(model.loss_curve_) == model.best_epoch_ == 3


def test_a_pipeline_is_searched_by_two_processes(iris):
    x, y = iris
    pipeline = make_pipeline(StandardScaler(), small(epochs=20))
    search = GridSearchCV(pipeline, {"quantumheadclassifier__epochs": [1, 20]}, cv=2, n_jobs=2).fit(x, y)
    assert search.best_params_ == {"quantumheadclassifier__epochs": 20}
    scores = cross_val_score(clone(search.best_estimator_), x, y, cv=2)
    assert scores.mean() == pytest.approx(search.best_score_), "the same numbers in this process"
    assert scores.mean() > 0.8


def test_a_pickle_holds_arrays_and_gives_the_same_bits(iris):
    x, y = iris
    model = small().fit(x, y)
    content = pickle.dumps(model)
    assert b"torch" not in content
    assert all(isinstance(weights, np.ndarray) for weights in model.weights_.values())
    again = pickle.loads(content)
    assert again.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()


def test_a_random_state_is_a_fit(iris):
    first, again, other = (small(random_state=seed).fit(*iris).loss_curve_ for seed in (1, 1, 2))
    assert first == again != other


def test_names_of_columns_are_kept_and_compared(iris):
    frame = pd.DataFrame(iris[0], columns=list("abcde"))
    model = small(epochs=1).fit(frame, iris[1])
    assert model.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize(
    ("preset", "settings", "columns", "qubits"),
    [
        ("recommended", SMALL, 2, 5),
        ("recommended", {"model.n_encoders": 1, "model.encoder_layers": 1}, 1023, 10),
        ("recommended", {"model.n_encoders": 1, "model.encoder_layers": 1}, 1024, 11),  # one more for the constant
        ("single-10q", ["model.n_qubits=3", "model.encoder_layers=1"], 8, None),
        ("single-10q", ["model.n_qubits=3", "model.encoder_layers=1"], 9, 4),
        ("nn-head-0", None, 2000, None),
    ],
)
def test_encoders_have_the_qubits_that_the_rows_need(preset, settings, columns, qubits):
    x = np.random.default_rng(0).normal(size=(8, columns))
    model = small(preset=preset, settings=settings, epochs=1, validation_fraction=0.5).fit(x, [0, 1] * 4)
    assert model.structure_["encoder_qubits"] == qubits
    assert np.isfinite(model.decision_function(x)).all()


def test_the_epoch_is_chosen_on_a_share_of_the_rows(iris):
    chosen = {**SMALL, "train.select": "accuracy"}
    model = small(settings=chosen, epochs=15, validation_fraction=0.3).fit(*iris)
    assert 1 <= model.best_epoch_ <= 15
    assert model.loss_curve_ != small(epochs=15).fit(*iris).loss_curve_, "it trains on fewer rows"
    with pytest.warns(UserWarning, match="4 samples of 2 classes are too few .* the last epoch is kept"):
        model = small(settings=chosen).fit(iris[0][48:52], iris[1][48:52])
    assert model.best_epoch_ == 3


def test_a_line_is_printed_at_every_tenth_of_the_epochs(iris, capsys):
    small(epochs=20, verbose=True).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("epoch 20/20  loss ")
    assert "training" in lines[-1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"settings": {"data.source": "x", "seed": 1}}, "settings holds data.source, seed; expected settings of model"),
        ({"settings": "model.reuploads=6"}, "settings is the text .*; expected a dict, or a list"),
        ({"settings": ["reuploads"]}, "settings got 'reuploads', expected NAME=VALUE"),
        ({"settings": SMALL | {"model.encoder_qubits": 2}}, "embedding has 5 values and a constant .*; 2 encoder"),
        ({"preset": "unfrozen-single-10q"}, "has a body that learns, .* Choose another preset"),
        ({"validation_fraction": 2, "settings": SMALL | {"train.select": "accuracy"}}, "validation_fraction is 2; exp"),
        ({"epochs": 0}, "train.epochs .got 0.: "),
        ({"backend": "no such"}, "no such"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_fit(iris, parameters, message):
    with pytest.raises((UserError, BackendError), match=message):
        small(**parameters).fit(*iris)


def test_weights_of_rows_are_refused(iris):
    with pytest.raises(TypeError, match="sample_weight"):
        small().fit(*iris, sample_weight=np.ones(150))
