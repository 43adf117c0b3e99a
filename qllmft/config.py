"""The configuration of a run: small, typed, checked before any work. Table I's symbols stand beside their names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from qllmft.errors import UserError
from qllmft.model_config import IDENTITY, Count, NonNegative, Positive, Section
from qllmft.model_config import ModelConfig as ModelConfig
from qllmft.noise_config import NoiseConfig as NoiseConfig

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]

EMBEDDED = "reviews"  # the corpus that comes with the package
IN_MEMORY = "in memory: "  # how the source of texts begins that were no file; kind, size and hash of them follow
PAPER_PER_LABEL = 256
EMBEDDED_PER_LABEL = 200
# options of backends that say where circuits are sent, whose key pays, what was paid, and who agreed to how much
PERSONAL_OPTIONS = (
    "url",
    "token_file",
    "ledger",
    "yes",
    "max_cost",
    "session_max_cost",
    "session_max_minutes",
    "circuit_budget",
    "allow_paid_training",
)


class DataConfig(Section):
    """Where the labelled texts come from and how they are split."""

    later = ("delimiter", "bad_rows", "duplicates")
    source: str = "SetFit/sst2"  # "reviews" (embedded), a file, a folder of splits, or a data set's name on the hub
    subset: str | None = None  # configuration of a hub data set
    revision: str | None = None  # revision of a hub data set
    text_column: str = "text"
    label_column: str = "label"
    protocol: Literal["paper", "given"] = "paper"
    n_per_label: Positive | None = None  # drawn for training and validation; None: see `drawn_per_label`
    train_fraction: Fraction = 0.85  # of the drawn; the rest is validation
    delimiter: str | None = None  # between the fields of a .csv or .tsv file; None: the comma, and the tab
    bad_rows: Literal["error", "skip"] = "error"  # rows without a text or a label
    duplicates: Literal["keep", "drop"] = "keep"  # texts that are there more than once; see `Corpus.without_duplicates`

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, delimiter: str | None) -> str | None:
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
            raise ValueError("expected one character, such as ';', or \\t for the tab")
        return delimiter

    @model_validator(mode="after")
    def _two_columns(self) -> Self:
        if self.text_column == self.label_column:
            raise ValueError(f"text_column and label_column are both {self.text_column!r}; choose two")
        return self

    @property
    def drawn_per_label(self) -> int | None:
        """n_per_label with its default: 256 by the paper's protocol (200 of the small embedded corpus); else all."""
        if self.n_per_label is not None or self.protocol == "given":
            return self.n_per_label
        return EMBEDDED_PER_LABEL if self.source == EMBEDDED else PAPER_PER_LABEL


# chosen on one half of the drawn texts of SST-2, for the other half: docs/decisions/0012-contrastive-step.md
SUPERVISED = {"epochs": 8, "batch_size": 64, "lr": 1e-4, "temperature": 0.1}


class ContrastiveConfig(Section):
    """SetFit's first step (arXiv 2209.11055, section 3.1): the body alone learns which training texts share a label.

    Loss "cosine" is SetFit's: a pair's cosine similarity is drawn to 1 where the labels are the same, and to 0 where
    they differ. Loss "supervised" (arXiv 2004.11362, eq. 2) takes all pairs of texts in a batch: it has no iterations,
    and what is not given is as in `SUPERVISED`.
    """

    later = ("loss", "temperature")
    iterations: Count = 0  # SetFit's R: pairs of the same label, and as many of different ones, a text; 0: no such step
    epochs: Positive = 1
    batch_size: Positive = 16  # pairs; texts where the loss is supervised
    lr: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2e-5  # highest: it rises for a tenth of the steps
    loss: Literal["cosine", "supervised"] = "cosine"
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None  # of the supervised loss

    @model_validator(mode="before")
    @classmethod
    def _chosen_settings(cls, tree: Any) -> Any:
        supervised = isinstance(tree, dict) and tree.get("loss") == "supervised"
        return {**SUPERVISED, **tree} if supervised else tree

    @property
    def switched_on(self) -> bool:
        """Whether there is such a step."""
        return self.iterations > 0 or self.loss == "supervised"

    @model_validator(mode="after")
    def _switched_on(self) -> Self:
        if self.loss == "supervised":
            if self.iterations:
                raise ValueError(
                    f"iterations is {self.iterations} and loss 'supervised', which takes all pairs of a batch; leave "
                    "iterations out, or set loss to 'cosine'"
                )
            if self.batch_size < 2:
                raise ValueError("loss 'supervised' compares the texts of a batch: set batch_size to 2 or more")
            return self
        if self.temperature is not None:
            raise ValueError(
                f"temperature is {self.temperature:g} and loss 'cosine' has none; set loss to 'supervised'"
            )
        if not self.iterations and (given := self.given(type(self).model_fields)):
            raise ValueError(
                f"iterations is 0, so {', '.join(given)} would not be read; set iterations (SetFit's is 20)"
            )
        return self


class BodyConfig(Section):
    """The language model that turns a text into a vector; frozen unless it is told to learn."""

    later = ("trainable", "contrastive")
    model: str = "sentence-transformers/paraphrase-mpnet-base-v2"  # hub name, local folder, or "minilm" (offline)
    revision: str | None = None
    batch_size: Positive = 64
    device: str | None = None  # None: sentence-transformers chooses
    trainable: bool = False  # its weights learn together with the head's
    contrastive: ContrastiveConfig = ContrastiveConfig()

    @property
    def learns(self) -> bool:
        """Whether the run has a body of its own in the end."""
        return self.trainable or self.contrastive.switched_on

    def saved_in(self, folder: Path) -> BodyConfig:
        """A frozen body that was saved in ``folder``, run on the same device in batches of the same size."""
        return BodyConfig(model=str(folder), batch_size=self.batch_size, device=self.device)


class TrainConfig(Section):
    """Optimisation of the cross-entropy."""

    later = ("body_lr", "optimizer", "ridge_c")
    epochs: Positive = 800
    batch_size: Positive = 16  # B
    lr: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 2.5e-3  # L
    lr_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0  # γ, a factor an epoch
    schedule: Literal["exponential", "cosine"] = "exponential"  # cosine: from lr to 0 over the epochs
    weight_decay: NonNegative = 0.0  # ρ
    select: Literal["accuracy", "last"] = "accuracy"  # which epoch: best on validation (then lower loss), or the last
    embedding_noise: NonNegative = 0.0  # σ of Gaussian noise on each entry of the unit embedding, in training only
    body_lr: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None  # of a trainable body; None: lr
    optimizer: Literal["adam", "lbfgs"] = "adam"  # lbfgs: all texts at once, epochs are iterations at most
    ridge_c: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0  # of lbfgs: scikit-learn's C

    @model_validator(mode="after")
    def _full_batch(self) -> Self:
        if self.optimizer == "adam":
            if self.ridge_c != 1.0:
                raise ValueError(f"ridge_c is {self.ridge_c:g} and Adam has no ridge; set optimizer to 'lbfgs'")
            return self
        unread = ("batch_size", "lr", "lr_decay", "schedule", "weight_decay", "embedding_noise", "body_lr")
        if given := self.given(unread):
            raise ValueError(f"optimizer 'lbfgs' takes all texts at once and finds its steps: leave {given} out")
        if self.select != "last":
            raise ValueError("optimizer 'lbfgs' ends at its last point: set select to 'last'")
        return self

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.schedule == "cosine" and self.lr_decay != 1.0:
            raise ValueError(f"lr_decay is {self.lr_decay} and schedule 'cosine'; choose one of the two")
        return self


class BackendConfig(Section):
    """What runs the head's circuit; the encoder is simulated always.

    It may come from a file or a data base of somebody else, so that it names no address, no key and no agreement to a
    price: whoever runs it gives these beside it; see `PERSONAL_OPTIONS`.
    """

    name: str = "adjoint"
    options: dict[str, Any] = Field(default_factory=dict)

    @field_validator("options")
    @classmethod
    def _nothing_personal(cls, options: dict[str, Any]) -> dict[str, Any]:
        if given := [name for name in PERSONAL_OPTIONS if name in options]:
            raise ValueError(
                f"it holds {', '.join(given)}. An address, a key, an agreement to a price and its limits are no part "
                "of a configuration: take them out and give them on the command line with --backend-option, or the "
                "address and the key in the environment (QISKIT_IONQ_API_URL, QISKIT_IONQ_API_TOKEN)"
            )
        return options


class RivalsConfig(Section):
    """Classical heads trained beside the quantum one on the same embeddings and split."""

    unsaid = ("points",)
    names: tuple[str, ...] = ("logistic_regression", "svc", "mlp")  # of `qllmft.rivals.RIVALS`, which checks them
    grid: Literal["small", "paper"] = "paper"  # paper: tables VIII and IX
    points: Positive | None = None  # so many of the grid's settings, drawn by the run's seed; None: all


class RunConfig(Section):
    """A whole run. Its defaults are the paper's single-encoder experiment at 10 qubits, with exact values."""

    later = ("noise",)
    seed: Count = 0
    data: DataConfig = DataConfig()
    body: BodyConfig = BodyConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    backend: BackendConfig = BackendConfig()
    noise: NoiseConfig = NoiseConfig()
    rivals: RivalsConfig = RivalsConfig()

    @model_validator(mode="after")
    def _noise_has_one_source(self) -> Self:
        own = {"noise"} | NoiseConfig.model_fields.keys() - {"gates"}
        if self.backend.name == "adjoint" and (given := sorted(own & self.backend.options.keys())):
            raise ValueError(
                f"training has its noise in the section noise; move {', '.join(given)} of the backend there"
            )
        if self.noise.is_none:
            return self
        if self.backend.name != "adjoint":
            raise ValueError(
                f"the section noise is about the backend 'adjoint', and {self.backend.name!r} has noise and shots of "
                "its own; set them in backend.options and noise.shots to 0, or choose the backend 'adjoint'"
            )
        if self.model.head != "quantum":
            raise ValueError(f"noise acts on a quantum head, and the head is {self.model.head!r}; leave it out")
        overlap = self.model.measured == "words" and self.model.word_weight > 1
        if overlap and self.noise.readout_error and self.noise.shots and self.noise.shot_model == "gaussian":
            raise ValueError(
                "readout error with shot_model 'gaussian' needs observables on qubits of their own, and words share "
                "some; set noise.shot_model to 'multinomial', noise.shots to 0, or model.readout to 'all'"
            )
        return self

    @model_validator(mode="after")
    def _can_be_trained(self) -> Self:
        if self.train.body_lr is not None and not self.body.trainable:
            raise ValueError(
                f"train.body_lr is {self.train.body_lr:g} and the body is frozen; set body.trainable to true, "
                "or leave it out (the contrastive step has body.contrastive.lr)"
            )
        linear = self.model.head == "none"
        if linear and self.backend.name != "adjoint":
            raise ValueError(
                f"the backend is {self.backend.name!r}, and encoders are trained on the project's engine; set it to "
                f"'adjoint', and use the trained model with --backend {self.backend.name}"
            )
        if self.train.optimizer == "lbfgs":
            if not (linear and self.model.odd):
                raise ValueError("train.optimizer 'lbfgs' trains model.head 'none' with model.odd, and only that")
            if trained := [name for name in ("mlp", "low_rank") if name in self.rivals.names]:
                raise ValueError(
                    f"the rival {trained[0]!r} is trained as the head is, and lbfgs trains no such head; leave it out "
                    "of rivals.names"
                )
        if self.body.trainable and (self.train.optimizer == "lbfgs" or self.model.centre or self.model.components):
            raise ValueError(
                "train.optimizer 'lbfgs', model.centre and model.components need a frozen body; set body.trainable to "
                "false"
            )
        return self

    @property
    def identity(self) -> str:
        """Hash of all that can change a result: 12 hexadecimal digits. Equal configurations name the same run."""
        content = self.model_dump(mode="json", exclude={"body": {"batch_size", "device"}}, context=IDENTITY)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def parse_config(tree: dict[str, Any], origin: str) -> RunConfig:
    """A tree of settings from ``origin``, checked; the UserError says of each fault what was got and expected."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            where = ".".join(str(part) for part in fault["loc"]) or "the configuration"
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                message = "there is no such setting"
                if known := _known_settings(fault["loc"][:-1]):
                    message += f"; expected one of {', '.join(known)}"
            got = "" if isinstance(fault["input"], dict | BaseModel) else f" (got {fault['input']!r})"
            lines.append(f"{where}{got}: {message}")
        raise UserError(f"{origin}: " + "; ".join(lines) + ".") from None


def _known_settings(path: tuple[int | str, ...]) -> list[str]:
    """Names of the settings in the section at ``path``."""
    section: type[BaseModel] = RunConfig
    for part in path:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        section = field.annotation
    return list(section.model_fields)
