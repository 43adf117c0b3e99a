"""What a run refuses from a head of the user's own: answers, parameters, settings and names."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from qllmft.baselines import (
    BASELINES,
    Baseline,
    GridBaseline,
    check_answers,
    fit_and_score,
    make_baselines,
)
from qllmft.baselines.grid import grid_points
from qllmft.baselines.head import RESERVED_NAMES
from qllmft.config import parse_config
from qllmft.config.presets import load_preset
from qllmft.plugins import register
from qllmft.run.bodies import FrozenBody, LearningBody
from qllmft.run.record import WITHOUT_CIRCUIT
from qllmft.training import Examples
from qllmft_base.errors import UserError

N = 6
X = np.eye(N, dtype=np.float32)
LABELS = Examples.from_arrays(X, np.arange(N) % 2)
TARGETS = Examples.from_arrays(X, np.arange(2.0 * N).reshape(N, 2))
SEVERAL = Examples.from_arrays(X, np.tile([1, 0, 1], (N, 1)))


class Own:
    """A head with given answers, parameters and settings."""

    name = "mine"
    interrupted = False

    def __init__(self, answers=(0,) * N, n_parameters=3, settings=None, name="mine"):
        self.answers = answers
        self.n_parameters = n_parameters
        self.settings = {} if settings is None else settings
        self.name = name

    def fit(self, train, validation):
        """Learn nothing."""

    def predict(self, x):
        return self.answers

    def exact_score(self, examples):
        """Return None: no noise."""


@pytest.fixture
def register_baselines():
    """A function that registers heads by the names of baselines, and returns the configuration that names them."""
    names = []

    def register(**heads):
        for name, head in heads.items():
            BASELINES.register(name, Baseline(name, lambda *_, head=head: head, tuned=False))
            names.append(name)
        return parse_config({"baselines": {"names": names}}, "the test")

    yield register
    for name in names:
        BASELINES.unregister(name)


# the answers of a head to texts of one label
WRONG_LABELS = [
    (np.zeros((N, 2)), rf"an array of float64 in the shape \({N}, 2\)"),
    (np.zeros(N - 1, int), rf"an array of int64 in the shape \({N - 1},\)"),
    (np.zeros((N, 1), int), rf"an array of int64 in the shape \({N}, 1\)"),
    (np.zeros(1, int), r"an array of int64 in the shape \(1,\)"),
    (np.int64(0), r"a value of the type int64 in the shape \(\)"),
    (np.array(["0"] * N), "an array of <U1"),
    (None, "a value of the type NoneType"),
    ([[0], [0, 1]], "a value of the type list of length 2"),
    (np.full(N, 0.4), "the answer 0.4"),
    (np.full(N, np.nan), "the answer nan"),
    (np.full(N, 7), "the answer 7"),
    (np.full(N, -1), "the answer -1"),
]
NO_JSON = [np.nan, np.inf, object, lambda: 0, {1, 2}, {(1, 2): 3}]
SETTING = "the baseline 'mine' has the setting 'b' with .*, which JSON cannot hold"
# a head, the texts, and what the error says
WRONG_HEADS = [
    *(
        (
            Own(answers),
            LABELS,
            rf"the baseline 'mine' returned {fault}.*, expected whole numbers from 0 to 1 in the shape \({N},\). "
            "Correct its method predict.",
        )
        for answers, fault in WRONG_LABELS
    ),
    (Own(np.zeros(N)), TARGETS, r"expected finite values of the targets in the shape \(6, 2\)"),
    (Own(np.full((N, 2), np.inf)), TARGETS, "returned the answer inf"),
    (Own(np.zeros((N, 2))), SEVERAL, r"expected finite leads .* in the shape \(6, 3\)"),
    (Own(np.ones((N, 3), bool)), SEVERAL, "returned the labels themselves"),
    (Own(np.tile([1, 0, 1], (N, 1))), SEVERAL, "returned the labels themselves"),
    *(
        (
            Own(n_parameters=n_parameters),
            LABELS,
            rf"n_parameters of the baseline 'mine' is {n_parameters!r}, expected a whole number",
        )
        for n_parameters in (None, -1, 1.5, "3")
    ),
    *((Own(settings={"a": 1, "b": [value]}), LABELS, SETTING) for value in NO_JSON),
    (Own(settings=[1]), LABELS, "'mine' has settings of the type list, expected a dict"),
]


@pytest.mark.parametrize(("head", "examples", "message"), WRONG_HEADS)
def test_a_wrong_head_is_refused_with_the_name_of_the_baseline(head, examples, message):
    with pytest.raises(UserError, match=message):
        fit_and_score(head, examples, examples, 2 if examples is LABELS else None)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        *(([{"a": 1, "b": value}], SETTING) for value in NO_JSON),
        ([], "the grid of the baseline 'mine' is empty"),
    ],
)
def test_a_wrong_grid_is_refused(grid, message):
    with pytest.raises(UserError, match=message):
        GridBaseline("mine", KNeighborsClassifier, grid)


@pytest.mark.parametrize(
    "answers",
    [
        [0, 1] * 3,
        np.array([False, True] * 3),
        torch.tensor([0, 1] * 3),
        np.arange(N, dtype=np.uint8) % 2,
    ],
)
def test_what_means_labels_becomes_integers(answers):
    fitted = fit_and_score(Own(answers), LABELS, LABELS, 2)
    assert fitted.validation_answers.tolist() == [0, 1] * 3
    assert fitted.validation_answers.dtype == np.int64
    assert fitted.validation.value == 1


def test_values_of_a_list_are_numbers():
    values = check_answers("mine", [[1, 2]] * N, TARGETS)
    assert (values.dtype, values.shape) == (np.float64, (N, 2))
    assert check_answers("mine", np.tile([1, -1, 1], (N, 1)), SEVERAL).dtype == np.float64


class Logits(KNeighborsClassifier):
    """An estimator whose predict returns logits."""

    def predict(self, x):
        return self.predict_proba(x)


@pytest.mark.parametrize("by_folds", [False, True])
def test_wrong_answers_of_an_estimator_of_a_grid_are_refused_as_well(by_folds):
    examples = Examples.from_arrays(np.tile(X, (4, 1)), np.arange(4 * N) % 2)
    head = GridBaseline("mine", Logits, [{"n_neighbors": 1}], lambda _: 1, by_folds=by_folds)
    with pytest.raises(UserError, match="the baseline 'mine' returned an array of float64"):
        head.fit(examples, examples)


def test_the_numbers_of_a_grid_become_those_of_python():
    grid = grid_points({"n_neighbors": np.arange(1, 4, 2), "p": [np.float32(2)]})
    head = GridBaseline(
        "mine", KNeighborsClassifier, grid, lambda _: np.int64(1), lambda _: np.int64(4)
    )
    head.fit(LABELS, LABELS)
    assert head.settings == {"n_neighbors": 1, "p": 2.0, "stored": 4}
    assert {type(value) for value in head.settings.values()} == {int, float}
    assert type(head.n_parameters) is int


def test_an_estimator_gets_the_settings_of_its_grid_as_they_are():
    settings = {"layers": (8, 4), "class_weight": {0: 1.0, 1: 2.0}, "name": None}
    assert GridBaseline("mine", KNeighborsClassifier, [settings]).grid == [settings]


class Mine:
    """An estimator without parameters that scikit-learn could copy."""

    def fit(self, x, y):
        return self

    def predict(self, x):
        return np.zeros(len(x), int)


def test_an_estimator_in_the_place_of_its_class_is_copied():
    estimator = KNeighborsClassifier(n_neighbors=1)
    grid = [{"weights": "uniform"}, {"weights": "distance"}]
    head = GridBaseline("mine", estimator, grid, lambda _: 1)
    head.fit(LABELS, LABELS)
    assert head.estimator.n_neighbors == 1
    assert head.estimator is not estimator
    assert not hasattr(estimator, "classes_")
    of_class = GridBaseline("mine", KNeighborsClassifier, [{"n_neighbors": 1}], lambda _: 1)
    of_class.fit(LABELS, LABELS)
    assert head.predict(X).tolist() == of_class.predict(X).tolist()
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    steps = GridBaseline("steps", pipeline, [{"kneighborsclassifier__n_neighbors": 1}])
    steps.fit(LABELS, LABELS)
    assert steps.estimator[-1].n_neighbors == 1


@pytest.mark.parametrize("make", [KNeighborsClassifier(), KNeighborsClassifier])
def test_settings_that_an_estimator_does_not_take_are_named(make):
    head = GridBaseline("mine", make, [{"neighbours": 1}])
    with pytest.raises(
        UserError, match=r"'mine' cannot be made with the settings .'neighbours': 1"
    ):
        head.fit(LABELS, LABELS)


def test_an_object_in_the_place_of_a_class_or_a_function_is_refused():
    with pytest.raises(
        UserError, match="make of the baseline 'mine' is an object of Mine, expected a class or a"
    ):
        GridBaseline("mine", Mine(), [{}])
    grid = r"from_grid\('mine', lambda grid: GridBaseline\('mine', KNeighborsClassifier\(\), \[\{\}\]\)\)\."
    for make, remedy in (
        (KNeighborsClassifier(), grid),
        (KNeighborsClassifier, grid.replace(r"\(\)", "")),
        (Mine(), r"Example: Baseline\('mine', lambda config, \*sizes: head"),
        (GridBaseline("mine", Mine, [{}]), r"Example: Baseline\('mine', lambda"),
    ):
        for call in (
            lambda make=make: Baseline("mine", make, tuned=False),
            lambda make=make: Baseline.from_grid("mine", make),
            lambda make=make: register("baseline", "mine", make),
        ):
            with pytest.raises(UserError, match=remedy):
                call()
    config = load_preset("odd").config({})
    for returned in (Mine(), KNeighborsClassifier(), GridBaseline):
        message = "make of the baseline 'mine' returned .* without name, .*expected a head, such as a GridBaseline"
        with pytest.raises(UserError, match=message):
            Baseline("mine", lambda *_, head=returned: head, tuned=False).make_head(config, 1, 1, 2)
        with pytest.raises(UserError, match=message):
            Baseline.from_grid("mine", lambda _, head=returned: head).make_head(config, 1, 1, 2)


@pytest.mark.parametrize("name", ["knn 1", "KNN-1"])
def test_two_rows_of_one_name_are_refused(register_baselines, name):
    """The folders of their models would be one, too."""
    config = register_baselines(one=Own(name="knn 1"), two=Own(name=name))
    with pytest.raises(UserError, match=f"baselines 'one' and 'two' have the same name '{name}'"):
        make_baselines(config, 9, 4, 2)


@pytest.mark.parametrize("name", [*RESERVED_NAMES, "Quantum-Head", None, " ", "метод"])
def test_the_names_of_a_runs_own_rows_are_refused(register_baselines, name):
    with pytest.raises(UserError, match="the head of the baseline 'one' has the name") as error:
        make_baselines(register_baselines(one=Own(name=name)), 9, 4, 2)
    assert f"the name {name!r}, " in str(error.value)


def test_all_names_of_a_runs_own_rows_are_reserved():
    suffixes = {FrozenBody.suffix, LearningBody.suffix}
    heads = {f"{kind} head{suffix}" for kind in ("quantum", "classical") for suffix in suffixes}
    assert {*RESERVED_NAMES} == heads | {WITHOUT_CIRCUIT}
