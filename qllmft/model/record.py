"""Record of a stored model, the content of ``model.json``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from qllmft.ansatze import ANSATZE
from qllmft.config import BodyConfig, KernelConfig, ModelConfig, SurrogateConfig
from qllmft.config.data import PairFeatures
from qllmft.config.section import NEUTRAL, Section
from qllmft.errors import UserError
from qllmft.files import parse_json, read_text
from qllmft.tasks import TASKS, TaskName
from qllmft_backends.plugins import BUILT_IN
from qllmft_backends.validation import faults

FILE = "model.json"
FORMAT: Final = 1
# of a body, which belongs to the run
_TRAINING = {"trainable", "contrastive", "lora"}
_Logit = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_Probability = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]


class CheckLogits(Section):
    """Logits of the check embedding, see `check_logits`."""

    logits: tuple[_Logit, ...]


class StoredNumbers(Section):
    """Size of the means and axes that a head reads besides its parameters."""

    stored: StrictInt


class ModelRecord(Section):
    """Everything of a stored model but its weights."""

    model_config = ConfigDict(populate_by_name=True)

    format: Literal[1] = FORMAT
    config: ModelConfig = Field(alias="model")  # structure of the classifier
    # of a classical surrogate of that structure
    surrogate: Annotated[SurrogateConfig | None, NEUTRAL] = None
    # of support vectors in place of that structure
    kernel: Annotated[KernelConfig | None, NEUTRAL] = None
    body: BodyConfig  # language model of the embeddings
    # the body was trained, and its folder is `OWN_BODY`
    own_body: Annotated[StrictBool, NEUTRAL] = False
    body_identity: StrictStr  # hash of the body's weights
    dimension: Annotated[StrictInt, Field(ge=1)]  # D
    label_names: tuple[StrictStr, ...]  # names of the k labels
    # meaning of the logits: of one label per text, of several, or real targets
    task: Annotated[TaskName, NEUTRAL] = "classification"
    # vector of a pair of texts; None: texts are single
    pair: Annotated[PairFeatures | None, NEUTRAL] = None
    # least probability of each of several labels per text; None: 1/2, or one label per text
    thresholds: Annotated[tuple[_Probability, ...] | None, NEUTRAL] = None
    # probabilities of the true labels of validation texts, ascending; None: not one label per text
    true_probabilities: Annotated[tuple[_Probability, ...] | None, NEUTRAL] = None
    n_parameters: StrictInt = 0
    data_map: Annotated[StoredNumbers | None, NEUTRAL] = None
    # package of the ansatz, with its version
    ansatz_source: Annotated[StrictStr, NEUTRAL] = BUILT_IN
    check: Annotated[CheckLogits | None, NEUTRAL] = None
    # of Python and packages, by name
    versions: dict[StrictStr, StrictStr] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names, task = self.label_names, TASKS[self.task]
        if len(names) < task.fewest_names or len(set(names)) != len(names):
            raise ValueError(
                f"label_names has {names}, expected {task.fewest_names} or more different names"
            )
        if self.thresholds is not None and (not task.several or len(self.thresholds) != len(names)):
            raise ValueError(
                f"it has {len(self.thresholds)} thresholds, task {self.task} and {len(names)} labels"
            )
        if self.check is not None and len(self.check.logits) != len(names):
            raise ValueError(
                f"check.logits has {len(self.check.logits)} numbers, expected {len(names)}"
            )
        return self

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        hidden: dict[str, Any] = dict.fromkeys(self.unchanged(), True)
        hidden["body"] = _TRAINING | self.body.unchanged()
        return self.model_dump(mode="json", by_alias=True, exclude=hidden)


def read_record(folder: Path) -> ModelRecord:
    """Return the record of the model in a folder, or raise UserError if it is missing, damaged or of another format."""
    try:
        found: Any = parse_json(read_text(folder / FILE))
    except FileNotFoundError:
        raise no_model(folder, FILE) from None
    except (ValueError, OSError) as error:  # not JSON, or not UTF-8
        raise UserError(f"the model in {folder} cannot be read: {FILE}: {error}.") from error
    record: dict[str, Any] = found if isinstance(found, dict) else {}
    if type(record.get("format")) is not int or record["format"] != FORMAT:
        raise UserError(
            f"the model in {folder} has format {record.get('format')!r}; this version reads {FORMAT}. "
            "Install the version of qllmft that wrote it, or train it again."
        )
    _check_ansatz(record, folder)
    try:
        return ModelRecord.model_validate(record)
    except ValidationError as error:
        raise misfit(folder, f"{faults(error)[0]}.") from None


def no_model(folder: Path, missing: str) -> UserError:
    """Return the error about a file that is missing."""
    return UserError(
        f"there is no trained model in {folder} ({missing} is missing). "
        "Give the folder of a finished run, as `qllmft train` prints it."
    )


def misfit(folder: Path, reason: object) -> UserError:
    """Return the error about a record that has unknown values, or not those of the weights."""
    return UserError(f"the model in {folder} does not fit its record: {reason}")


def _check_ansatz(record: dict[str, Any], folder: Path) -> None:
    """Raise UserError if an ansatz of the record is unknown, without an import of its package."""
    model = record.get("model")
    for key in ("ansatz", "encoder_ansatz"):
        name = model.get(key) if isinstance(model, dict) else None
        if isinstance(name, str) and name not in ANSATZE:
            raise UserError(
                f"the model in {folder} was trained with the ansatz {name!r} "
                f"({record.get('ansatz_source', 'of unknown source')}), which is not installed; there are "
                f"{', '.join(ANSATZE)}. Install its package, or call qllmft.register('ansatz', {name!r}, ...) first."
            )
