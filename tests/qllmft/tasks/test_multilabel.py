"""Several labels per text: scores, loss, thresholds, tables, baselines, estimators and SetFit, by a second route."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix
from sklearn.datasets import make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, hamming_loss
from sklearn.svm import SVC

from qllmft.baselines import BASELINES
from qllmft.config import DataConfig, ModelConfig, TrainConfig, parse_config
from qllmft.config.presets import load_preset
from qllmft.data import corpus_in_memory, split_corpus
from qllmft.heads import build_classifier
from qllmft.tasks import MULTILABEL
from qllmft.tasks.accuracy import DiscordantTexts
from qllmft.tasks.multilabel import LabelSetScores, _score_samples, best_thresholds
from qllmft.tasks.statistics import resampled_rows
from qllmft.training import Examples, compute_logits, fit
from qllmft.training.step import DirectStep, TrainingStep
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadClassifier, QuantumTextClassifier

SMALL = {
    "model.n_qubits": 4,
    "model.encoder_qubits": 4,
    "model.encoder_layers": 3,
    "train.lr": 0.03,
}
STRUCTURE = ModelConfig(n_qubits=4, n_encoders=2, encoder_qubits=4, encoder_layers=3, pad="bias")


@pytest.fixture(scope="module")
def rows():
    """Vectors (60, 6) of length 1 with three labels each, from scikit-learn."""
    x, y = make_multilabel_classification(60, 6, n_classes=3, n_labels=2, random_state=2)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return Examples.from_arrays(x.astype(np.float32), y.astype(np.int64))


def test_the_scores_are_scikit_learns():
    random = np.random.default_rng(0)
    y = (random.random((90, 4)) < 0.3).astype(np.int64)
    leads = np.round(0.4 * y + 0.4 * random.normal(size=y.shape) - 0.2, 1)  # with ties
    scores = LabelSetScores.from_answers(y, leads)
    answers = leads >= 0
    assert scores.macro_f1 == pytest.approx(f1_score(y, answers, average="macro"))
    assert scores.micro_f1 == pytest.approx(f1_score(y, answers, average="micro"))
    assert scores.average_precision == pytest.approx(average_precision_score(y, leads))
    assert scores.subset_accuracy == pytest.approx(accuracy_score(y, answers))
    assert scores.hamming_loss == pytest.approx(hamming_loss(y, answers))
    assert [label.f1 for label in scores.by_label] == pytest.approx(
        f1_score(y, answers, average=None)
    )
    precisions = average_precision_score(y, leads, average=None)
    assert [label.average_precision for label in scores.by_label] == pytest.approx(precisions)


def test_the_scores_of_drawn_texts_are_scikit_learns_with_their_numbers_as_weights():
    random = np.random.default_rng(0)
    y = (random.random((60, 3)) < 0.4).astype(np.int64)
    leads = np.round(0.4 * y + 0.4 * random.normal(size=y.shape) - 0.2, 1)
    samples = list(resampled_rows(60))
    counts = np.stack([np.bincount(rows, minlength=60) for rows in samples[:5]]).astype(np.int32)
    sample_scores = _score_samples(counts, y, leads, leads)
    answers = leads >= 0
    for row, n in zip(sample_scores, counts, strict=True):
        assert row.tolist() == pytest.approx(
            [
                f1_score(y, answers, average="macro", sample_weight=n),
                f1_score(y, answers, average="micro", sample_weight=n),
                average_precision_score(y, leads, sample_weight=n),
                accuracy_score(y, answers, sample_weight=n),
                hamming_loss(y, answers, sample_weight=n),
            ]
        )
    right = [(answers == y)[rows].all(axis=1).mean() for rows in samples]
    ends = np.quantile(right, [0.025, 0.975])
    assert LabelSetScores.from_answers(y, leads).subset_accuracy_interval == pytest.approx(ends)


def test_a_label_without_texts_counts_only_if_it_is_given():
    y = np.array([[1, 0], [0, 0], [1, 0]])
    leads = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, -1.0]])
    assert LabelSetScores.from_answers(y, leads).macro_f1 == 0.5
    scores = LabelSetScores.from_answers(y, leads + np.array([[0.0, 2.0]]))
    assert scores.macro_f1 == 0.25
    assert scores.by_label[1].average_precision is None


@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 1.5, 60, dtype=torch.float64)])
def test_the_direct_step_is_autograds_and_the_loss_that_of_a_formula(rows, weight):
    steps = []
    for kind in (TrainingStep, DirectStep):
        model = build_classifier(STRUCTURE, 6, 3, seed=1)
        p = 1.0 / (1.0 + np.exp(-compute_logits(model, rows.x).double().numpy()))
        step = kind(model, MULTILABEL)
        loss = step.gradient(step.inputs(rows.x), rows.y, weight)
        steps.append((loss, np.concatenate([q.grad.numpy().ravel() for q in step.parameters()])))
        step.release()
    y = rows.y.numpy()
    share = 1.0 if weight is None else weight.numpy()[:, None]
    by_hand = -(share * (y * np.log(p) + (1 - y) * np.log(1 - p))).mean()
    assert steps[0][0] == pytest.approx(by_hand, abs=1e-6)
    assert steps[1][0] == pytest.approx(by_hand, abs=1e-6)
    np.testing.assert_allclose(steps[0][1], steps[1][1], atol=1e-6)


def test_thresholds_have_the_highest_f1_of_all():
    random = np.random.default_rng(0)
    y = (random.random((50, 3)) < 0.3).astype(np.int64)
    scores = np.clip(0.2 * y + 0.3 * random.random((50, 3)), 0, 1)
    thresholds = best_thresholds(scores, y, 0.5)
    for i in range(3):
        tried = [0.5, *scores[:, i] - 1e-9]
        best = max(
            f1_score(y[:, i], scores[:, i] >= threshold, zero_division=0) for threshold in tried
        )
        assert f1_score(y[:, i], scores[:, i] >= thresholds[i]) == pytest.approx(best)
    assert best_thresholds(scores, np.zeros_like(y), 0.5).tolist() == [0.5] * 3
    low = np.array([[0.1], [0.2], [0.4], [0.45]])
    assert best_thresholds(low, np.array([[0], [1], [1], [1]]), 0.5).tolist() == pytest.approx(
        [0.15]
    )


def test_a_threshold_may_give_every_text_a_frequent_label():
    random = np.random.default_rng(1)
    y = (random.random((60, 1)) < 0.9).astype(np.int64)
    scores = 0.05 + 0.4 * random.random((60, 1))  # which do not tell texts apart
    threshold = best_thresholds(scores, y, 0.5)
    assert (scores >= threshold).all()
    best = max(f1_score(y, scores >= score) for score in scores.ravel())
    assert f1_score(y, scores >= threshold) == pytest.approx(best)


def test_baselines_are_scikit_learns_best_on_validation(rows):
    train = rows.take(np.arange(40))
    validation = rows.take(np.arange(40, 60))
    config = parse_config(
        {"data": {"task": "multilabel"}, "baselines": {"grid": "small", "names": []}}, "the test"
    ).model_copy(update={"train": TrainConfig(thresholds="validation")})
    makes = {
        "logistic_regression_ovr": lambda s: LogisticRegression(**s),
        "svc_ovr": lambda s: SVC(kernel="rbf", **s),
    }
    for name, make in makes.items():
        head = BASELINES[name].make(config, 0, 6, 3)
        head.fit(train, validation)
        thresholds = head.settings["thresholds"]
        settings = {key: value for key, value in head.settings.items() if key != "thresholds"}
        estimators = [make(settings).fit(train.x.numpy(), column) for column in train.y.numpy().T]
        scores = [
            estimator.predict_proba(validation.x.numpy())[:, 1]
            if name[0] == "l"
            else estimator.decision_function(validation.x.numpy())
            for estimator in estimators
        ]
        np.testing.assert_allclose(
            head.predict(validation.x.numpy()), np.stack(scores, axis=1) - thresholds, atol=1e-9
        )
        sizes = [
            estimator.coef_.size + 1 if name[0] == "l" else len(estimator.support_)
            for estimator in estimators
        ]
        assert head.n_parameters == sum(sizes)


TEXTS = [f"text {i}" for i in range(40)]
LISTS = [["a"], ["b", "a"], [], ["c"]] * 10


COLUMNS = {name: [name in labels for labels in LISTS] for name in "abc"}


@pytest.mark.parametrize(
    ("data", "settings"),
    [
        ({"label": LISTS}, {}),
        ({"label": [np.array(labels, dtype=object) for labels in LISTS]}, {}),
        ({"label": [" ; ".join(labels) for labels in LISTS]}, {"label_separator": ";"}),
        ({name: [str(int(x)) for x in flags] for name, flags in COLUMNS.items()}, {"label_column": ["a", "b", "c"]}),
        (COLUMNS, {"label_column": ["a", "b", "c"]}),
    ],
)  # fmt: skip
def test_lists_separators_and_columns_are_the_same_labels(data, settings):
    config = DataConfig(task="multilabel", **settings)
    corpus = corpus_in_memory(pd.DataFrame({"text": TEXTS} | data), config)
    assert corpus.label_names == ("a", "b", "c")
    splits = split_corpus(corpus, config, 0)
    assert splits.sizes == {"train": 23, "validation": 5, "test": 12}
    for part in splits.tables.values():
        expected = [[int(name in LISTS[int(text[5:])]) for name in "abc"] for text in part.texts]
        assert part.labels.tolist() == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ([[]] * 40, "every list of labels is empty"),
        ([["a"]] * 40, "'a' is the only label, expected two or more"),
        (["a,b"] * 40, "row 1: the labels are 'a,b', expected a list. Name the character between"),
        ([["a"], None] * 20, "of 40 rows 20 have no text or no label"),
        ([["a"], ["a", ""]] * 20, "row 2: a label is '', expected 1 to 200 characters"),
        ([["a", "b"]] * 40, "all of the 23 training texts have the label 'a', and 0 of the other texts do not"),
    ],
)  # fmt: skip
def test_lists_that_are_no_labels_are_refused(column, message):
    config = DataConfig(task="multilabel")
    with pytest.raises(UserError, match=message):
        split_corpus(corpus_in_memory((TEXTS, column), config), config, 0)


FLAGS = {"text": TEXTS, "a": [0, 1] * 20}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (
            {"train": FLAGS | {"b": [1, "yes"] * 20}},
            r"row 2: 'b' is 'yes', expected 0 or 1. Are the columns in data.label_column",
        ),
        (
            {"train": FLAGS | {"a": [0] * 40, "b": [0] * 40}},
            "no text has any of the labels a, b",
        ),
        (
            {
                "train": FLAGS | {"b": [0] * 40},
                "test": FLAGS | {"text": ["t"] * 40, "b": [1] * 40},
            },
            "none of the 34 training texts have the label 'b', and 40 of the other texts have",
        ),
    ],
)
def test_columns_and_splits_that_are_no_labels_are_refused(splits, message):
    config = DataConfig(task="multilabel", label_column=("a", "b"), protocol="given")
    tables = {name: pd.DataFrame(columns) for name, columns in splits.items()}
    with pytest.raises(UserError, match=message):
        split_corpus(corpus_in_memory(tables, config), config, 0)


@pytest.mark.parametrize(
    ("settings", "angle"),
    [
        ({}, None),
        ({"data.task": "regression"}, None),
        ({"data.task": "multilabel"}, 0.2),
        ({"data.task": "multilabel", "train.start_angle": 0.4}, 0.4),
        ({"data.task": "multilabel", "train.start_angle": None}, None),
        ({"data.task": "multilabel", "model.start": "random"}, None),
        ({"data.task": "multilabel", "model.main_layers": 2}, None),
    ],
)
def test_the_default_head_starts_at_smaller_angles_for_several_labels(settings, angle):
    config = load_preset("sines").config(settings)
    assert config.train.start_angle == angle
    unset = load_preset("sines").config(settings | {"train.start_angle": None})
    assert (config.identity == unset.identity) == (angle is None)


def test_a_preset_has_baselines_of_several_labels():
    config = load_preset("sines").config({"data.task": "multilabel"})
    assert config.baselines.names == (
        "logistic_regression_ovr",
        "svc_ovr",
        "mlp",
        "tfidf",
    )


def test_the_estimator_takes_several_labels_as_scikit_learn_has_them(rows):
    x = rows.x.numpy()
    y = rows.y.numpy()
    model = QuantumHeadClassifier(settings=SMALL, epochs=5, random_state=0).fit(x, y)
    settings = SMALL | {"train.epochs": 5, "data.task": "multilabel", "train.thresholds": "half"}
    config = load_preset("sines").config(settings)
    network = build_classifier(config.model, 6, 3, seed=0)
    fit(network, rows, rows, config.train, 0)
    logits = compute_logits(network, rows.x).double().numpy()
    np.testing.assert_allclose(model.decision_function(x), logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(x), 1 / (1 + np.exp(-logits)), rtol=1e-4)
    assert (model.predict(x) == (model.predict_proba(x) >= 0.5)).all()
    assert model.predict(x).shape == (60, 3)
    assert model.score(x, y) == accuracy_score(y, model.predict(x))
    sparse = QuantumHeadClassifier(settings=SMALL, epochs=5, random_state=0).fit(x, csr_matrix(y))
    assert sparse.predict_proba(x).tobytes() == model.predict_proba(x).tobytes()
    assert (pickle.loads(pickle.dumps(model)).predict(x) == model.predict(x)).all()
    single = QuantumHeadClassifier(settings=SMALL, epochs=1, random_state=0).fit(x, y[:, 0])
    assert single.predict(x).shape == (60,)


def test_the_estimator_refuses_what_is_no_table_of_labels(rows, tiny_body):
    x = rows.x.numpy()
    y = rows.y.numpy()
    model = QuantumHeadClassifier(settings=SMALL, epochs=1)
    with pytest.raises(
        ValueError,
        match=r"y has the shape \(60, 3\) and values other than 0 and 1. Expected: 0 or 1",
    ):
        model.fit(x, 2 * y)
    with pytest.raises(
        ValueError, match="class_weight is 'balanced', which weighs one label per row"
    ):
        QuantumHeadClassifier(settings=SMALL, epochs=1, class_weight="balanced").fit(x, y)
    texts = ["good film", "bad film", "good plot", "bad plot"] * 5
    labels = [[int("good" in text), int("film" in text)] for text in texts]
    settings = SMALL | {"model.encoder_qubits": 5}
    of_texts = QuantumTextClassifier(
        body=str(tiny_body), settings=settings, epochs=2, random_state=0
    )
    assert of_texts.fit(texts, labels).predict(texts[:3]).shape == (3, 2)


@pytest.mark.parametrize("differ", [0, 1, 6, 9])
def test_few_texts_with_other_labels_are_counted_in_labels_and_not_in_leads(differ):
    """Leads of two models differ at every text; the interval depends on the labels alone."""
    labels = np.random.default_rng(0).integers(0, 2, (100, 3))
    first = np.where(labels == 1, 0.3, -0.3)
    second = 0.9 * first
    second[:differ, 0] *= -1
    difference = MULTILABEL.paired_difference(labels, first, second)
    assert difference == MULTILABEL.paired_difference(labels, np.sign(first), np.sign(second))
    accuracies = DiscordantTexts(differ, 0, 100).interval
    assert difference.interval[1] - difference.interval[0] >= 0.99 * (accuracies[1] - accuracies[0])
    assert difference.p > 0.05
    assert difference.value == pytest.approx(
        MULTILABEL.value(labels, first) - MULTILABEL.value(labels, second)
    )
