"""Linear solutions, their penalties and the start of training, beside scikit-learn and the task's own loss."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV

from qllmft.config import TrainConfig
from qllmft.config.presets import load_preset
from qllmft.heads import build_classifier
from qllmft.heads.odd_rows import LatentMap
from qllmft.tasks import CLASSIFICATION, MULTILABEL, REGRESSION
from qllmft.tasks.regression import HUBER_DELTA, ROBUST
from qllmft.training import Examples, compute_logits, fit
from qllmft.training.examples import Scaling
from qllmft.training.linear_model import (
    FEW_TEXTS_PER_LABEL,
    FEW_TEXTS_STRENGTH,
    linear_solution,
    low_rank_solution,
    solve_linear,
)
from qllmft.training.linear_start import start_at_linear
from qllmft.training.ridge import penalty, ridge_factor

RANDOM = np.random.default_rng(5)
N = 90
M = 5
X = RANDOM.normal(size=(N, M))
AXES = RANDOM.normal(size=(M, 4))
SCORES = X @ AXES + RANDOM.normal(size=(N, 4))
LABELS = {2: (SCORES[:, 0] > 0).astype(np.int64), 3: SCORES[:, :3].argmax(axis=1)}
SEVERAL = (SCORES[:, :3] > 0.5).astype(np.int64)
TARGETS = (SCORES[:, :2] - SCORES[:, :2].mean(axis=0)) / SCORES[:, :2].std(axis=0)
WEIGHT = RANDOM.uniform(0.5, 2.0, size=N)
TASKS = {
    "2 labels": (CLASSIFICATION, LABELS[2], 0.3),
    "3 labels": (CLASSIFICATION, LABELS[3], 0.3),
    "several": (MULTILABEL, SEVERAL, np.array([0.1, 1.0, 10.0])),
    "targets": (REGRESSION, TARGETS, np.array([0.02, 3.0])),
}


@pytest.mark.parametrize(("task", "y", "c"), TASKS.values(), ids=TASKS)
def test_scikit_learns_optimum_is_that_of_the_loss_and_the_ridge(task, y, c):
    """The gradient of the task's loss plus factor/(2N) times the squared sizes vanishes there."""
    k = 2 if y.ndim == 1 and y.max() == 1 else 3 if y.ndim == 1 else y.shape[1]
    strengths = np.broadcast_to(c, k)
    if task is REGRESSION:
        models = [Ridge(1 / c).fit(X, column) for c, column in zip(strengths, y.T, strict=True)]
        weights, bias = (np.array([getattr(m, n) for m in models]) for n in ("coef_", "intercept_"))
    elif task is MULTILABEL:
        models = [
            LogisticRegression(C=c, tol=1e-10, max_iter=1000).fit(X, column)
            for c, column in zip(strengths, y.T, strict=True)
        ]
        weights = np.concatenate([m.coef_ for m in models])
        bias = np.concatenate([m.intercept_ for m in models])
    else:
        model = LogisticRegression(C=c, tol=1e-10, max_iter=1000).fit(X, y)
        weights = model.coef_
        bias = model.intercept_
        if k == 2:
            weights = np.concatenate([-weights, weights]) / 2
            bias = np.array([-1, 1]) * bias / 2
    w = torch.from_numpy(weights).requires_grad_()
    b = torch.from_numpy(np.asarray(bias)).requires_grad_()
    factor = torch.as_tensor(np.asarray(ridge_factor(task, k, c)))
    sizes = w.square().sum(dim=1)
    loss = task.loss(torch.from_numpy(X) @ w.T + b, torch.from_numpy(y))
    total = loss + (factor * sizes).sum() / (2 * N)
    for part, gradient in zip((w, b), torch.autograd.grad(total, (w, b)), strict=True):
        assert gradient.abs().max() < 1e-5, part.shape


def test_penalties_are_chosen_as_scikit_learn_chooses_them():
    solution = linear_solution(MULTILABEL, X, SEVERAL.astype(np.float64), None, None)
    for i in range(3):
        search = GridSearchCV(
            LogisticRegression(max_iter=1000),
            {"C": [0.01, 0.1, 1.0, 10.0, 100.0]},
            scoring="neg_log_loss",
            cv=5,
        ).fit(X, SEVERAL[:, i])
        best = search.best_estimator_
        assert solution.c[i] == pytest.approx(best.C)
        np.testing.assert_allclose(solution.weights[i], best.coef_[0], rtol=0.02, atol=0.01)
    ridge = linear_solution(REGRESSION, X, TARGETS, WEIGHT, None)
    cv = RidgeCV([10.0**e for e in range(-4, 4)], alpha_per_target=True).fit(X, TARGETS, WEIGHT)
    np.testing.assert_allclose(1 / ridge.c, cv.alpha_)
    np.testing.assert_allclose(ridge.weights, cv.coef_)
    weighted = linear_solution(CLASSIFICATION, X, LABELS[3].astype(np.float64), WEIGHT, None)
    expected = LogisticRegression(C=FEW_TEXTS_STRENGTH, max_iter=1000).fit(X, LABELS[3], WEIGHT)
    assert weighted.c == FEW_TEXTS_STRENGTH, "labels are few and uneven"
    np.testing.assert_allclose(weighted.weights, expected.coef_)


def test_a_label_that_all_rows_have_starts_at_its_share():
    flags = np.stack([SEVERAL[:, 0], np.ones(N, np.int64), np.zeros(N, np.int64)], axis=1)
    solution = linear_solution(MULTILABEL, X, flags.astype(np.float64), None, None)
    assert not solution.weights[1:].any()
    assert solution.bias[1] == pytest.approx(np.log((N + 0.5) / 0.5))
    assert solution.bias[2] == pytest.approx(-solution.bias[1])


@pytest.mark.parametrize("name", TASKS)
def test_outputs_at_the_start_are_those_of_the_linear_model_and_training_keeps_them(name):
    task, y, _ = TASKS[name]
    k = len(np.unique(y)) if y.ndim == 1 else y.shape[1]
    config = load_preset("sines").config(
        {"data.task": task.name, "model.encoder_qubits": 4, "model.encoder_layers": 10}
    )
    net = build_classifier(config.model, M, k, seed=1)
    data = Examples.from_arrays(X.astype(np.float32), y)
    net.data_map.fit(data.x)
    start = start_at_linear(net, data, config.train)
    shifted = X - X.mean(axis=0)
    linear = linear_solution(task, shifted, y.astype(np.float64), None, start.c)
    expected = shifted @ linear.weights.T + linear.bias
    started = compute_logits(net, data.x).numpy()
    for column, expected_column in zip(started.T, expected.T, strict=True):
        assert np.corrcoef(column, expected_column)[0, 1] > 0.97
        assert 0.7 < column.std() / expected_column.std() < 1.2
    fit(net, data, data, config.train, 0)
    trained = compute_logits(net, data.x).numpy()
    if task.real:
        assert r2_score(y, trained) > r2_score(y, expected) - 0.03
    else:
        score, expected_score = (
            task.value(y, task.answers(torch.from_numpy(scores))) for scores in (trained, expected)
        )
        assert score > expected_score - 0.05


def draw_labels(n_labels):
    """Return 600 rows of 20 values whose labels a linear model draws."""
    random = np.random.default_rng(0)
    axes = random.normal(size=(20, n_labels))
    x = random.normal(size=(600, 20)).astype(np.float32)
    scores = 3 * x @ axes + random.gumbel(size=(600, n_labels))
    return Examples.from_arrays(x, scores.argmax(axis=1))


def test_more_labels_than_qubits_keep_the_largest_directions():
    """15 labels on 13 qubits: 12 values of the 14 directions of the linear model carry it."""
    data = draw_labels(15)
    x = data.x.numpy()
    config = load_preset("sines").config(
        {
            "model.n_qubits": 13,
            "model.encoder_qubits": 6,
            "model.encoder_layers": 20,
            "train.epochs": 3,  # more would hide a wrong start
        }
    )
    assert config.model.for_labels(15).n_qubits == 13
    net = build_classifier(config.model, 20, 15, seed=0)
    fit(net, data, data, config.train, 0)
    linear = LogisticRegression(max_iter=1000).fit(x, data.y.numpy())
    accuracy = (compute_logits(net, data.x).argmax(dim=1) == data.y).double().mean()
    assert accuracy > linear.score(x, data.y.numpy()) - 0.12
    assert accuracy > 0.5


def test_fewer_values_than_labels_start_at_a_model_trained_for_its_rank():
    """Fifteen labels on six values: principal directions lose far more than a linear model of rank 6 does."""
    data = draw_labels(15)
    x = data.x.numpy()
    full = linear_solution(data.task, x, data.y.numpy().astype(np.float64), None, 1.0)
    low = low_rank_solution(data, full, 6)
    assert np.linalg.matrix_rank(low.weights) == 6
    outputs, sizes, directions = np.linalg.svd(full.weights, full_matrices=False)
    principal = (outputs[:, :6] * sizes[:6]) @ directions[:6]

    def right(weights):
        return float(((x @ weights.T + low.bias).argmax(axis=1) == data.y.numpy()).mean())

    assert right(low.weights) > right(principal) + 0.05
    settings = {"model.n_qubits": 7, "model.n_encoders": 7, "train.ridge_c": 1.0}
    small = {"model.encoder_qubits": 6, "model.encoder_layers": 20}
    short = {"train.epochs": 3}  # more would hide a wrong start
    config = load_preset("sines").config(settings | small | short)
    net = build_classifier(config.model, 20, 15, seed=0)
    fit(net, data, data, config.train, 0)
    accuracy = (compute_logits(net, data.x).argmax(dim=1) == data.y).double().mean()
    assert accuracy > right(low.weights) - 0.03


@pytest.mark.parametrize("n_labels", [6, 15])
def test_the_ridge_at_the_start_is_that_of_the_linear_model(n_labels):
    """Six values are one of each of six labels, or are shared by fifteen, whose slopes have a larger bound."""
    data = draw_labels(n_labels)
    x = data.x.numpy()
    settings = {"model.n_qubits": 7, "model.n_encoders": 7, "train.ridge_c": 1.0}
    small = {"model.encoder_qubits": 6, "model.encoder_layers": 20}
    config = load_preset("sines").config(settings | small)
    net = build_classifier(config.model, 20, n_labels, seed=0)
    net.data_map.fit(data.x)
    start = start_at_linear(net, data, config.train)
    with torch.no_grad():
        ridge = float(penalty(net, data.task, LatentMap(net.encoder.encoders)(), start.c, len(x)))
    labels = data.y.numpy().astype(np.float64)
    linear = linear_solution(data.task, x - x.mean(axis=0), labels, None, 1.0)
    if n_labels > 7:
        linear = low_rank_solution(data, linear, 6)
    factor = ridge_factor(data.task, n_labels, 1.0) / (2 * len(x))
    expected = float(factor * np.square(linear.weights).sum())
    assert 0.9 * expected < ridge < 1.2 * expected


@pytest.mark.parametrize("kind", [*TASKS, "huber"])
def test_a_weight_is_a_number_of_copies_of_the_start_and_the_scaling(kind):
    task, y, c = TASKS.get(kind, (ROBUST, TARGETS, 1.0))
    copies = np.random.default_rng(3).integers(0, 5, size=N)
    x = torch.from_numpy(X).float()
    answers = torch.from_numpy(np.asarray(y))
    rows = torch.from_numpy(np.repeat(np.arange(N), copies))
    copied = Examples(x[rows], answers[rows], task=task)
    weighted = Examples(x, answers, torch.from_numpy(copies).float(), task)
    if task.real:
        of_copies = Scaling.from_examples(copied)
        of_weights = Scaling.from_examples(weighted)
        torch.testing.assert_close(of_weights.mean, of_copies.mean)
        torch.testing.assert_close(of_weights.deviation, of_copies.deviation)
        copied, weighted = (of_copies.scale_targets(examples) for examples in (copied, weighted))
    expected, solution = (solve_linear(examples, c) for examples in (copied, weighted))
    # where a solver stops depends on the processor, too
    np.testing.assert_allclose(solution.weights, expected.weights, atol=1e-3)
    np.testing.assert_allclose(solution.bias, expected.bias, atol=1e-3)


def test_hubers_loss_is_quadratic_and_then_linear_with_that_gradient():
    outputs = torch.linspace(-4, 4, 24).reshape(12, 2).requires_grad_()
    y = torch.zeros(12, 2)
    weight = torch.linspace(0.5, 1.5, 12)
    e = outputs.detach().abs().numpy()
    by_hand = np.where(e <= HUBER_DELTA, e**2, 2 * HUBER_DELTA * e - HUBER_DELTA**2)
    for share in (None, weight):
        loss = ROBUST.loss(outputs, y, share)
        factor = 1.0 if share is None else share.numpy()[:, None]
        assert loss.item() == pytest.approx((by_hand * factor).mean(), rel=1e-6)
        (expected,) = torch.autograd.grad(loss, outputs)
        gradient = outputs.detach().numpy().copy()
        assert ROBUST.gradient(gradient, y, share) == pytest.approx(loss.item(), rel=1e-6)
        np.testing.assert_allclose(gradient, expected.numpy(), atol=1e-7)


def test_hubers_loss_leaves_far_targets_behind():
    targets = SCORES[:, :1].copy()
    far = np.random.default_rng(1).choice(N, 8, replace=False)
    targets[far] += 400.0
    scores = {}
    for loss in ("task", "huber"):
        config = load_preset("sines").config(
            {
                "data.task": "regression",
                "model.encoder_qubits": 4,
                "model.encoder_layers": 8,
                "train.epochs": 10,
                "train.loss": loss,
            }
        )
        net = build_classifier(config.model, M, 1, seed=0)
        data = Examples.from_arrays(X.astype(np.float32), targets)
        fit(net, data, data, config.train, 0)
        scores[loss] = r2_score(SCORES[:, 0], compute_logits(net, data.x).numpy()[:, 0])
    assert scores["huber"] > 0.5
    assert scores["task"] < 0


def test_weights_stay_if_the_head_is_not_fresh():
    config = load_preset("sines").config(
        {"model.encoder_qubits": 4, "model.encoder_layers": 4, "data.task": "regression"}
    )
    net = build_classifier(config.model, M, 2, seed=0)
    data = Examples.from_arrays(X.astype(np.float32), TARGETS)
    net.data_map.fit(data.x)
    initial_state = {name: value.clone() for name, value in net.state_dict().items()}
    solution = start_at_linear(net, data, config.train, fresh=False)
    assert all(torch.equal(value, initial_state[name]) for name, value in net.state_dict().items())
    np.testing.assert_array_equal(solution.c, start_at_linear(net, data, config.train).c)
    assert not torch.equal(net.final.weight, initial_state["final.weight"])
    fixed = TrainConfig(ridge=True, ridge_c=0.5)
    assert start_at_linear(net, data, fixed, fresh=False).c == 0.5


@pytest.mark.parametrize(
    ("name", "setting", "size"),
    [
        ("3 labels", {}, 0.4),
        ("several", {}, 0.2),
        ("targets", {}, 0.2),
        ("3 labels", {"train.start_angle": 0.3}, 0.3),
        ("several", {"train.start_angle": None}, 0.4),
    ],
)
def test_latent_angles_at_the_start_have_the_size_of_the_task(name, setting, size):
    task, y, _ = TASKS[name]
    settings = {"data.task": task.name, "model.encoder_qubits": 4, "model.encoder_layers": 10}
    config = load_preset("sines").config(settings | setting)
    net = build_classifier(config.model, M, 3 if y.ndim == 1 else y.shape[1], seed=1)
    data = Examples.from_arrays(X.astype(np.float32), y)
    net.data_map.fit(data.x)
    start_at_linear(net, data, config.train)
    with torch.no_grad():
        latent = net.encoder(data.x)
    assert latent.square().mean(dim=0).sqrt().tolist() == pytest.approx([size] * 7, rel=0.02)


@pytest.mark.parametrize(
    ("counts", "c"),
    [
        ((7, 6), FEW_TEXTS_STRENGTH),
        ((8, 8), 1.0),
        ((90, FEW_TEXTS_PER_LABEL - 1), FEW_TEXTS_STRENGTH),
        ((90, FEW_TEXTS_PER_LABEL), 1.0),
        ((9, 5, 9), FEW_TEXTS_STRENGTH),
    ],
)
def test_few_uneven_labels_have_a_weaker_ridge(counts, c):
    y = np.repeat(np.arange(len(counts)), counts)
    x = np.random.default_rng(2).normal(size=(len(y), 4)) + y[:, None]
    automatic = linear_solution(CLASSIFICATION, x, y, None, None)
    explicit = linear_solution(CLASSIFICATION, x, y, None, c)
    assert automatic.c == c
    np.testing.assert_array_equal(automatic.weights, explicit.weights)
