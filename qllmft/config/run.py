"""Configuration of a run: small, typed, checked before any work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator

from qllmft.config.body import BodyConfig
from qllmft.config.data import DataConfig
from qllmft.config.model import ModelConfig
from qllmft.config.requirements import RUN, TASK_REMEDY
from qllmft.config.section import NEUTRAL, Count, Positive, Section, settings_in
from qllmft.config.training import TrainConfig
from qllmft.tasks import CLASSIFICATION, TASKS
from qllmft_backends.errors import UnknownBackendError
from qllmft_backends.noise import CircuitNoise, NoiseName, ShotGradient, ShotModel
from qllmft_backends.registry import BACKENDS, Entry
from qllmft_base.errors import UserError
from qllmft_base.validation import faults

# options about the receiver of circuits, the key that pays, the ledger of payments, agreements to a
# price, and circuits that are paid again
PERSONAL_OPTIONS = (
    *("url", "token_file", "ledger", "yes", "max_cost", "session_max_cost", "session_max_minutes"),
    *("circuit_budget", "max_circuits", "allow_paid_training", "settle_s", "repetition"),
    *("retry_failed", "retry_wrong", "retry_doubtful"),
)


class NoiseConfig(CircuitNoise, Section):
    """Noise of the head's circuit on the project's engine, in training, validation and test.

    The encoder has none. Without a head, the encoders are the measured circuit and may have ``shots`` of eq. 2 alone.

    The paper's values are ``gates`` = paper_low or paper_high with 8192 shots. Rates are the r of
    ``depolarizing_error(r, n)`` unless ``rate`` is changed.
    """

    gates: NoiseName = "none"
    shots: Count = 0  # S, measurements per sample; 0 computes exact values
    # gaussian: eq. 2, with a gradient in one reverse sweep; multinomial: true shots, with the gradient of the
    # parameter-shift rule, which measures two more circuits for each angle
    shot_model: Literal["gaussian", "multinomial"] = "gaussian"
    # error trajectories per sample and pass, averaged; each has all shots
    trajectories: Positive = 1
    # gradient of eq. 2: with the noise outside its path, or through the noise's standard deviation
    gradient: Annotated[ShotGradient, NEUTRAL] = "value"

    @property
    def model(self) -> ShotModel:
        """Return the model of the shots."""
        return self.shot_model if self.shots else "exact"

    @property
    def backend_options(self) -> dict[str, Any]:
        """Return the equivalent options of the backend ``adjoint``."""
        if self.is_none:
            return {}
        no_shots = {} if self.shots else {"shots": None, "shot_model": None}
        noise = CircuitNoise.model_validate({**self.model_dump(), **no_shots})
        return noise.model_dump(exclude_defaults=True)

    def _contradictions(self) -> Iterator[str]:
        if self.shots == 1:
            yield "shots is 1. Give 2 or more, or 0 for exact values"
        yield from super()._contradictions()


class BackendConfig(Section):
    """Backend that runs the head's circuit; encoders are always simulated.

    A configuration may come from someone else, so it holds no address, no key and no agreement to a price. Users give
    them separately; see `PERSONAL_OPTIONS`.
    """

    name: str = "adjoint"
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def entry(self) -> Entry:
        """Return the backend's entry in the registry, or an empty one."""
        try:
            return BACKENDS[self.name]
        except UnknownBackendError:
            return Entry("", "", "", "")

    @field_validator("options")
    @classmethod
    def _nothing_personal(cls, options: dict[str, Any]) -> dict[str, Any]:
        if personal_options := [name for name in PERSONAL_OPTIONS if name in options]:
            raise ValueError(
                f"it holds {', '.join(personal_options)}. An address, a key, an agreement to a price and its limits "
                "are no part of a configuration. Remove them, and give them on the command line with --backend-option. "
                "The environment may hold address and key (QISKIT_IONQ_API_URL, QISKIT_IONQ_API_TOKEN)"
            )
        return options


class BaselinesConfig(Section):
    """Classical heads trained on the same embeddings and split as the quantum head."""

    # names of baselines that qllmft doctor lists
    names: tuple[str, ...] = CLASSIFICATION.baselines
    grid: Literal["small", "paper"] = "paper"  # paper: tables VIII and IX
    # texts that choose settings. validation: the validation texts, in the grid alone; folds: folds of the training
    # texts, or validation texts if the body has learnt from these, and the grid goes on beyond an end that is chosen
    search: Annotated[Literal["validation", "folds"], NEUTRAL] = "validation"
    # number of the grid's settings, drawn by the run's seed; None: all
    points: Positive | None = None
    # of mlp, low_rank and linear. converged: until the validation texts find no better epoch;
    # head: for the epochs of the head, with its rates
    training: Literal["converged", "head"] = "converged"

    @field_validator("names", mode="before")
    @classmethod
    def _refuse_text(cls, names: Any) -> Any:
        if isinstance(names, str):
            raise ValueError(f"expected a list of names, such as {json.dumps([names])}")
        return names

    def identifying_settings(self) -> dict[str, Any]:
        """Return the settings that name a run; see `Section.identifying_settings`.

        The training of baselines is one of them if some are trained, and not as earlier versions trained them.
        """
        content = super().identifying_settings()
        if self.training == "head" or not TRAINED_BASELINES.intersection(self.names):
            del content["training"]
        return content


TRAINED_BASELINES = {"mlp", "low_rank", "linear"}  # baselines that the training loop trains

_SYNONYMS = {"learning_rate": "lr"}  # names of other libraries


class RunConfig(Section):
    """Whole run. The defaults are the paper's single-encoder experiment at 10 qubits with exact values."""

    requirements: ClassVar = RUN
    seed: Count = 0
    data: DataConfig = DataConfig()
    body: BodyConfig = BodyConfig()
    model: ModelConfig = ModelConfig()
    train: TrainConfig = TrainConfig()
    backend: BackendConfig = BackendConfig()
    noise: NoiseConfig = NoiseConfig()
    baselines: BaselinesConfig = BaselinesConfig()

    def _contradictions(self) -> Iterator[str]:
        yield from self._noise_fits()
        yield from self._training_fits()
        yield from self._task_fits()

    def _noise_fits(self) -> Iterator[str]:
        """Yield what is against a noise of the measured circuit: the head, or encoders without a head."""
        noise = self.noise
        model = self.model
        backend = self.backend
        noise_options = {"noise", *NoiseConfig.model_fields} - {"gates"}
        misplaced_options = sorted(noise_options & backend.options.keys())
        if misplaced_options and backend.entry.noise_section:
            yield (
                f"noise of training belongs to the section noise. Move {', '.join(misplaced_options)} of the "
                "backend there"
            )
        if noise.is_none:
            return
        if not backend.entry.noise_section:
            yield (
                f"the section noise configures the backend 'adjoint', and {backend.name!r} has its own noise and "
                "shots. Set them in backend.options and noise.shots to 0, or choose the backend 'adjoint'"
            )
        if model.head == "mlp":
            yield "noise acts on a quantum head, and the head is 'mlp'. Leave it out"
        shots_alone = NoiseConfig(shots=noise.shots, gradient=noise.gradient)
        if model.head == "none" and (model.odd or noise != shots_alone):
            yield (
                "without a head, noise is the shots of eq. 2 on encoders that are not odd. Give noise.shots alone, or "
                "a quantum head"
            )
        shared = model.measured_values == "words" and model.word_weight > 1
        if shared and noise.readout_error and noise.shots and noise.shot_model == "gaussian":
            yield (
                "readout error with shot_model 'gaussian' needs observables on disjoint qubits, and products of Z "
                "share qubits. Set noise.shot_model to 'multinomial', noise.shots to 0, or model.readout to 'all'"
            )

    def _training_fits(self) -> Iterator[str]:
        """Yield what is against training the head on this language model."""
        train = self.train
        model = self.model
        if model.batch_norm and train.batch_size == 1:
            yield (
                "model.batch_norm normalises over the texts of a batch, and train.batch_size is 1. Set it to 2 or "
                "more, or model.batch_norm to false"
            )
        trained = [name for name in self.baselines.names if name in TRAINED_BASELINES]
        if train.optimizer == "lbfgs" and trained and self.baselines.training == "head":
            yield (
                f"baselines.training is 'head', and lbfgs trains no head such as the baseline {trained[0]!r}. Set "
                "it to 'converged', or remove the baseline from baselines.names"
            )
        if self.data.pair and self.body.learns:
            yield (
                "data.text_column names pairs, and a language model that learns reads single ones. Leave its training "
                "out"
            )

    def _task_fits(self) -> Iterator[str]:
        """Yield what the outputs of the head are missing for the task."""
        model = self.model
        train = self.train
        if train.calibration == "temperature" and model.head != "mlp" and not model.final_linear:
            yield (
                "train.calibration 'temperature' divides the logits of a final linear layer, and there is none. Set "
                "model.final_linear to true, or leave calibration out"
            )
        task = TASKS[self.data.task]
        if task.one_label:
            return
        if train.optimizer == "lbfgs" and model.head == "none":
            yield (
                f"data.task is {task.name!r}, and train.optimizer 'lbfgs' without a head minimises a cross-entropy of "
                f"one label per text. {TASK_REMEDY}"
            )
        if model.head != "mlp" and (not model.final_linear or model.skip):
            yield (
                f"data.task is {task.name!r}, and a sign or a skip gives no values of its labels or targets. "
                f"{TASK_REMEDY}"
            )

    @property
    def has_exact_gradients(self) -> bool:
        """Return whether training has exact values and gradients of the engine on the CPU."""
        on_cpu = self.backend.options.get("device", "cpu") == "cpu"
        return self.noise.is_none and self.backend.entry.adjoint and on_cpu

    @property
    def backend_options(self) -> dict[str, Any]:
        """Return the options of the backend in training, those of the noise included."""
        return {**self.backend.options, **self.noise.backend_options}

    @property
    def structure(self) -> str:
        """Return the configuration without seed, training and baselines, as JSON."""
        return self.model_dump_json(exclude={"seed", "train", "baselines"})

    @property
    def identity(self) -> str:
        """Return the hash of everything that can change a result: 12 hexadecimal digits. It names the run."""
        content = {
            name: part.identifying_settings() if isinstance(part, Section) else part
            for name, part in self
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def parse_config(tree: dict[str, Any], origin: str) -> RunConfig:
    """Return the configuration of a tree of settings."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        sentences = []
        for fault in faults(error):
            sentence = str(fault)
            if fault.kind == "extra_forbidden":  # an unknown setting, with the nearest one and all
                path = [*map(str, fault.path)]
                section, _ = _innermost_section(path)
                near = nearest_setting(path)
                meant = f" Did you mean {near}?" if near else ""
                sentence += f".{meant} Expected one of {', '.join(section.model_fields)}"
            sentences.append(sentence)
        raise UserError(f"{origin}: {'. '.join(sentences)}.") from None


def nearest_setting(path: Sequence[str]) -> str:
    """Return the dotted name that an unknown one is likely to mean, or "".

    Without a section, it is a setting of that name in any section.

    >>> nearest_setting(["train", "learning_rate"]), nearest_setting(["epochs"])
    ('train.lr', 'train.epochs')
    """
    section, depth = _innermost_section(path)
    name = _SYNONYMS.get(path[depth], path[depth])
    if path[depth] in section.model_fields:  # a section, whose settings have names of their own
        return ""
    if close_names := get_close_matches(name, section.model_fields, 1):
        return ".".join([*path[:depth], *close_names])
    places = [place for place, _ in settings_in(RunConfig) if place[-1] == name and not depth]
    return ".".join(sorted(places, key=len)[0]) if places else ""


def _innermost_section(path: Sequence[str]) -> tuple[type[Section], int]:
    """Return the innermost section that a dotted name begins with, and the number of its parts up to there."""
    section: Any = RunConfig
    for depth, part in enumerate(path[:-1]):
        if part not in section.model_fields:
            return section, depth
        section = section.model_fields[part].annotation
    return section, len(path) - 1
