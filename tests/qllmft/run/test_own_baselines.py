"""Runs with baselines of the user's own, right ones and wrong ones."""

import json

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from tiny_runs import config

from qllmft.baselines import BASELINES, Baseline, GridBaseline
from qllmft.run import RunFolder, run_experiment
from qllmft_base.errors import UserError

FOLDS = {"data__protocol": "split", "data__n_per_label": None, "data__validation_folds": 3}
FOLDS |= {"train__select": "last"}


class Wrong:
    """A head that gives a label that no text has."""

    name = "wrong"
    n_parameters = 1
    settings: dict[str, object] = {}  # noqa: RUF012 - as of a user
    interrupted = False

    def fit(self, train, validation):
        """Learn nothing."""

    def choose(self, copies):
        """Keep all as it is."""

    def predict(self, x):
        return np.full(len(x), 7)

    def exact_score(self, examples):
        """Return None: no noise."""


def neighbours(_):
    """Return a grid as numpy writes it."""
    grid = [{"n_neighbors": k} for k in np.arange(1, 6, 2)]
    return GridBaseline("neighbours", KNeighborsClassifier, grid, lambda _: np.int64(1))


@pytest.fixture
def register_baselines():
    """The names of baselines of one's own: of a grid with numpy's numbers, the same again, and a wrong one."""
    baselines = {
        "neighbours": Baseline.from_grid("neighbours", neighbours),
        "neighbours_again": Baseline.from_grid("neighbours", neighbours),
        "wrong": Baseline("wrong", lambda *_: Wrong(), tuned=False),
    }
    for name, baseline in baselines.items():
        BASELINES.register(name, baseline)
    yield
    for name in baselines:
        BASELINES.unregister(name)


@pytest.mark.usefixtures("register_baselines")
def test_a_grid_of_numpys_numbers_is_recorded(corpus, out):
    run_experiment(config(corpus, baselines__names=["neighbours"]), out)
    row = json.loads((out / "result.json").read_text())["models"][1]
    assert row["settings"]["n_neighbors"] in (1, 3, 5)
    assert row["parameters"] == 1
    assert list(RunFolder(out).read_predictions().answers)[-1] == "neighbours"


@pytest.mark.usefixtures("register_baselines")
@pytest.mark.parametrize("changes", [{}, FOLDS])
def test_two_rows_of_one_name_end_a_run_before_its_training(corpus, out, changes):
    names = ["neighbours", "neighbours_again"]
    with pytest.raises(UserError, match="have the same name 'neighbours'"):
        run_experiment(config(corpus, baselines__names=names, **changes), out)
    assert not any(file.read_text() for file in out.rglob("metrics.jsonl"))


@pytest.mark.usefixtures("register_baselines")
@pytest.mark.parametrize("changes", [{}, FOLDS])
def test_a_label_that_no_text_has_ends_a_run_before_its_test(corpus, out, changes):
    message = "the baseline 'wrong' returned the answer 7, expected whole numbers from 0 to 1"
    with pytest.raises(UserError, match=message):
        run_experiment(config(corpus, baselines__names=["wrong"], **changes), out)
    assert not (out / "predictions.json").exists()
