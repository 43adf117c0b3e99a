"""Interface of every head in a comparison (fit, choose on validation, predict, score), and the baselines by name."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines.checks import check_answers, check_head, check_maker, convert_settings
from qllmft.config import RunConfig
from qllmft.tasks import TaskName
from qllmft.tasks.measure import Score
from qllmft_base.errors import UserError, check_whole_number
from qllmft_base.files import folder_name
from qllmft_base.plugins import GROUPS, Registry

if TYPE_CHECKING:
    from qllmft.training import Examples

Grid = Literal["small", "paper"]


class Head(Protocol):
    """Quantum head or classical baseline in a comparison."""

    @property
    def name(self) -> str:
        """Return the name in tables."""

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters: an SVC's support vectors (paper, footnote 2), quantised words."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return the choices of validation by name, after `fit`."""

    @property
    def interrupted(self) -> bool:
        """Return whether Ctrl-C or SIGTERM ended the last `fit` early."""

    def fit(self, train: Examples, validation: Examples) -> None:
        """Train on ``train``, and choose epoch or settings on ``validation``."""

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return answers for embeddings (N, D): labels (N,), values (N, T), or leads (N, L) of several labels.

        A lead is the score of a label over its threshold; a text gets the labels whose lead is not negative.
        """

    def exact_score(self, examples: Examples) -> float | None:
        """Return the score of the task without noise of the head's circuit, or None if there is no noise."""


_HEAD_NAMES = (
    *("name", "n_parameters", "settings", "interrupted"),
    "fit",
    "predict",
    "exact_score",
)


@dataclass(frozen=True)
class Baseline:
    """Classical head that a run can name and fits next to its own."""

    label: str  # name in tables; the name of the head that is made may be longer
    # returns the head, not yet fitted. Its arguments are the run's configuration, the number of
    # parameters of the run's own head, the embedding's dimension D and the number k of labels.
    make: Callable[[RunConfig, int, int, int], Head]
    _: KW_ONLY
    # hyperparameters are searched; a trained head's epoch is not one of them
    tuned: bool
    tasks: tuple[TaskName, ...] = ("classification",)  # that the head can learn
    # the head is a search over a grid, which depends on ``config.baselines`` and the seed alone
    is_grid: bool = False
    # with more training texts it is left out, since its time grows with their square; None: never
    most_texts: int | None = None

    def __post_init__(self) -> None:
        check_maker(self.label, self.make)

    def make_head(self, config: RunConfig, n_parameters: int, dimension: int, k: int) -> Head:
        """Return the head of a run, see ``make``.

        Args:
            config: of the run.
            n_parameters: number of trained parameters of the run's own head.
            dimension: D of the embeddings.
            k: number of labels or targets.

        Raises:
            UserError: if the result is no head.
        """
        head = self.make(config, n_parameters, dimension, k)
        check_head(self.label, head, _HEAD_NAMES)
        return head

    @classmethod
    def from_grid(
        cls,
        label: str,
        make: Callable[[Grid], Head],
        tasks: tuple[TaskName, ...] = ("classification",),
        most_texts: int | None = None,
    ) -> Baseline:
        """Return a tuned baseline of a grid, or of ``config.baselines.points`` of it.

        Args:
            label: name in tables.
            make: maps the name of a grid to a head that is not yet fitted and searches the grid.
                The head has a method ``apply_search``, as that of `GridBaseline`.
            tasks: those that the head can learn; a configuration of another task that names it is
                an error.
            most_texts: with more training texts the baseline is left out; None: never.
        """
        check_maker(label, make)

        def make_head(config: RunConfig, *_: int) -> Any:
            head: Any = make(config.baselines.grid)
            check_head(label, head, (*_HEAD_NAMES, "apply_search"))
            return head.apply_search(config)

        return cls(label, make_head, tuned=True, tasks=tasks, is_grid=True, most_texts=most_texts)


def baseline(
    label: str,
    *,
    tuned: bool = False,
    tasks: tuple[TaskName, ...] = ("classification",),
    most_texts: int | None = None,
) -> Callable[[Callable[[RunConfig, int, int, int], Head]], Baseline]:
    """Return a decorator that makes a `Baseline` of the function that returns its head.

    Args:
        label: name in tables.
        tuned: hyperparameters are searched.
        tasks: those that the head can learn.
        most_texts: with more training texts the baseline is left out; None: never.
    """
    return lambda make: Baseline(label, make, tuned=tuned, tasks=tasks, most_texts=most_texts)


@dataclass(frozen=True)
class FittedHead:
    """Trained head before its test."""

    head: Head
    validation_answers: NDArray[Any]  # see `Head.predict`, of the validation texts
    validation: Score  # of these answers
    seconds: float  # wall time of the training
    # accuracy in [0, 1] without the circuit's noise; None if there is none
    validation_exact: float | None = None


def collect_answers(head: Head, examples: Examples, n_labels: int | None = None) -> NDArray[Any]:
    """Return the answers of a head, see `Head.predict`, after `check_answers`."""
    return check_answers(head.name, head.predict(examples.x.numpy()), examples, n_labels)


def check_fitted(head: Head) -> None:
    """Raise UserError unless a fitted head has a number of parameters, and settings that JSON can hold."""
    argument = f"n_parameters of the baseline {head.name!r}"
    check_whole_number(argument, head.n_parameters, 0, ", its number of trained parameters")
    convert_settings(head.name, head.settings)


def fit_and_score(
    head: Head, train: Examples, validation: Examples, n_labels: int | None = None
) -> FittedHead:
    """Fit a head, and score it on the validation texts, as `score_head` does.

    Args:
        head: not yet fitted.
        train: embeddings of the training texts.
        validation: those of the validation texts, by which the head may choose its settings.
        n_labels: k, of one label per text; None if it is not known.
    """
    started = time.perf_counter()
    head.fit(train, validation)
    return score_head(head, validation, time.perf_counter() - started, n_labels)


def score_head(
    head: Head, validation: Examples, seconds: float, n_labels: int | None = None
) -> FittedHead:
    """Score a head on the validation texts after its training.

    Args:
        head: after its training.
        validation: embeddings of the validation texts.
        seconds: of the training.
        n_labels: k, of one label per text; None if it is not known.

    Raises:
        UserError: if the head gives answers, parameters or settings that it must not.
    """
    check_fitted(head)
    exact = head.exact_score(validation)
    answers = collect_answers(head, validation, n_labels)
    return FittedHead(head, answers, score_answers(validation, answers), seconds, exact)


def score_answers(examples: Examples, answers: NDArray[Any]) -> Score:
    """Return the score of answers, see `Head.predict`."""
    return examples.task.scores.from_answers(examples.y.numpy(), answers)


_BUILT_IN_PLACES = {
    "logistic_regression": "classical:LOGISTIC_REGRESSION",
    "logistic_regression_c1": "classical:plain_logistic_regression",
    "logistic_regression_same_vectors": "vectors:same_vectors",
    "svc": "classical:SUPPORT_VECTORS",
    "svc_full": "classical:FULL_SVC",
    "svc_quadratic": "vectors:quadratic_svc",
    "mlp": "networks:mlp",
    "low_rank": "networks:low_rank",
    "pca": "vectors:principal_axes",
    "random_projection": "vectors:random_axes",
    "quantised": "vectors:quantised_regression",
    "ridge": "classical:RIDGE",
    "svr": "classical:SUPPORT_VECTOR_REGRESSION",
    "linear": "networks:linear_layer",
    "logistic_regression_ovr": "classical:LOGISTIC_REGRESSION_OVR",
    "svc_ovr": "classical:SVC_OVR",
    "tfidf": "words:tfidf",
}
_BUILT_IN = {
    name: EntryPoint(name, f"qllmft.baselines.{place}", GROUPS["baseline"])
    for name, place in _BUILT_IN_PLACES.items()
}
BASELINES: Registry[Baseline] = Registry("baseline", Baseline, _BUILT_IN, UserError)


def check_baselines(names: Iterable[str], task: TaskName = "classification") -> None:
    """Raise UserError, before any work, unless all ``names`` are baselines of the task that can be imported."""
    for name in names:
        if name not in BASELINES:
            from qllmft.heads.own_head import missing_head_remedy  # it imports torch

            if remedy := missing_head_remedy(name):
                raise UserError(remedy)
            raise UserError(
                f"baselines.names has {name!r}, expected some of {', '.join(BASELINES)}, or none: []."
            )
        named_baseline = BASELINES[name]  # imports that of a package, which may fail
        if task not in named_baseline.tasks:
            task_baselines = [name for name in BASELINES if task in BASELINES[name].tasks]
            raise UserError(
                f"baselines.names has {name!r}, which is not for {task}, expected some of {', '.join(task_baselines)}."
            )


# names of a run's own head in the table, which a trained body makes longer, and of its control
QUANTUM_HEAD = "quantum head"
CLASSICAL_HEAD = "classical head"
# row of a table: the best linear model of the latent values
WITHOUT_CIRCUIT = "no circuit (ablation)"
# setting of a model whose estimator takes no weights of texts
WITHOUT_WEIGHTS = {"sample_weight": "not used"}
RESERVED_NAMES = (
    *(QUANTUM_HEAD, CLASSICAL_HEAD),
    *(f"{QUANTUM_HEAD} and body", f"{CLASSICAL_HEAD} and body"),
    WITHOUT_CIRCUIT,
)

MAX_SUPPORT_VECTOR_TEXTS = 20_000  # training texts of support vectors; fits of more take hours


def left_out_baselines(config: RunConfig, n_texts: int) -> list[str]:
    """Return the names of a run's baselines that so many training texts leave out."""
    limits = {name: BASELINES[name].most_texts for name in config.baselines.names}
    return [
        name
        for name, most_texts in limits.items()
        if most_texts is not None and n_texts > most_texts
    ]


def make_baselines(
    config: RunConfig, n_parameters: int, dimension: int, n_classes: int, n_texts: int = 0
) -> list[Head]:
    """Return the baselines of a run, not yet fitted, without those that `left_out_baselines` names.

    Args:
        config: of the run, with the names of the baselines.
        n_parameters: number of trained parameters of the run's own head.
        dimension: D of the embeddings.
        n_classes: k, number of labels or targets.
        n_texts: number of training texts.

    Raises:
        UserError: for a name that is unknown, not for the task or repeated, or for two rows of the table with one name.
    """
    for name, count in Counter(config.baselines.names).items():
        if count > 1:
            raise UserError(
                f"baselines.names has {name!r} {count} times, expected each name once. Leave the others out."
            )
    check_baselines(config.baselines.names, config.data.task)
    excluded_names = left_out_baselines(config, n_texts)
    heads = {
        name: BASELINES[name].make_head(config, n_parameters, dimension, n_classes)
        for name in config.baselines.names
        if name not in excluded_names
    }
    _check_row_names(heads)
    return list(heads.values())


def _check_row_names(heads: Mapping[str, Head]) -> None:
    """Raise UserError unless heads, by the baselines' names, have names of their own in the table."""
    owners: dict[str, str] = {}
    for baseline_name, head in heads.items():
        if not isinstance(head.name, str) or not folder_name(head.name):
            raise UserError(
                f"the head of the baseline {baseline_name!r} has the name {head.name!r}, expected a text with Latin "
                "letters or digits, for tables and its folder."
            )
        folder = folder_name(head.name)
        if folder in map(folder_name, RESERVED_NAMES):
            raise UserError(
                f"the head of the baseline {baseline_name!r} has the name {head.name!r}, which is that of a run's own "
                "row. Choose another name."
            )
        if folder in owners:
            raise UserError(
                f"the heads of the baselines {owners[folder]!r} and {baseline_name!r} have the same name "
                f"{head.name!r} but for capitals and marks, expected two names. Rename one, or leave one out of "
                "baselines.names."
            )
        owners[folder] = baseline_name
