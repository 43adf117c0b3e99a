"""Quantum head for SetFit: ``SetFitModel(model_body, QuantumSetFitHead(384, 2))``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from qllmft.config import ModelConfig
from qllmft.config.presets import DEFAULT_PRESET, load_preset
from qllmft.config.settings import flatten_sections
from qllmft.heads import build_classifier
from qllmft.tasks import CLASSIFICATION, MULTILABEL
from qllmft_base.errors import UserError
from qllmft_base.files import parse_json, read_bytes, write_bytes
from qllmft_base.versions import install_command

try:
    from setfit import SetFitHead
except ModuleNotFoundError as error:
    if error.name != "setfit":
        raise
    raise UserError(
        f"qllmft_doors.setfit needs the package setfit: {install_command('setfit')}."
    ) from None

HEAD_FILE = "quantum_head.safetensors"
# settings of the default preset: SetFit trains from the first batch on, without a data map
UNMAPPED_SETTINGS = {
    "model.components": None,
    "model.pad": "bias",
    "model.encoder_qubits": 10,
    "model.encoder_layers": 60,
}
# errors of reading a file that is no such head
_DAMAGE = ValueError, OverflowError, KeyError, TypeError, RuntimeError, SafetensorError
_NUMBERS = ("in_features", "out_features", "temperature", "eps", "multitarget")


def _structure_settings(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings by dotted names, or raise UserError for one that the structure of a head does not have."""
    by_name = flatten_sections(settings or {})
    # the preset's shots may contradict a structure
    if others := [
        name for name in by_name if not name.startswith("model.") and name != "noise.shots"
    ]:
        raise UserError(
            f"settings holds {', '.join(others)}, expected settings of model. SetFit trains the head, so give these "
            "to its TrainingArguments."
        )
    return by_name


class QuantumSetFitHead(SetFitHead):  # type: ignore[misc]
    """The head of a preset, with encoder and readout, as a differentiable head of `setfit.SetFitModel`.

    Labels are integers from 0 to k - 1, or with ``multitarget`` k numbers 0 and 1 per text, as SetFit's
    ``multi_target_strategy`` has them; names go to ``SetFitModel(labels=[...])``. SetFit saves the head as a pickle,
    which is a call of one function of this module with the content of a safetensors file.

    Args:
        in_features: D, length of the body's embeddings.
        out_features: k, number of labels.
        preset: source of the structure, its section ``model``. The default one loads the unit embedding itself
            here, and no principal axes, because the body moves.
        settings: differences from it, ``{"model.reuploads": 6}``.
        temperature: divisor of the logits.
        eps: added to the temperature.
        seed: seed of the initial weights.
        device: device of the weights; CUDA by default if it is available. The circuits run on the CPU.
        multitarget: give each label a sigmoid and any number of labels to a text, with a probability of at least 1/2.

    Raises:
        UserError: for labels of another shape, or if embedding, labels and structure do not fit together.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int = 2,
        *,
        preset: str = DEFAULT_PRESET,
        settings: Mapping[str, Any] | None = None,
        temperature: float = 1.0,
        eps: float = 1e-5,
        seed: int = 0,
        device: torch.device | str | None = None,
        multitarget: bool = False,
    ) -> None:
        nn.Module.__init__(self)
        if not (isinstance(temperature, int | float) and 0 < temperature < math.inf):
            raise UserError(f"temperature is {temperature!r}, expected a number above 0.")
        self.in_features = in_features
        self.out_features = out_features
        self.temperature = temperature
        self.eps = eps
        self.multitarget = bool(multitarget)
        head_settings = (
            UNMAPPED_SETTINGS if preset == DEFAULT_PRESET else {}
        ) | _structure_settings(settings)
        self.structure = load_preset(preset).config(head_settings).model
        # SetFitHead reads this name
        self.linear = build_classifier(self.structure, in_features, out_features, seed=seed)
        self.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def get_loss_fn(self) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the cross-entropy of logits (B, k) and labels (B,), or the binary one of labels (B, k), 0 or 1."""
        return self._loss

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if not self.multitarget:
            if labels.ndim != 1:
                raise UserError(
                    f"labels have the shape {tuple(labels.shape)}, expected one label per text. For several, give the "
                    "head multitarget=True and the model a multi_target_strategy."
                )
            k = logits.shape[1]
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < k:
                raise UserError(
                    f"labels are {int(labels.min())} to {int(labels.max())}, expected 0 to {k - 1}. Give the head as "
                    "many out_features as there are labels."
                )
            return CLASSIFICATION.loss(logits, labels)
        if labels.shape != logits.shape or not ((labels == 0) | (labels == 1)).all():
            raise UserError(
                f"labels have the shape {tuple(labels.shape)}, expected {tuple(logits.shape)} with 0 or 1 for each "
                "label of a text. For one label per text, give the head multitarget=False."
            )
        return MULTILABEL.loss(logits, labels)

    def get_config_dict(self) -> dict[str, Any]:
        """Return the structure and the numbers of the head."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        structure = self.structure.model_dump(mode="json")
        return {**numbers, "device": self.device.type, "model": structure}

    def to_bytes(self) -> bytes:
        """Return a safetensors file of the weights, with the structure in its metadata."""
        state = self.linear.state_dict().items()
        weights = {name: tensor.detach().cpu().clone() for name, tensor in state}
        return save(weights, metadata={"qllmft": json.dumps(self.get_config_dict())})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Return the head of a file by `to_bytes`, on the CPU."""
        try:
            header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")].decode())
            config = parse_json(header["__metadata__"]["qllmft"])
            structure = ModelConfig.model_validate(config["model"]).model_dump()
            numbers = {name: config[name] for name in _NUMBERS}
            settings = {f"model.{name}": value for name, value in structure.items()}
            settings["noise.shots"] = 0
            head = cls(**numbers, preset="single-10q", settings=settings, device="cpu")
            weights = load(content)
            if faulty := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
                raise ValueError(f"{faulty[0]} holds NaN or infinity")
            head.linear.load_state_dict(weights)
        except _DAMAGE as error:
            raise UserError(
                f"this is not a saved quantum head: {error}. Give a file by QuantumSetFitHead.save."
            ) from error
        return head

    def save(self, folder: Path | str) -> None:
        """Write ``quantum_head.safetensors`` into a folder."""
        write_bytes(Path(folder) / HEAD_FILE, self.to_bytes())

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read the head that `save` wrote into a folder, without unpickling."""
        try:
            return cls.from_bytes(read_bytes(Path(folder) / HEAD_FILE))
        except OSError as error:
            raise UserError(
                f"there is no quantum head in {folder}: {HEAD_FILE}: {error.strerror}."
            ) from None

    def __reduce__(self) -> tuple[Any, ...]:
        return restore_head, (self.to_bytes(),)


def restore_head(content: bytes) -> QuantumSetFitHead:
    """Return the head of a pickle, which names this function and nothing else."""
    return QuantumSetFitHead.from_bytes(content)
