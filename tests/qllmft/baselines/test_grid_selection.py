"""Settings are chosen on validation alone, the first of equals wins, and the chosen one answers."""

import time

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from qllmft.baselines import grid
from qllmft.baselines.classical import logistic_regression, support_vectors
from qllmft.baselines.grid import GridBaseline, fitting_stage
from qllmft.events import StageAdvanced, StageEnded, StageStarted
from qllmft.training import Examples


class Threshold:
    """Says 1 where the first value is above ``at``; nothing to learn."""

    def __init__(self, at: float) -> None:
        self.at = at

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Threshold":
        self.fitted_on = len(x)
        return self

    def predict(self, x: np.ndarray) -> np.ndarray:
        return (x[:, 0] > self.at).astype(int)

    def score(self, x: np.ndarray, y: np.ndarray) -> float:
        return float((self.predict(x) == y).mean())


def examples(rows: list[tuple[float, int]]) -> Examples:
    x = np.array([r[0] for r in rows], np.float32)
    y = np.array([r[1] for r in rows])
    return Examples.from_arrays(np.stack([x, x], axis=1), y)


TRAIN = examples([(0.1, 0), (0.9, 1), (0.2, 0), (0.8, 1), (0.6, 1)])  # 0.5 is perfect here
VALIDATION = examples([(0.25, 0), (0.35, 1), (0.9, 1)])  # and 0.3 here
TEST = examples([(0.6, 0), (0.69, 0), (0.75, 1), (0.8, 1)])  # and 0.7 here


def baseline(*thresholds: float) -> GridBaseline:
    return GridBaseline(
        "threshold", Threshold, [{"at": t} for t in thresholds], lambda fitted: fitted.fitted_on
    )


@pytest.mark.parametrize("order", [(0.3, 0.5, 0.7), (0.7, 0.5, 0.3), (0.5, 0.7, 0.3)])
def test_validation_chooses_and_neither_training_nor_test(order):
    head = baseline(*order)
    head.fit(TRAIN, VALIDATION)
    assert head.settings == {"at": 0.3}
    predicted = head.predict(TEST.x.numpy())
    assert predicted.tolist() == [1, 1, 1, 1]  # half of them wrong, where 0.7 had them all
    assert predicted.dtype == np.int64
    assert Threshold(0.7).score(TEST.x.numpy(), TEST.y.numpy()) == 1.0
    assert Threshold(0.5).score(TRAIN.x.numpy(), TRAIN.y.numpy()) == 1.0


@pytest.mark.parametrize(
    ("order", "winner"), [((0.5, 0.31, 0.3, 0.29), 0.31), ((0.29, 0.3, 0.31), 0.29)]
)
def test_the_first_of_equals_wins(order, winner):
    head = baseline(*order)
    head.fit(TRAIN, VALIDATION)
    assert head.settings == {"at": winner}


def test_a_setting_with_nothing_right_is_still_one():
    nothing_right = examples([(0.9, 0), (0.1, 1)])
    head = baseline(0.5)
    head.fit(TRAIN, nothing_right)
    assert head.settings == {"at": 0.5}
    assert head.n_parameters == len(TRAIN)  # fitted on training alone


@pytest.mark.parametrize("by_folds", [False, True])
def test_a_search_tells_how_many_settings_it_has_tried(by_folds):
    head = baseline(0.3, 0.5, 0.7)
    head.by_folds = by_folds
    events = []
    with fitting_stage(events.append, head, TRAIN):
        head.fit(TRAIN, VALIDATION)
    head.fit(TRAIN, VALIDATION)
    started, *advanced, ended = events
    assert started == StageStarted("fitting", "threshold", 3)
    assert advanced == [StageAdvanced("fitting", done) for done in (1, 2, 3)]
    assert ended == StageEnded("fitting")


def test_a_search_of_class_weights_has_twice_the_settings():
    uneven = examples([(k / 10, int(k > 6)) for k in range(10)])
    head = logistic_regression("small")
    head.by_folds = True
    n_settings = head.count_trials(uneven)
    head.weighs_classes = False
    assert n_settings == 2 * head.count_trials(uneven)


def test_fits_of_many_weights_are_not_side_by_side(monkeypatch):
    monkeypatch.setattr(grid, "thread_count", lambda: 2)
    monkeypatch.setattr(grid, "MANY_TEXTS", len(TRAIN))
    running = []
    most = []

    class Slow(Threshold):
        def fit(self, x, y):
            running.append(self)
            time.sleep(0.05)
            most.append(len(running))
            running.remove(self)
            return super().fit(x, y)

    for most_weights, expected in ((4, 2), (3, 1)):  # 2 labels times 2 numbers
        monkeypatch.setattr(grid, "MOST_WEIGHTS_SIDE_BY_SIDE", most_weights)
        most.clear()
        head = GridBaseline("slow", Slow, [{"at": k / 10} for k in range(6)])
        head.by_folds = True
        head.fit(TRAIN, VALIDATION)
        assert max(most) == expected


def blobs(n: int, d: int, k: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    x = rng.normal(size=(n, d)) + 1.5 * np.random.default_rng(0).normal(size=(k, d))[y] / np.sqrt(
        d / 4
    )
    return Examples.from_arrays(x.astype(np.float32), y)


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("kind", ["SVC", "logistic regression"])
def test_scikit_learn_itself_chooses_the_same(kind, k):
    """Every setting fitted and scored here by hand, on validation sets that want different ones."""
    train = blobs(45, 8, k, seed=1)
    if kind == "SVC":
        make = support_vectors
        strengths = [{"kernel": "rbf", "C": c, "gamma": "scale"} for c in (0.5, 1.0, 5.0)]
        estimators = [SVC(**s) for s in strengths]
    else:
        make = logistic_regression
        estimators = [LogisticRegression(C=c, max_iter=200) for c in (0.1, 0.3, 1, 3, 10)]
    for estimator in estimators:
        estimator.fit(train.x.numpy(), train.y.numpy())
    winners = set()
    for seed in range(2, 10):
        validation = blobs(60, 8, k, seed)
        scores = [
            (e.predict(validation.x.numpy()) == validation.y.numpy()).mean() for e in estimators
        ]
        best = estimators[int(np.argmax(scores))]
        head = make("small")
        head.fit(train, validation)
        assert head.name == kind
        assert head.settings["C"] == best.C
        np.testing.assert_array_equal(
            head.predict(validation.x.numpy()), best.predict(validation.x.numpy())
        )
        winners.add(best.C)
    assert len(winners) > 1


@pytest.mark.parametrize("k", [2, 3])
def test_parameters_of_an_svc_are_its_support_vectors(k):
    """Footnote 2 of the paper. Where every point is noise, all of them are support vectors; else those that count."""
    train = blobs(45, 8, k, seed=1)
    head = support_vectors("small")
    head.fit(train, train)
    settings = {name: head.settings[name] for name in ("C", "gamma")}
    by_hand = SVC(kernel="rbf", **settings).fit(train.x.numpy(), train.y.numpy())
    multipliers = by_hand.dual_coef_  # (k - 1, support vectors)
    assert (
        head.n_parameters
        == int((np.abs(multipliers).sum(axis=0) > 0).sum())
        == by_hand.n_support_.sum()
    )
    noise = Examples.from_arrays(np.eye(20, dtype=np.float32), np.arange(20) % k)
    head.fit(noise, noise)
    assert head.n_parameters == 20


def test_the_papers_grid_really_fits_with_no_penalty_and_early_stops():
    """Limits of 50 iterations are meant to stop early; warnings are errors in these tests, and none may come."""
    hard = blobs(60, 30, 2, seed=1)
    scaled = Examples(hard.x * torch.logspace(-2, 2, 30), hard.y)
    with pytest.warns(ConvergenceWarning):
        LogisticRegression(C=9.9, max_iter=50).fit(scaled.x.numpy(), scaled.y.numpy())
    head = logistic_regression("paper")
    ends = [s for s in head.grid if s["C"] in (0.3, 9.9, None)]  # 1,164 fits would take a minute
    assert len(ends) == 18
    for settings in ends:
        head.grid = [settings]
        head.fit(scaled, scaled)
        assert head.settings == settings
        strength = head.estimator.C
        assert strength == (float("inf") if settings["C"] is None else settings["C"])


def test_the_most_parameters_may_be_asked_for_first_and_validation_decides_among_equals():
    sizes = {0.3: 2, 0.95: 5, 0.5: 5}  # 0.3 is the best on validation, 0.5 is next
    grid = [{"at": at} for at in sizes]
    head = GridBaseline("threshold", Threshold, grid, lambda fitted: sizes[fitted.at], most=True)
    head.fit(TRAIN, VALIDATION)
    assert head.settings == {"at": 0.5}
    assert head.n_parameters == 5


def test_the_full_svc_has_every_training_text_as_a_support_vector():
    head = support_vectors("paper", most=True)
    head.fit(TEST, VALIDATION)  # as many of either label
    assert head.n_parameters == len(TEST.y)
    assert head.name != support_vectors("paper").name


@pytest.mark.parametrize(("scale", "fits"), [(0.0, 6), (2.0, 18)])
def test_a_limit_that_was_not_reached_is_not_raised(scale, fits, monkeypatch):
    """Of three limits one fit is enough where it ends below the first; the choice has the bits of the whole grid."""
    train = blobs(60, 30, 2, seed=1)
    validation = blobs(60, 30, 2, seed=2)
    train, validation = (
        Examples(e.x * torch.logspace(-scale, scale, 30), e.y) for e in (train, validation)
    )
    fits_of_grids = []
    for look in (grid._would_repeat_fit, lambda *_: False):
        monkeypatch.setattr(grid, "_would_repeat_fit", look)
        head = logistic_regression("paper")
        trained_settings = []
        make = head.make
        head.make = lambda settings_log=trained_settings, make=make, **settings: (
            settings_log.append(settings) or make(**settings)
        )
        head.grid = [s for s in head.grid if s["C"] in (0.3, 9.9, None)]
        head.fit(train, validation)
        fits_of_grids.append((head.settings, head.estimator.coef_.tobytes(), len(trained_settings)))
    assert fits_of_grids[0][:2] == fits_of_grids[1][:2]
    assert fits_of_grids[0][2] <= fits
    assert fits_of_grids[1][2] == 18
