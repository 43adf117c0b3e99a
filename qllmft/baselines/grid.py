"""Scikit-learn's estimators on grids: settings are chosen by the score that judges, on validation texts or by folds."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.checks import check_answers, convert_settings, is_estimator
from qllmft.baselines.head import WITHOUT_WEIGHTS, Head
from qllmft.config import RunConfig
from qllmft.events import OnEvent, stage
from qllmft.tasks.calibration import divide_logits
from qllmft.training.search import (
    MAX_ITERATIONS,
    SCORE_DIGITS,
    Judgement,
    Part,
    Settings,
    best_trial,
    ignore_trial,
    judge_outputs,
    search_settings,
    split_examples,
    with_class_weights,
)
from qllmft_base.errors import UserError, first_line
from qllmft_base.native_threads import one_thread
from qllmft_base.randomness import draw_indices
from qllmft_engine import thread_count

if TYPE_CHECKING:
    from qllmft.training import Examples

MANY_TEXTS = 1_000  # training texts from which folds and settings are fitted side by side
MOST_WEIGHTS_SIDE_BY_SIDE = 2**21  # of one fit, which then takes 0.4 GB


def n_trained(fitted: Any) -> int:
    """Return the number of support vectors of a fitted estimator, or of its weights and biases.

    Of a pipeline it is that of the last step, and of several estimators their sum. A constant one has none.
    """
    if hasattr(fitted, "steps"):
        return n_trained(fitted[-1])
    if hasattr(fitted, "estimators"):
        return sum(map(n_trained, fitted.estimators))
    if hasattr(fitted, "support_"):
        return len(fitted.support_)
    return int(fitted.coef_.size + np.size(fitted.intercept_)) if hasattr(fitted, "coef_") else 0


def estimator_maker(name: str, make: Any) -> Callable[..., Any]:
    """Return what makes an estimator of settings: ``make``, or copies of it if it is an estimator of scikit-learn.

    Args:
        name: of the baseline.
        make: class, function or estimator.

    Raises:
        UserError: if it is none of them.
    """
    if is_estimator(make):
        return partial(_copy_with, make)
    if not callable(make):
        raise UserError(
            f"make of the baseline {name!r} is an object of {type(make).__name__}, expected a class or a function that "
            "makes an estimator of settings. An estimator with get_params and set_params, as of scikit-learn, works "
            "too."
        )
    return make  # type: ignore[no-any-return]


def _copy_with(estimator: Any, **settings: Any) -> Any:
    """Return an unfitted copy of an estimator with settings."""
    from sklearn.base import clone

    return clone(estimator).set_params(**settings)


@dataclass(eq=False)
class GridBaseline:
    """Scikit-learn estimator with settings chosen by the score that judges; the first of equals wins."""

    name: str  # as in tables
    # makes an estimator of settings, such as its class; or an estimator, whose copies get them
    make: Any
    grid: list[Settings]  # the most regularised first
    count: Callable[[Any], int] = n_trained  # trained parameters of a fitted estimator
    # further numbers of a fitted estimator, for its settings; None: none
    stored: Callable[[Any], int] | None = None
    _: KW_ONLY
    most: bool = False  # choose the most parameters first, and validation accuracy among equals
    # setting whose values go on in their steps if the search ends at an end of them; None: none
    strength: str | None = None
    weighs_classes: bool = False  # of uneven labels, search scikit-learn's ``class_weight``, too
    by_folds: bool = False  # search in folds of the training texts, over strengths that go on
    # the labels of the training texts are in their vectors already, so that validation texts replace the folds
    body_learned: bool = False
    parts: Sequence[Part] | None = None  # texts that choose, in place of the folds
    settings: Settings = field(default_factory=dict, init=False)
    # of each setting, after `fit`: the parameters if `most`, else 0, and the sum of the texts' scores
    scores: list[tuple[float, float]] = field(default_factory=list, init=False)
    # of the chosen settings, if parts of the texts chose them
    judgement: Judgement | None = field(default=None, init=False)
    # divisor of the logits, chosen after `fit`; None: not calibrated
    temperature: float | None = field(default=None, init=False)
    # receives the number of settings that `fit` has tried
    on_trial: Callable[[int], None] = field(default_factory=lambda: ignore_trial, init=False)
    # Ctrl-C during a search ends the whole run
    interrupted: bool = field(default=False, init=False)
    estimator: Any = field(default=None, init=False)  # the chosen one; None before `fit`

    def __post_init__(self) -> None:
        if not self.grid:
            raise UserError(
                f"the grid of the baseline {self.name!r} is empty, expected at least one dict of settings. "
                "Give [{}] for an estimator without settings."
            )
        self.grid = [convert_settings(self.name, settings) for settings in self.grid]
        self.make = estimator_maker(self.name, self.make)

    def _make(self, settings: Settings) -> Any:
        """Return an estimator with settings, or raise UserError if it does not take them."""
        try:
            return self.make(**settings)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the baseline {self.name!r} cannot be made with the settings {settings}: {first_line(error)}. Correct "
                "its grid."
            ) from error

    def apply_search(self, config: RunConfig) -> Self:
        """Search as ``baselines.search`` says, and keep ``baselines.points`` settings in their order.

        They are drawn by the seed, and all are kept if there are fewer.
        """
        self.by_folds = config.baselines.search == "folds"
        self.body_learned = config.body.contrastive.switched_on
        self.weighs_classes = self.weighs_classes and config.train.class_weight == "auto"
        if self.by_folds and self.strength:
            limit = {"max_iter": MAX_ITERATIONS}
            self.grid = [
                {**settings, **limit} if "max_iter" in settings else settings
                for settings in self.grid
            ]
        n_settings = len(self.grid)
        n_points = config.baselines.points
        if n_points is not None:
            rows = draw_indices(n_settings, n_points, config.seed, "settings", self.name)
            self.grid = [self.grid[row] for row in rows]
            self.strength = None
        return self

    def choose(self, fold_copies: Sequence[Self]) -> None:
        """Keep the setting with the highest sum of scores of copies that were fitted on folds, the first of equals.

        A search by folds of its own chooses again, in all texts. Settings that a copy has not tried are left out.
        """
        if self.by_folds and (self.parts is not None or not self.body_learned):
            return
        trials_by_copy = [list(zip(copy.grid, copy.scores, strict=True)) for copy in fold_copies]
        totals = [
            (
                settings,
                np.sum(
                    [
                        copy_score
                        for copy in trials_by_copy
                        for copy_settings, copy_score in copy
                        if copy_settings == settings
                    ],
                    axis=0,
                ),
            )
            for settings in fold_copies[0].grid
            if all(settings in copy.grid for copy in fold_copies)
        ]
        best_total, _ = max(totals, key=lambda total: total[1].tolist())
        self.grid = [best_total]
        self.by_folds = False

    def fit(self, train: Examples, validation: Examples) -> None:
        """Choose settings on the validation texts, or in the folds of ``train``, and fit them on ``train``."""
        # takes a second, and predictions do not need it
        from scipy.linalg import LinAlgWarning
        from sklearn.exceptions import ConvergenceWarning

        self.temperature = None
        # small fits: threads cost more than they give
        with warnings.catch_warnings(), one_thread():
            # iteration limits in the paper's grid are meant to stop early
            warnings.simplefilter("ignore", ConvergenceWarning)
            # a weak penalty on texts that repeat is scored as any other
            warnings.simplefilter("ignore", LinAlgWarning)
            # OpenBLAS, of some products of finite numbers (numpy's issue 24067)
            warnings.filterwarnings("ignore", ".* encountered in matmul", RuntimeWarning)
            # a fold may have no text of a rare label
            warnings.filterwarnings("ignore", "Label .* is present in all training", UserWarning)
            if self.by_folds:
                self._search(train, self.choosing_parts(train, validation))
            else:
                self._choose_on_validation(train, validation)
        if train.relative is not None and not takes_weights(self.estimator):
            self.settings = {**self.settings, **WITHOUT_WEIGHTS}
        if self.stored:
            stored = {"stored": self.stored(self.estimator)}
            self.settings = convert_settings(self.name, self.settings | stored)

    def choosing_parts(self, train: Examples, validation: Examples) -> Sequence[Part]:
        """Return the texts that choose: folds of the training texts, or the validation texts if there are none."""
        if self.parts is not None:
            return self.parts
        folds = [] if self.body_learned else split_examples(train)
        return folds or [Part(train, validation)]

    def _choose_on_validation(self, train: Examples, validation: Examples) -> None:
        """Fit every setting on ``train``, and keep the best on ``validation``."""
        best = (-1, -np.inf)
        self.scores = []
        judge = train.task.judge(train.y.numpy())
        truth = validation.y.numpy()
        estimator = None
        fitted = {}
        for settings in self.grid:
            if estimator is not None and _would_repeat_fit(estimator, fitted, settings):
                self.scores.append(self.scores[-1])
                continue
            fitted = settings
            estimator = fit_estimator(self._make(settings), train)
            self.on_trial(len(self.scores) + 1)
            answers = self.answers(estimator, validation.x.numpy())
            value = judge(truth, check_answers(self.name, answers, validation))
            score = (self.count(estimator) if self.most else 0, value)
            self.scores.append((score[0], round(value * validation.size, SCORE_DIGITS)))
            if score > best:
                best = score
                self.estimator = estimator
                self.settings = settings

    def _search(self, train: Examples, parts: Sequence[Part]) -> None:
        """Keep the settings with the best answers to the texts that ``parts`` hold out, fitted on ``train``."""
        trials = search_settings(
            self._searched_grid(train),
            lambda settings: self.judge(settings, train, parts),
            self.strength,
            max(1, self._threads(train) // len(parts)),
            self.on_trial,
        )
        self.settings, self.judgement = best_trial(trials)
        n_held = sum(len(part.held_out) for part in parts)
        self.grid = [trial.settings for trial in trials]
        self.scores = [(0, round(trial.judgement.score * n_held, SCORE_DIGITS)) for trial in trials]
        self.estimator = fit_estimator(self._make(self.settings), train)

    def _searched_grid(self, train: Examples) -> list[Settings]:
        """Return the grid of a search by folds, with class weights too if the labels are uneven."""
        weighs = self.weighs_classes and train.uneven
        return with_class_weights(self.grid) if weighs else self.grid

    def count_trials(self, train: Examples) -> int:
        """Return the number of settings that `fit` tries at least."""
        return len(self._searched_grid(train)) if self.by_folds else len(self.grid)

    def judge(self, settings: Settings, train: Examples, parts: Sequence[Part]) -> Judgement:
        """Return the judgement of settings on the texts that parts of the training texts ``train`` hold out."""

        def answer(part: Part) -> NDArray[Any]:
            estimator = fit_estimator(self._make(settings), part.train)
            outputs = self.outputs(estimator, part.held_out.x.numpy())
            return check_answers(self.name, outputs, part.held_out)

        with ThreadPoolExecutor(min(len(parts), self._threads(train))) as pool:
            answers = list(pool.map(answer, parts))
        labels = [part.held_out.y.numpy() for part in parts]
        return judge_outputs(train.task, train.y.numpy(), labels, answers, self.usual_threshold)

    def _threads(self, train: Examples) -> int:
        """Return the number of fits at the same time: libsvm runs without Python's lock.

        A fit of many weights is alone, because scikit-learn's solver keeps about 25 numbers of 8 bytes for each.
        """
        labels = train.y.numpy()
        n_outputs = len(np.unique(labels)) if labels.ndim == 1 else labels.shape[1]
        is_large = n_outputs * self.dimension(train) > MOST_WEIGHTS_SIDE_BY_SIDE
        return thread_count() if len(train) >= MANY_TEXTS and not is_large else 1

    def dimension(self, train: Examples) -> int:
        """Return the length of the vectors that the estimator is fitted on."""
        return int(train.x.shape[1])

    @property
    def usual_threshold(self) -> float | None:
        """Return the threshold of `outputs` that is kept unless others are better; None: none are chosen."""
        return None

    def outputs(self, estimator: Any, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the answers of a fitted estimator, or its scores of several labels if thresholds are chosen."""
        return self.answers(estimator, x)

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return labels (N,) or values (N, T) of embeddings (N, D)."""
        return self.answers(self.estimator, x)

    def answers(self, estimator: Any, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return the answers of a fitted estimator as `predict` does, those of several labels by usual thresholds."""
        answers = np.asarray(estimator.predict(x))
        if answers.dtype.kind == "f":
            values = answers.astype(np.float64)
            return values[:, None] if values.ndim == 1 else values
        return answers.astype(np.int64) if answers.dtype.kind in "biu" else answers

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.floating] | None:
        """Return calibrated probabilities (N, k) of embeddings (N, D), or None if the estimator has none."""
        predict_proba = getattr(self.estimator, "predict_proba", None)
        if predict_proba is None:
            return None
        probabilities = np.asarray(predict_proba(x))
        temperature = self.temperature
        return probabilities if temperature is None else divide_logits(probabilities, temperature)

    def divide_logits_by(self, temperature: float) -> None:
        """Calibrate the fitted estimator's probabilities by a temperature, which changes no answer."""
        self.temperature = temperature
        self.settings = {"temperature": temperature, **self.settings}

    def exact_score(self, examples: Examples) -> None:
        """Return None: no circuit, no noise."""

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters of the chosen estimator."""
        n_parameters = self.count(self.estimator)
        return int(n_parameters) if isinstance(n_parameters, np.integer) else n_parameters


@contextmanager
def fitting_stage(
    on_event: OnEvent, head: Head, train: Examples, title: str | None = None
) -> Iterator[None]:
    """Send the start and the end of a head's fit around a block, and each setting that a search has tried.

    Args:
        on_event: receives the events.
        head: that the block fits.
        train: its training examples.
        title: of the stage; the head's name if None.
    """
    name = title or head.name
    if not isinstance(head, GridBaseline):
        with stage(on_event, "fitting", name):
            yield
        return
    with stage(on_event, "fitting", name, head.count_trials(train)) as head.on_trial:
        try:
            yield
        finally:
            head.on_trial = ignore_trial


def fit_estimator(estimator: Any, train: Examples) -> Any:
    """Return the estimator after its fit, with the weights of the texts if they have any and it takes them."""
    if train.relative is None or not takes_weights(estimator):
        return estimator.fit(train.x.numpy(), train.y.numpy())
    step_prefix = f"{estimator.steps[-1][0]}__" if hasattr(estimator, "steps") else ""
    weights = {f"{step_prefix}sample_weight": train.relative.numpy()}
    return estimator.fit(train.x.numpy(), train.y.numpy(), **weights)


def takes_weights(estimator: Any) -> bool:
    """Return whether the fit of an estimator, or of a pipeline's last step, takes scikit-learn's ``sample_weight``."""
    last_step = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    parameters = inspect.signature(last_step.fit).parameters
    is_open = any(part.kind is inspect.Parameter.VAR_KEYWORD for part in parameters.values())
    return is_open or "sample_weight" in parameters


def _would_repeat_fit(estimator: Any, fitted: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Return whether ``settings`` only raise an iteration limit that was not reached, so the fit would be the same."""
    limit = fitted.get("max_iter")
    if limit is None or fitted | {"max_iter": settings.get("max_iter")} != settings:
        return False
    return bool(settings["max_iter"] >= limit > np.max(getattr(estimator, "n_iter_", limit)))


def grid_points(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the points of a grid; the value of the last setting changes first."""
    from sklearn.model_selection import ParameterGrid

    return list(ParameterGrid(values))


def strength_setting(grid: str, name: str) -> str | None:
    """Return the setting whose values a search extends beyond the grid, None for the paper's grid, which is fixed."""
    return None if grid == "paper" else name
