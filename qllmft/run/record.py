"""A run's result, as ``result.json`` and ``validation.json`` hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from pydantic import PlainSerializer, TypeAdapter, ValidationError

from qllmft.config import NoiseConfig
from qllmft.config.noise import measured_on
from qllmft.data import Findings
from qllmft.errors import UserError
from qllmft.statistics import Accuracy, ClassScores
from qllmft_backends.validation import faults

FORMAT = 1  # runs of version 0.1 do not name it, and have this form

# in JSON an accuracy has its value and its interval beside the counts, for readers of the file
_Accuracy = Annotated[Accuracy, PlainSerializer(Accuracy.as_dict)]
_ClassScores = Annotated[ClassScores, PlainSerializer(ClassScores.as_dict)]


@dataclass(frozen=True)
class ModelResult:
    """What one model of a run came to: the head, or a baseline beside it.

    Attributes:
        name: as the run's table shows it.
        validation: accuracy on the validation texts.
        parameters: number of trained parameters; of an SVC its support vectors.
        seconds: wall time of the training; 0 where a summary of runs left it out.
        settings: what was chosen on the validation texts, by name.
        validation_exact: share of right validation answers without the noise of the head's circuit, in [0, 1]; None
            where the circuit has no noise.
        test: accuracy on the test texts; None where these were not read.
        test_exact: share of right test answers without the noise of the head's circuit, in [0, 1]; None where the
            circuit has no noise or the test texts were not read.
        test_classes: answers on the test texts class by class; None where these were not read, and in records of
            earlier versions.
    """

    name: str
    validation: _Accuracy
    parameters: int
    seconds: float = 0.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation_exact: float | None = None
    test: _Accuracy | None = None
    test_exact: float | None = None
    test_classes: _ClassScores | None = None

    @property
    def tested(self) -> Accuracy:
        """Accuracy on the test texts, of a run that has read them; ValueError where it has not."""
        if self.test is None:
            raise ValueError(f"the model {self.name!r} has no test accuracy: the run did not read the test texts.")
        return self.test


@dataclass(frozen=True)
class DataRecord:
    """The texts of a run."""

    source: str  # file, folder or name on the hub; what texts were that were given to Python, with their hash
    fingerprint: str  # hash of all texts and labels
    labels: tuple[str, ...]  # names of the k labels
    sizes: dict[str, int]  # number of texts by split: train, validation, test
    findings: Findings | None = None  # rows left out, duplicates, rare labels; None: there is nothing to say


@dataclass(frozen=True)
class LearnedBody:
    """How the body of a run learned."""

    contrastive_pairs: int  # pairs of texts in an epoch of the contrastive step; 0 where there was none
    with_head: bool  # the body's weights were trained together with the head's
    bytes: int = 0  # size of the saved body


@dataclass(frozen=True)
class BodyRecord:
    """The language model of a run."""

    model: str  # its name, or its folder
    identity: str  # name, revision and hash of the weights
    dimension: int  # D, length of an embedding
    learned: LearnedBody | None = None  # how it learned; None for a frozen one

    def __str__(self) -> str:
        """The body as a table names it.

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
    """The outcome of a run.

    Attributes:
        identity: hash of the configuration.
        seed: of the run.
        data: the texts.
        body: the language model.
        selected_epoch: epoch whose weights the head has, from 1.
        models: the head, then its baselines.
        versions: of Python and packages, by name.
        noise: of the head's circuit; None where there is none.
    """

    identity: str
    seed: int
    data: DataRecord
    body: BodyRecord
    selected_epoch: int
    models: tuple[ModelResult, ...]
    versions: dict[str, str] = field(default_factory=dict)
    noise: NoiseConfig | None = None

    @property
    def trajectories(self) -> str:
        """What a noisy accuracy is measured on, in words; "" without gate noise."""
        if self.noise is None or self.noise.gates == "none":
            return ""
        noise = self.noise
        return measured_on(noise.shots, noise.trajectories, per_shot=noise.shot_test == "per_shot")

    @property
    def head(self) -> ModelResult:
        """The run's own head; the other models are its baselines."""
        return self.models[0]

    def model(self, name: str) -> ModelResult | None:
        """The model of that name; None where the run has none."""
        return next((model for model in self.models if model.name == name), None)

    def without_test(self) -> RunRecord:
        """The record without any value of the test texts."""
        return replace(
            self, models=tuple(replace(model, test=None, test_exact=None, test_classes=None) for model in self.models)
        )

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values, with the number of its form; what is None is left out."""
        return {"format": FORMAT, **_ADAPTER.dump_python(self, mode="json", exclude_none=True)}

    @classmethod
    def from_json(cls, content: Any, origin: str) -> RunRecord:
        """Read a record of this form, or of an earlier one; UserError where it is none, or of a later one."""
        found = content.get("format", FORMAT) if isinstance(content, dict) else None
        if isinstance(content, dict) and found != FORMAT:
            raise UserError(f"{origin} has format {found!r}; this version reads {FORMAT}. Install a later qllmft.")
        try:
            record = _ADAPTER.validate_python(content)
        except ValidationError as error:
            raise UserError(
                f"{origin} is not a run's record of the form that this version writes: {faults(error)[0]}. "
                "Use the version of qllmft that trained the run, or delete the file and run the same command again."
            ) from None
        if not record.models:
            raise UserError(f"{origin} is a run's record without a model; expected the head and its baselines.")
        return record


_ADAPTER = TypeAdapter(RunRecord)
