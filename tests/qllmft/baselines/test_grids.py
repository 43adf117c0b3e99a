"""The grids of tables VIII and IX: every setting that is tried, by an estimator that only takes notes."""

import json

import numpy as np
import pytest
from sklearn import linear_model

from qllmft.baselines.classical import logistic_regression, support_vectors
from qllmft.training import Examples

TOY = Examples.from_arrays(np.eye(4, dtype=np.float32), np.array([0, 1, 0, 1]))

# table VIII, "0.001, ..., 100.0"
SVC_STRENGTHS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0]
SVC_GAMMAS = ["scale", "auto", 0.01, 0.1, 0.5, 1.0]
# table IX, "0.3, 0.35, 0.4, ..., 9.90"
LR_STRENGTHS = [round(0.3 + 0.05 * i, 2) for i in range(193)]


@pytest.fixture
def tried_settings(monkeypatch) -> list[dict[str, object]]:
    """The settings of every estimator that is fitted, in their order."""
    notes: list[dict[str, object]] = []

    class NoteTaker:
        def __init__(self, **settings: object) -> None:
            self.settings = settings

        def fit(self, *_: object) -> "NoteTaker":
            notes.append(self.settings)
            return self

        def predict(self, x: np.ndarray) -> np.ndarray:
            return np.zeros(len(x), np.int64)

    monkeypatch.setattr("sklearn.svm.SVC", NoteTaker)
    monkeypatch.setattr("sklearn.linear_model.LogisticRegression", NoteTaker)
    return notes


def test_table_viii_has_11_strengths_of_an_rbf_kernel_with_6_gammas(tried_settings):
    support_vectors("paper").fit(TOY, TOY)
    assert len(tried_settings) == 11 * 6
    assert {s["kernel"] for s in tried_settings} == {"rbf"}
    assert {tuple(s) for s in tried_settings} == {("kernel", "cache_size", "C", "gamma")}
    expected = [(c, gamma) for c in SVC_STRENGTHS for gamma in SVC_GAMMAS]
    assert [s["gamma"] for s in tried_settings] == [gamma for _, gamma in expected]
    assert [s["C"] for s in tried_settings] == pytest.approx([c for c, _ in expected])


def test_table_ix_has_193_strengths_and_none_with_2_class_weights_and_3_limits(tried_settings):
    assert LR_STRENGTHS[:3] == [0.3, 0.35, 0.4]
    assert LR_STRENGTHS[-1] == 9.9
    logistic_regression("paper").fit(TOY, TOY)
    assert len(tried_settings) == (193 + 1) * 2 * 3
    expected = [
        {"C": c, "class_weight": weight, "max_iter": limit}
        for c in [*LR_STRENGTHS, float("inf")]  # no penalty
        for weight in (None, "balanced")
        for limit in (50, 100, 200)
    ]
    assert tried_settings == expected


def test_no_penalty_is_written_as_none_for_json_has_no_infinity(tried_settings, monkeypatch):
    taker = linear_model.LogisticRegression
    right = TOY.y.numpy()
    wrong = np.zeros(4, np.int64)
    monkeypatch.setattr(
        taker, "predict", lambda self, _: right if self.settings["C"] == np.inf else wrong
    )
    baseline = logistic_regression("paper")
    baseline.fit(TOY, TOY)
    assert (
        json.dumps(baseline.settings, allow_nan=False)
        == '{"C": null, "class_weight": null, "max_iter": 50}'
    )


@pytest.mark.parametrize("make", [support_vectors, logistic_regression])
@pytest.mark.parametrize("grid", ["small", "paper"])
def test_the_most_regularised_comes_first(tried_settings, make, grid):
    """Of equals the first wins, and that is the one with the smaller C."""
    baseline = make(grid)
    baseline.fit(TOY, TOY)
    strengths = [s["C"] for s in tried_settings]
    assert strengths == sorted(strengths)
    assert baseline.settings["C"] == min(strengths)
