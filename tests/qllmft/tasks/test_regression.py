"""Real targets: scores, loss, scaling, splits and both regressors, each by a second route."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from qllmft.baselines.classical import ridge_regression, support_vector_regression
from qllmft.config import DataConfig, ModelConfig, TrainConfig
from qllmft.config.presets import load_preset
from qllmft.data import corpus_in_memory, split_corpus
from qllmft.heads import build_classifier
from qllmft.tasks import REGRESSION
from qllmft.tasks.measure import LOWEST_R2, ScorePart
from qllmft.tasks.regression import TargetScores, r2
from qllmft.training import Examples, Scaling, compute_logits, fit
from qllmft.training.step import DirectStep, TrainingStep
from qllmft_base.errors import UserError
from qllmft_doors.sklearn import QuantumHeadRegressor, QuantumTextRegressor

SMALL = {
    "model.n_qubits": 4,
    "model.encoder_qubits": 4,
    "model.encoder_layers": 3,
    "train.lr": 0.03,
}
STRUCTURE = ModelConfig(n_qubits=4, n_encoders=2, encoder_qubits=4, encoder_layers=3, pad="bias")


def small(**parameters):
    return QuantumHeadRegressor(
        **({"settings": SMALL, "epochs": 3, "random_state": 0} | parameters)
    )


@pytest.fixture
def rows():
    """Texts with two targets of different units."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 6)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.stack([100 + 20 * x[:, 0], 0.01 * x[:, 1] + 0.001 * random.normal(size=60)], axis=1)
    return Examples.from_arrays(x, y)


def test_the_scores_are_scikit_learns_and_scipys():
    random = np.random.default_rng(0)
    targets = random.normal(size=(80, 2))
    values = targets + 0.5 * random.normal(size=(80, 2))
    scores = TargetScores.from_answers(targets, values)
    assert scores.r2 == pytest.approx(r2_score(targets, values))
    assert scores.mae == pytest.approx(mean_absolute_error(targets, values))
    ranks = [spearmanr(targets[:, i], values[:, i]).statistic for i in range(2)]
    assert scores.spearman == pytest.approx(np.mean(ranks))
    assert [target[2] for target in scores.by_target] == pytest.approx(ranks)
    assert TargetScores.from_answers(targets, np.zeros((80, 2))).spearman == 0


def test_a_rank_below_zero_has_the_sign_of_all_numbers():
    part = ScorePart("rank", "rank correlation", -0.25, (-0.5, 0.1))
    assert (part.plain, part.with_interval) == ("−0.25", "−0.25 [−0.5, 0.1]")


def test_r2_is_scikit_learns_with_weights_without_and_of_constant_targets():
    random = np.random.default_rng(0)
    targets = random.normal(size=(5, 30, 3))
    weights = random.random(30)
    values = targets + random.normal(size=targets.shape)
    targets[0, :, 1] = targets[0, :, 2] = values[0, :, 2] = 0.5  # constant, wrong and right
    for share in (None, weights):
        scores = [
            r2_score(y, column, sample_weight=share, multioutput="raw_values")
            for y, column in zip(targets, values, strict=True)
        ]
        # scikit-learn's of a constant target depends on how its weighted mean rounds
        scores[0][1:] = [0.0, 1.0]
        np.testing.assert_allclose(r2(targets, values, share), scores, rtol=1e-12, atol=1e-12)
    outputs = torch.from_numpy(values[1])
    y = torch.from_numpy(targets[1])
    expected = max(-1.0, r2_score(targets[1], values[1], sample_weight=weights))
    assert REGRESSION.score(outputs, y, torch.from_numpy(weights)) == pytest.approx(expected)


@pytest.mark.parametrize("target", [0.1, 0.3, 0.7, 1e5 + 0.1])
def test_r2_of_a_constant_target_does_not_depend_on_how_its_mean_rounds(target):
    targets = np.full((2, 7, 1), target)
    values = targets.copy()
    values[1] += 0.1
    assert r2(targets, values).ravel().tolist() == [1.0, 0.0]
    targets[:, 0] = 0.5  # a text that does not count
    weights = np.array([0.0] + [1.0] * 6)
    assert r2(targets, values, weights)[1] == 0.0


def test_the_interval_of_r2_is_finite_for_samples_of_equal_targets():
    targets = np.full((24, 1), 0.7)
    targets[0] = 0.3
    values = targets + np.random.default_rng(0).normal(0, 0.05, targets.shape)
    low, high = TargetScores.from_answers(targets, values).r2_interval
    assert -1 < low < high <= 1
    difference = REGRESSION.paired_difference(targets, values, targets + 0.05)
    assert max(map(abs, difference.interval)) < 2


def test_r2_is_at_least_what_a_record_holds():
    targets = np.array([[0.7], [0.7 + 1e-9]])
    assert r2(targets, targets + 1e6).tolist() == [LOWEST_R2]


def test_the_interval_of_an_error_is_that_of_its_mean():
    random = np.random.default_rng(0)
    targets = random.normal(size=(300, 1))
    values = random.normal(size=(300, 1))
    errors = np.abs(targets - values)
    half = 1.96 * errors.std(ddof=1) / np.sqrt(300)
    low, high = TargetScores.from_answers(targets, values).mae_interval
    assert (low, high) == pytest.approx(
        (errors.mean() - half, errors.mean() + half), abs=0.1 * half
    )


@pytest.mark.parametrize("weight", [None, torch.linspace(0.5, 1.5, 60, dtype=torch.float64)])
def test_the_direct_step_is_autograds(rows, weight):
    rows = Scaling.from_examples(rows).scale_targets(rows)
    steps = []
    for kind in (TrainingStep, DirectStep):
        step = kind(build_classifier(STRUCTURE, 6, 2, seed=1), REGRESSION)
        loss = step.gradient(step.inputs(rows.x), rows.y, weight)
        steps.append((loss, np.concatenate([p.grad.numpy().ravel() for p in step.parameters()])))
        step.release()
    assert steps[0][0] == pytest.approx(steps[1][0], abs=1e-6)
    np.testing.assert_allclose(steps[0][1], steps[1][1], atol=1e-6)


def test_a_trained_model_gives_the_targets_in_their_units(rows):
    config = TrainConfig(epochs=30, lr=0.05, select="last")
    model, scaled = (build_classifier(STRUCTURE, 6, 2, seed=1) for _ in range(2))
    fit(model, rows, rows, config, 0)
    scaling = Scaling.from_examples(rows)
    fit(scaled, scaling.scale_targets(rows), scaling.scale_targets(rows), config, 0)
    by_hand = compute_logits(scaled, rows.x).double() * rows.y.std(
        dim=0, correction=0
    ) + rows.y.mean(dim=0)
    np.testing.assert_allclose(compute_logits(model, rows.x), by_hand, rtol=1e-4)
    assert REGRESSION.score(compute_logits(model, rows.x), rows.y) == pytest.approx(
        r2_score(rows.y.numpy(), compute_logits(model, rows.x).numpy()), abs=1e-4
    )
    scaling.restore(model, inverse=True)
    np.testing.assert_allclose(
        compute_logits(model, rows.x), compute_logits(scaled, rows.x), atol=1e-3
    )


def test_baselines_are_scikit_learns_best_on_validation(rows):
    train = rows.take(np.arange(40))
    validation = rows.take(np.arange(40, 60))
    ridge = ridge_regression("small")
    ridge.fit(train, validation)
    fits = {
        alpha: Ridge(alpha=alpha).fit(train.x.numpy(), train.y.numpy())
        for alpha in np.logspace(2, -2, 5)
    }
    best = max(
        fits, key=lambda alpha: fits[alpha].score(validation.x.numpy(), validation.y.numpy())
    )
    assert ridge.settings == {"alpha": pytest.approx(best)}
    np.testing.assert_allclose(
        ridge.predict(validation.x.numpy()), fits[best].predict(validation.x.numpy()), rtol=1e-6
    )
    svr = support_vector_regression("small")
    svr.fit(train, validation)
    y = train.y.numpy()
    direct = [
        SVR(**svr.settings)
        .fit(train.x.numpy(), (c - c.mean()) / c.std())
        .predict(validation.x.numpy())
        for c in y.T
    ]
    scaled_values = (svr.predict(validation.x.numpy()) - y.mean(axis=0)) / y.std(axis=0)
    np.testing.assert_allclose(
        scaled_values, np.stack(direct, axis=1), atol=2e-3
    )  # libsvm stops at 1e-3


def test_several_targets_are_read_and_split_without_overlap():
    table = pd.DataFrame(
        {
            "text": [f"text {i}" for i in range(40)],
            "a": range(40),
            "b": [str(i / 8) for i in range(40)],
        }
    )
    config = DataConfig(task="regression", label_column=("a", "b"))
    corpus = corpus_in_memory(table, config)
    splits = split_corpus(corpus, config, 0)
    assert splits.sizes == {"train": 23, "validation": 5, "test": 12}
    assert len({text for part in splits.tables.values() for text in part.texts}) == 40
    for part in splits.tables.values():
        assert part.labels.tolist() == [[int(text[5:]), int(text[5:]) / 8] for text in part.texts]
    assert corpus.label_names == ("a", "b")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "two"] * 20, "row 2: the target 'label' is 'two', expected a finite number. Choose another column"),
        ([1.0, float("inf")] * 20, "the target 'label' is 'inf', expected a finite number"),
        ([[1.0, 2.0]] * 40, "several values, expected one label per text"),
        ([3.0] * 40, "'label' has one value in all training texts, so there is nothing to learn"),
        (["1e-170", "2e-170"] * 20, "target 'label' lie within 1.0e-170, expected 1e-100 or more"),
    ],
)  # fmt: skip
def test_targets_that_are_no_numbers_are_refused(column, message):
    config = DataConfig(task="regression")
    with pytest.raises(UserError, match=message):
        split_corpus(
            corpus_in_memory(([f"text {i}" for i in range(40)], column), config), config, 0
        )


def test_presets_have_baselines_of_real_targets():
    config = load_preset("sines").config({"data.task": "regression"})
    assert config.baselines.names == ("ridge", "svr", "linear", "tfidf")


BATCHES = dict.fromkeys(
    (
        "check_sample_weight_equivalence_on_dense_data",
        "check_sample_weight_equivalence_on_sparse_data",
    ),
    "training takes batches in random order",
)


@parametrize_with_checks(
    [small(epochs=2, settings=SMALL | {"model.n_qubits": 3, "model.encoder_layers": 2})],
    expected_failed_checks=lambda _: BATCHES,
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_numbers_are_those_of_the_training_loop():
    x, y = load_diabetes(return_X_y=True)
    x = x[:80].astype(np.float32)
    y = y[:80]
    model = small().fit(x, y)
    config = load_preset("sines").config(SMALL | {"train.epochs": 3, "data.task": "regression"})
    network = build_classifier(config.model, 10, 1, seed=0)
    rows = Examples.from_arrays(x, y[:, None])
    fit(network, rows, rows, config.train, 0)
    np.testing.assert_allclose(model.predict(x), compute_logits(network, rows.x)[:, 0], rtol=1e-4)
    unpickled = pickle.loads(pickle.dumps(model))
    assert unpickled.predict(x).tobytes() == model.predict(x).tobytes()


def test_it_learns_and_goes_on_and_takes_several_targets():
    x, y = load_diabetes(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), PolynomialFeatures(1), small(epochs=10)).fit(
        x[:120], y[:120]
    )
    assert pipeline.score(x[:120], y[:120]) > 0.3
    model = small(warm_start=True, epochs=5)
    first = model.fit(x[:120], y[:120]).loss_curve_
    assert model.fit(x[:120], y[:120]).loss_curve_[0] < min(first[0], 1.1 * first[-1])
    of_two_targets = small().fit(x[:30], np.stack([y[:30], -y[:30]], axis=1))
    assert of_two_targets.predict(x[:3]).shape == (3, 2)


def test_texts_have_real_targets_too(tiny_body):
    texts = [f"{word} film" for word in ("good", "great", "bad", "dull")] * 5
    model = QuantumTextRegressor(
        body=str(tiny_body), settings=SMALL | {"model.encoder_qubits": 5}, epochs=30, random_state=0
    )
    assert (
        model.fit(texts, [2.0, 3.0, -2.0, -1.0] * 5).score(texts, [2.0, 3.0, -2.0, -1.0] * 5) > 0.5
    )
