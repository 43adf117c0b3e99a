"""`QuantumHeadClassifier`: scikit-learn's own checks, its tools around it, and its numbers by another route."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import parametrize_with_checks

from qllmft.config import ModelConfig, TrainConfig
from qllmft.heads import build_classifier
from qllmft.training import Examples, compute_logits, fit
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadClassifier, QuantumHeadRegressor
from qllmft_doors.sklearn.held_out_rows import split_rows

TWO_ENCODERS = {
    "model.pad": "bias",
    "noise.shots": 0,
    "train.lr_decay": "cosine",
    "train.embedding_noise": 0.08,
    "train.select": "last",
}
ONE_ENCODER = {"model.pad": "bias", "model.encoder_layers": 1}
SMALL = {
    "model.n_qubits": 4,
    "model.encoder_qubits": 5,
    "model.encoder_layers": 4,
    "train.lr": 0.03,
    **TWO_ENCODERS,
}
STRUCTURE = ModelConfig(n_qubits=4, n_encoders=2, encoder_qubits=5, encoder_layers=4, pad="bias")


def small(**parameters):
    defaults = {"preset": "multi-10q", "settings": SMALL, "epochs": 3, "random_state": 0}
    return QuantumHeadClassifier(**(defaults | parameters))


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    return make_pipeline(StandardScaler(), PolynomialFeatures(1)).fit_transform(x), y


# a weight of 2 and two copies of a row are different batches; on all rows at once they are the
# same, see below
BATCHES = {
    f"check_sample_weight_equivalence_on_{kind}_data": "training takes batches in random order"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks([small(epochs=4)], expected_failed_checks=lambda _: BATCHES)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_numbers_are_those_of_the_training_loop(iris):
    x, y = iris
    words = np.array(["setosa", "versicolor", "virginica"])
    model = small().fit(x, words[y])
    network = build_classifier(STRUCTURE, 5, 3, seed=0)
    config = TrainConfig(epochs=3, lr=0.03, lr_decay="cosine", embedding_noise=0.08, select="last")
    rows = Examples.from_arrays(x.astype(np.float32), y)
    fit(network, rows, rows, config, 0)
    with torch.no_grad():
        logits = compute_logits(network, rows.x)
    np.testing.assert_allclose(model.decision_function(x), logits, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), logits.softmax(dim=1), atol=1e-5)
    assert model.predict(x).tolist() == words[logits.argmax(dim=1)].tolist()
    assert model.n_parameters_ == network.n_parameters
    assert len(model.loss_curve_) == model.best_epoch_ == 3


def test_a_pipeline_is_searched_by_two_processes(iris):
    x, y = iris
    pipeline = make_pipeline(StandardScaler(), small(epochs=20))
    grid = {"quantumheadclassifier__epochs": [1, 20]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(x, y)
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
    unpickled = pickle.loads(content)
    assert unpickled.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()


def test_a_random_state_is_a_fit(iris):
    first, repetition, other_seed = (
        small(random_state=seed).fit(*iris).loss_curve_ for seed in (1, 1, 2)
    )
    assert first == repetition != other_seed


def test_names_of_columns_are_kept_and_compared(iris):
    frame = pd.DataFrame(iris[0], columns=list("abcde"))
    model = small(epochs=1).fit(frame, iris[1])
    assert model.feature_names_in_.tolist() == list("abcde")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"a": "z"}))


@pytest.mark.parametrize(
    ("preset", "settings", "columns", "qubits"),
    [
        ("multi-10q", SMALL, 2, 5),
        ("single-10q", ONE_ENCODER, 1023, None),
        # one more for the constant
        ("single-10q", ONE_ENCODER, 1024, 11),
        ("single-10q", ["model.n_qubits=3", "model.encoder_layers=1"], 8, None),
        ("single-10q", ["model.n_qubits=3", "model.encoder_layers=1"], 9, 4),
        ("nn-head-0", None, 2000, None),
    ],
)
def test_encoders_have_the_qubits_that_the_rows_need(preset, settings, columns, qubits):
    x = np.random.default_rng(0).normal(size=(8, columns))
    model = small(preset=preset, settings=settings, epochs=1).fit(x, [0, 1] * 4)
    assert model.structure_["encoder_qubits"] == qubits
    assert np.isfinite(model.decision_function(x)).all()


def test_the_epoch_is_chosen_on_a_share_of_the_rows(iris):
    settings = {**SMALL, "train.select": "accuracy"}
    model = small(settings=settings, epochs=15, validation_fraction=0.3).fit(*iris)
    assert 1 <= model.best_epoch_ <= 15
    assert model.loss_curve_ != small(epochs=15).fit(*iris).loss_curve_, "it trains on fewer rows"
    with pytest.warns(
        UserWarning, match="4 samples of 2 classes are too few .* last epoch is kept"
    ):
        model = small(settings=settings).fit(iris[0][48:52], iris[1][48:52])
    assert model.best_epoch_ == 3


@pytest.mark.parametrize("select", ["accuracy", "last"])
def test_calibrated_logits_are_divided_by_the_temperature_of_the_held_out_rows(iris, select):
    x, y = iris
    settings = {**SMALL, "train.select": select}
    calibrated = settings | {"train.calibration": "temperature"}
    model = small(settings=calibrated, validation_fraction=0.3).fit(x, y)
    config = TrainConfig(select=select, calibration="temperature")
    train, held_out, _ = split_rows(len(x), y, model.validation_fraction, config, 0)
    assert len(held_out) == 45
    if select == "accuracy":
        plain = small(settings=settings, validation_fraction=0.3).fit(x, y)
    else:
        plain = small(settings=settings).fit(x[train], y[train])
    logits = plain._outputs(x)
    divisors = logits / model._outputs(x)
    losses = {
        t: -np.log(softmax(logits[held_out] / t, axis=1)[range(45), y[held_out]]).mean()
        for t in np.geomspace(0.05, 20, 4001)
    }
    np.testing.assert_allclose(divisors, min(losses, key=losses.get), rtol=2e-3)
    expected = softmax(logits / divisors, axis=1)
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-9)
    with pytest.raises(UserError, match="4 samples of 3 classes are too few to calibrate"):
        model.fit(x[[0, 60, 120, 121]], y[[0, 60, 120, 121]])


def test_a_line_is_printed_at_every_tenth_of_the_epochs(iris, capsys):
    small(epochs=20, verbose=True).fit(*iris)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("epoch 20/20  loss ")
    assert "training" in lines[-1]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"settings": {"data.source": "x", "seed": 1}}, "settings holds data.source, seed, expected "),
        ({"settings": "model.reuploads=6"}, "settings is 'model.* expected a dict, or a list"),
        ({"settings": 5}, "settings is 5, expected a dict, or a list"),
        ({"settings": [1]}, r"settings is \[1\], expected a dict, or a list"),
        ({"settings": {1: 2}}, "settings has the name 1, expected texts such as 'train.lr'"),
        (
            {"settings": {"train.lr": 0.1, "train": {"lr": 0.2}}},
            "settings has train.lr twice, .* Leave one out",
        ),
        ({"preset": 3}, "preset is 3, expected a name, such as 'sines'"),
        ({"settings": ["reuploads"]}, "settings got 'reuploads', expected NAME=VALUE"),
        ({"settings": SMALL | {"model.encoder_qubits": 2}}, "5 values and a constant .*, and 2 encoder"),
        ({"preset": "unfrozen-single-10q"}, "has a language model that learns, .* Choose another preset"),
        ({"validation_fraction": 2}, "validation_fraction is 2, exp"),
        ({"epochs": 0}, "train.epochs .got 0.: "),
        ({"backend": "no such"}, "no such"),
        (
            {"settings": SMALL | {"train.class_weight": "balanced"}, "class_weight": "balanced"},
            r"and settings has train\.class_weight 'balanced', expected",
        ),
        *(
            ({"class_weight": {0: weight}}, r"class_weight is .*, expected finite numbers from 0")
            for weight in (-1.0, np.nan, np.inf)
        ),
    ],
)  # fmt: skip
def test_parameters_that_do_not_fit_are_refused_by_fit(iris, parameters, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).fit(*iris)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            (
                {"y": np.array(labels * 75, dtype=object)},
                r"y has labels of the types .*, expected one type",
            )
            for labels in (["x", 1], [1, "x"], [True, "x"])
        ),
        ({"sample_weight": [-1.0] * 150}, "sample_weight has -1, expected no"),
        ({"sample_weight": [0] * 150}, "at least one non-zero"),
    ],
)
def test_labels_and_weights_that_make_no_sense_are_refused(iris, changes, message):
    with pytest.raises(ValueError, match=message):
        small().fit(**{"X": iris[0], "y": iris[1]} | changes)


ODD = {"model.encoder_qubits": 3, "model.encoder_layers": 6, "model.components": 4}


def test_settings_by_section_keep_the_other_settings_of_the_preset(iris):
    x, y = iris
    by_section = {"model": {"n_qubits": 4}, "train": {"lr": 0.01}}
    dotted = {"model.n_qubits": 4, "train.lr": 0.01}
    fits = [
        QuantumHeadClassifier(settings=settings, epochs=2, random_state=0).fit(x, y)
        for settings in (by_section, dotted)
    ]
    assert fits[0].structure_ == fits[1].structure_
    assert fits[0].structure_["pad"] == "constant"  # of the preset
    np.testing.assert_array_equal(fits[0].predict_proba(x), fits[1].predict_proba(x))


def test_a_share_of_the_rows_may_be_a_number_of_numpy(iris):
    x, y = iris
    settings = {**SMALL, "train.select": "accuracy"}
    fits = [
        small(settings=settings, validation_fraction=share).fit(x, y).weights_
        for share in (0.25, np.float32(0.25))
    ]
    for name, weights in fits[0].items():
        np.testing.assert_array_equal(weights, fits[1][name])


def test_weights_on_all_rows_at_once_are_copies_of_the_rows(iris):
    x = iris[0][::3]
    y = iris[1][::3]
    counts = np.arange(50) % 3
    settings = ODD | {"model.components": None}
    odd = {"preset": "odd", "settings": settings, "epochs": 200}
    weighted = small(**odd).fit(x, y, sample_weight=counts).predict_proba(x)
    copied = small(**odd).fit(x.repeat(counts, axis=0), y.repeat(counts)).predict_proba(x)
    np.testing.assert_allclose(weighted, copied, atol=2e-3)
    assert np.abs(weighted - small(**odd).fit(x, y).predict_proba(x)).max() > 0.01


def test_balanced_classes_are_the_weights_that_scikit_learn_computes(iris):
    x = iris[0][30:]
    y = iris[1][30:]
    weights = compute_sample_weight("balanced", y)
    balanced = small(class_weight="balanced").fit(x, y)
    assert balanced.loss_curve_ == small().fit(x, y, sample_weight=weights).loss_curve_
    class_weights = {c: weights[y == c][0] for c in set(y)}
    assert balanced.loss_curve_ == small(class_weight=class_weights).fit(x, y).loss_curve_
    by_setting = small(settings=SMALL | {"train.class_weight": "balanced"}).fit(x, y)
    np.testing.assert_allclose(by_setting.loss_curve_, balanced.loss_curve_, rtol=1e-6)
    assert balanced.loss_curve_ != small().fit(x, y).loss_curve_


def test_a_fit_goes_on_from_the_last_one(iris):
    model = small(warm_start=True, epochs=20)
    first = model.fit(*iris).loss_curve_
    assert model.fit(*iris).loss_curve_[0] < 0.8 * first[0]
    with pytest.raises(ValueError, match="warm_start is True, and the last fit had weights of the"):
        model.fit(iris[0], iris[1] > 0)


def test_parts_of_the_rows_are_learned_one_after_another(iris):
    x, y = iris
    order = np.random.default_rng(0).permutation(150)
    model = small()
    for _ in range(8):
        for rows in np.array_split(order, 3):
            model = pickle.loads(pickle.dumps(model))
            model.partial_fit(x[rows], y[rows], classes=[0, 1, 2])
    assert model.score(x, y) > 0.85
    assert model.n_iter_ == len(model.loss_curve_) == 24
    assert model.moments_[0]["step"] == 24 * -(-50 // 16), "Adam goes on"


def test_parts_without_a_preset_train_the_default_head_without_principal_axes(iris):
    x, y = iris
    model = QuantumHeadClassifier(random_state=0)
    for _ in range(10):
        model.partial_fit(x, y, classes=[0, 1, 2])
    assert model.score(x, y) > 0.9
    assert model.structure_["start"] == "sines"
    assert model.structure_["components"] is None
    without_axes = QuantumHeadClassifier(settings=SMALL | {"model.odd": False}, random_state=0)
    without_axes.partial_fit(x, y, classes=[0, 1, 2])
    assert not without_axes.structure_["odd"]
    assert without_axes.structure_["readout"] != "latent"


@pytest.mark.parametrize(
    ("parameters", "labels", "classes", "message"),
    [
        ({}, [0, 1], None, "classes must be passed on the first call"),
        ({}, [0, 3], [0, 1], "y has the labels .3., and classes are .0, 1.. Name all"),
        ({"class_weight": "balanced"}, [0, 1], [0, 1], "counts all labels, and partial_fit sees a "),
        ({"preset": "odd", "settings": None}, [0, 1], [0, 1], "is trained by L-BFGS, .* with Adam"),
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_refused(iris, parameters, labels, classes, message):
    with pytest.raises(ValueError, match=message):
        small(**parameters).partial_fit(iris[0][:2], labels, classes)


def test_a_threshold_of_scikit_learn_moves_the_answers(iris):
    x = iris[0][50:]
    y = iris[1][50:]
    model = FixedThresholdClassifier(small(epochs=20), threshold=0.9, pos_label=2).fit(x, y)
    p = model.estimator_.predict_proba(x)[:, 1]
    assert model.predict(x).tolist() == np.where(p >= 0.9, 2, 1).tolist()


def test_a_threshold_and_a_margin_of_its_own_give_the_same_answers_as_their_rules(iris):
    x = iris[0][50:]
    y = np.where(iris[1][50:] == 2, "yes", "no")
    model = small(epochs=20).fit(x, y)
    p = model.predict_proba(x)[:, 1]
    answers = np.where(p >= 0.7, "yes", "no")
    assert model.set_params(threshold=0.7).predict(x).tolist() == answers.tolist()
    unsure = abs(p - 0.7) / 0.7 < 0.3
    model.set_params(margin=0.3, unsure_label="unknown")
    assert model.predict(x).tolist() == np.where(unsure, "unknown", answers).tolist()
    lead = abs(2 * p - 1)
    best = np.where(p >= 0.5, "yes", "no")
    mixed = clone(model).set_params(threshold=None, unsure_label=-1).fit(x, y).predict(x)
    assert mixed.tolist() == [-1 if a < 0.3 else b for a, b in zip(lead, best, strict=True)]
    assert 0 < sum(lead < 0.3) < len(lead)


def test_a_threshold_is_that_of_each_of_several_labels(iris):
    several = np.stack([iris[1] == 0, iris[1] > 0], axis=1).astype(int)
    model = small(threshold=0.6).fit(iris[0], several)
    assert np.array_equal(model.predict(iris[0]), model.predict_proba(iris[0]) >= 0.6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": 0.7}, "the model has 3 labels, and a threshold is for two"),
        ({"margin": 0.2}, "margin is 0.2 and unsure_label is None. Give the label of rows without"),
        ({"margin": 1.5, "unsure_label": -1}, "the margin is 1.5, expected a difference"),
    ],
)
def test_a_rule_that_does_not_fit_the_classes_is_refused(iris, parameters, message):
    model = small(**parameters).fit(*iris)
    with pytest.raises(UserError, match=message):
        model.predict(iris[0])


def test_targets_too_large_for_their_squares_are_refused(iris):
    with pytest.raises(
        UserError, match=r"y has the target 1e\+200, expected numbers of at most 1e\+15"
    ):
        QuantumHeadRegressor(settings=SMALL).fit(iris[0], np.full(150, 1e200))


def test_training_ends_when_it_gets_no_better(iris):
    settings = {**SMALL, "train.select": "accuracy", "train.lr": 0.2}
    model = small(settings=settings, epochs=60, patience=3).fit(*iris)
    assert model.n_iter_ == min(60, model.best_epoch_ + 3) < 60


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (lambda m: m.weights_.pop("final.bias"), r"has final\.bias of the shape None, expected \(3,\)"),
        (lambda m: m.weights_.update(more=np.ones(3)), r"has more of the shape \(3,\), expected None"),
        (lambda m: m.weights_.update({"final.weight": np.ones((4, 3))}), r"shape \(4, 3\), expected \(3, 4\)"),
        (lambda m: m.weights_.update({"final.bias": "text"}), "of the type str, expected an array of numbers"),
        (lambda m: m.weights_.update({"final.bias": np.array([None] * 3)}), "of the type object, expected an array"),
        (lambda m: setattr(m, "weights_", None), "weights_ is NoneType, expected arrays by name"),
        (lambda m: setattr(m, "n_outputs_", "3"), "n_inputs_ is 5 and n_outputs_ '3'"),
        (lambda m: m.structure_.update(n_qubits=0), "n_qubits"),
        (lambda m: m.structure_.update(main_layers=1000), r"has [\d,]+ numbers, expected 4,0\d\d or more"),
        (lambda m: m.structure_.update(main_layers=10**6), "gates, expected at most 10,000"),
    ],
    ids=["missing", "more", "shape", "text", "objects", "none", "outputs", "structure", "layers", "gates"],
)  # fmt: skip
def test_changed_attributes_are_refused_with_the_remedy(iris, changes, message):
    model = small(epochs=1).fit(*iris)
    model.__dict__.pop("_network", None)
    changes(model)
    with pytest.raises(UserError, match=rf"were changed, .*{message}.* Fit again"):
        model.predict(iris[0])
