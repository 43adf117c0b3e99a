"""Record of a run: the content of result.json and validation.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    GetPydanticSchema,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from qllmft.baselines.head import WITHOUT_CIRCUIT as WITHOUT_CIRCUIT
from qllmft.config import NoiseConfig
from qllmft.data import Findings
from qllmft.run.predictions import Predictions
from qllmft.tasks.accuracy import (
    UNEVEN_SHARE,
    Accuracy,
    ClassScores,
)
from qllmft.tasks.calibration import Calibration
from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.measure import Score
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.ordered import OrderedScores
from qllmft.tasks.regression import TargetScores
from qllmft_backends.protocol import Sampling
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_base.validation import faults

FORMAT = 1
_SPLITS = ("train", "validation", "test")
_TEST_FIELDS = (  # fields of a model
    *("test", "test_exact", "circuit_dependence", "against_head", "without_circuit"),
    *("test_classes", "test_calibration", "test_ordered"),
)

# JSON has the value and the interval of an accuracy, too, for readers of the file
_Score = Annotated[
    Score,
    GetPydanticSchema(lambda _, schema_of: schema_of(Accuracy | TargetScores | LabelSetScores)),
    PlainSerializer(lambda score: score.as_dict()),
]


def _check_sizes(sizes: dict[str, int]) -> dict[str, int]:
    """Return the sizes of splits, or raise ValueError if one of the three is missing."""
    if missing := {*_SPLITS} - sizes.keys():
        raise ValueError(f"there is no number of {', '.join(sorted(missing))} texts")
    return sizes


def _check_paired_by_text(difference: PairedDifference) -> PairedDifference:
    """Return a difference of two trained models, or raise ValueError if it is none."""
    if difference.interval is None or difference.p is None or difference.n is not None:
        raise ValueError("expected the interval and the p of a difference paired by text")
    return difference


_DifferenceByText = Annotated[PairedDifference, AfterValidator(_check_paired_by_text)]
_Calibration = Annotated[Calibration, PlainSerializer(Calibration.as_dict)]
_ClassScores = Annotated[ClassScores, PlainSerializer(ClassScores.as_dict)]


@dataclass(frozen=True)
class WithoutCircuit:
    """Result of the best linear model of a head's latent values, the same model without the head's circuit."""

    parameters: int  # number of trained parameters
    validation: _Score  # on the validation texts
    test: _Score  # on the test texts
    settings: Mapping[str, Any]  # that were chosen, by name
    gain: float  # test score of the head minus its own
    gain_interval: tuple[float, float]  # 95 %, paired by text


@dataclass(frozen=True)
class ModelResult:
    """Result of one model of a run: the head or a baseline."""

    name: str  # in the run's table
    validation: _Score  # on the validation texts: accuracy of labels, or scores of real targets
    parameters: int  # number of trained parameters; for an SVC, of support vectors
    seconds: float = 0.0  # wall time of the training
    # that were chosen, by name
    settings: Mapping[str, Any] = field(default_factory=dict)
    # share of right validation answers without the noise of the head's circuit, in [0, 1]; None if
    # the circuit has no noise
    validation_exact: float | None = None
    test: _Score | None = None  # on the test texts; None if they were not read
    test_exact: float | None = None  # like ``validation_exact``, for the test texts
    # share of test answers that change if the measured circuits return only noise, see
    # `Task.changed_share`; None without a circuit
    circuit_dependence: float | None = None
    # test score of the head minus its own: of accuracies, or of balanced accuracies if most training
    # texts have one label; None for the head itself, and without the test texts
    against_head: _DifferenceByText | None = None
    # control of a quantum head on the test texts; None if they were not read
    without_circuit: WithoutCircuit | None = None
    # scores on the test texts class by class; None if they were not read
    test_classes: _ClassScores | None = None
    # calibration of the probabilities of the test texts; None if they were not read or the model
    # has no probabilities
    test_calibration: _Calibration | None = None
    # of the test answers to ordered labels; None if they were not read or labels have no order
    test_ordered: OrderedScores | None = None
    # whether models are compared by balanced accuracy, which the training labels decide; None: the
    # test labels decide
    balanced: bool | None = None
    # balanced accuracy on the validation texts, in [0, 1]; None unless models are compared by it
    validation_balanced: float | None = None

    @property
    def tested(self) -> Score:
        """Return the score on the test texts, or raise ValueError if they were not read."""
        if self.test is None:
            raise ValueError(
                f"the model {self.name!r} has no test accuracy: the run did not read the test texts."
            )
        return self.test

    @property
    def uneven(self) -> ClassScores | None:
        """Return the scores class by class if models are compared by balanced accuracy, or None."""
        classes = self.test_classes
        if classes is None:
            return None
        return classes if (classes.uneven if self.balanced is None else self.balanced) else None

    @property
    def is_constant(self) -> bool:
        """Return whether every test text got the same answer."""
        return self.test_classes is not None and self.test_classes.is_constant

    @property
    def compared_value(self) -> float:
        """Return the test score by which models are compared: balanced accuracy if classes are uneven."""
        return self.uneven.balanced if self.uneven else self.tested.value

    @property
    def compared_validation(self) -> float:
        """Return the validation score in the measure by which models are compared."""
        balanced = self.validation_balanced
        return self.validation.value if balanced is None else balanced

    @property
    def compared_score(self) -> str:
        """Return `compared_value` in words."""
        measure = self.tested.measure
        return measure.percent(self.compared_value, measure.coarse)

    @property
    def subject(self) -> str:
        """Return the name before a verb: a second comma ends an apposition, as of ``quantum head, odd``."""
        return f"{self.name}," if ", " in self.name and not self.name.startswith("`") else self.name


@dataclass(frozen=True)
class DataRecord:
    """Texts of a run."""

    source: str  # file, folder or name on the hub; kind and hash of texts in memory
    fingerprint: str  # hash of all texts and labels
    labels: tuple[str, ...]  # names of the k labels, or of the real targets
    # number of texts by split: train, validation, test
    sizes: Annotated[dict[str, int], AfterValidator(_check_sizes)]
    # rows left out, duplicates, rare labels; None if there are none
    findings: Findings | None = None
    split: str | None = None  # rule of the split, in words; None of pooled folds
    # of the training texts, in which they validate; None: other texts validate
    validation_folds: int | None = None
    # number of runs of which this is the pooled record; sizes are then sums over them
    folds: int | None = None
    # share of the training texts with the most frequent label, in [0, 1]; None unless a text has
    # one label
    majority: float | None = None
    # number of the last labels that no text for training has; None if there are none
    unseen: int | None = None

    @property
    def n_learned(self) -> int:
        """Return the number of labels, the first ones, that the models have learned."""
        return len(self.labels) - (self.unseen or 0)

    @property
    def balanced(self) -> bool | None:
        """Return whether models are compared by balanced accuracy, or None if the training labels are not known."""
        return None if self.majority is None else self.majority > UNEVEN_SHARE

    @property
    def counts(self) -> str:
        """Return ``130 training, 24 validation, 9,101 test texts``."""
        if self.folds:
            mean = {part: round(size / self.folds) for part, size in self.sizes.items()}
            fold_counts = replace(self, folds=None, sizes=mean).counts
            return f"{self.sizes['test']:,} texts in {self.folds} folds of about {fold_counts}"
        train, validation, test = (self.sizes[part] for part in _SPLITS)
        if self.validation_folds:
            return f"{train:,} training (cross-validated in {self.validation_folds} folds), {test:,} test texts"
        return f"{train:,} training, {validation:,} validation, {format_count(test, 'test text')}"

    @property
    def validation_heading(self) -> str:
        """Return the heading of validation scores: ``validation``, or ``validation, 3 folds``."""
        folds = self.validation_folds
        return f"validation, {folds} folds" if folds else "validation"


@dataclass(frozen=True)
class LearnedBody:
    """Training of a run's body."""

    contrastive_pairs: int  # pairs of texts in an epoch of the contrastive step; 0 without one
    with_head: bool  # the body was trained together with the head
    bytes: int = 0  # size of the saved body


@dataclass(frozen=True)
class BodyRecord:
    """Language model of a run."""

    model: str  # its published name, and no path
    identity: str  # name, revision and hash of all files of the body that the head reads
    dimension: int  # D, length of an embedding
    learned: LearnedBody | None = None  # None for a frozen body
    # SHA-256 of the weights before any training; "" if they are not on this machine
    weights: str = ""

    def __str__(self) -> str:
        """Return the body's name in tables.

        >>> str(BodyRecord("minilm", "…", 384, LearnedBody(contrastive_pairs=40, with_head=True)))
        'minilm (contrastive step, trained with the head)'
        """
        if self.learned is None:
            return self.model
        steps = ["contrastive step"] if self.learned.contrastive_pairs else []
        steps += ["trained with the head"] if self.learned.with_head else []
        return f"{self.model} ({', '.join(steps)})"


@dataclass(frozen=True)
class RunRecord:
    """Record of a run."""

    identity: str  # hash of the configuration
    seed: int  # of the run
    data: DataRecord  # the texts
    body: BodyRecord  # the language model
    selected_epoch: int  # epoch of the head's weights, from 1; of several folds, the first one's
    models: tuple[ModelResult, ...]  # the head, then its baselines
    versions: dict[str, str] = field(default_factory=dict)  # of Python and packages, by name
    noise: NoiseConfig | None = None  # of the head's circuit, or None
    # time at which the first call of the run began, in ISO 8601 and UTC; None if it is not known
    started: str | None = None

    @property
    def trajectories(self) -> str:
        """Return the kind of trajectories of a noisy accuracy, in words, or "" without gate noise."""
        if self.noise is None or self.noise.gates == "none":
            return ""
        noise = self.noise
        return str(Sampling(noise.shots, noise.trajectories, noise.shot_test == "per_shot"))

    @property
    def head(self) -> ModelResult:
        """Return the run's own head, followed by its baselines in `models`."""
        return self.models[0]

    def model(self, name: str) -> ModelResult | None:
        """Return the model of that name, or None."""
        return next((model for model in self.models if model.name == name), None)

    def without_test(self) -> RunRecord:
        """Return the record without any value of the test texts."""
        empty_fields: dict[str, Any] = dict.fromkeys(_TEST_FIELDS)
        return replace(self, models=tuple(replace(model, **empty_fields) for model in self.models))

    def with_differences(self, answers: Predictions | None) -> RunRecord:
        """Return the record with the differences of the kept answers, if it has none."""
        head, *baselines = self.models
        if answers is None or all(model.against_head for model in baselines):
            return self
        balanced = head.uneven is not None
        models = (
            replace(model, against_head=answers.against_head(model.name, balanced=balanced))
            for model in baselines
        )
        return replace(self, models=(head, *models))

    def with_model_first(self, name: str) -> RunRecord:
        """Return the record with another model first, and no differences to it."""
        models = sorted(self.models, key=lambda model: model.name != name)
        return replace(self, models=tuple(replace(model, against_head=None) for model in models))

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values without None, with the number of its format."""
        return {"format": FORMAT, **_ADAPTER.dump_python(self, mode="json", exclude_none=True)}

    @classmethod
    def from_json(cls, content: Any, origin: str) -> RunRecord:
        """Read a record, or raise UserError if it has another format."""
        if isinstance(content, dict) and (format_number := content.get("format", FORMAT)) != FORMAT:
            raise UserError(
                f"{origin} has format {format_number!r}. This version reads {FORMAT}. Install a later qllmft."
            )
        try:
            record = _ADAPTER.validate_python(content)
        except ValidationError as error:
            raise UserError(
                f"{origin} is not a run's record of the form that this version writes: {faults(error)[0]}. "
                "Use the version of qllmft that trained the run, or delete the file and run the same command again."
            ) from None
        if not record.models:
            raise UserError(
                f"{origin} is a run's record without a model, expected the head and its baselines."
            )
        untested = [model.name for model in record.models if model.test is None]
        if 0 < len(untested) < len(record.models):
            raise UserError(
                f"{origin} is a run's record without a test score of {untested[0]!r}, and other models have one. "
                "Delete the file and run the same command again."
            )
        return record


_ADAPTER = TypeAdapter(RunRecord)
