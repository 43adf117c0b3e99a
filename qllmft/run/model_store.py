"""A trained model on disk: weights in safetensors, everything else in JSON."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from qllmft.config import BodyConfig, ModelConfig
from qllmft.errors import UserError
from qllmft.files import found_beside, parse_json, write_bytes, write_json
from qllmft.heads import Classifier, build_classifier

FORMAT = 1
OWN_BODY = "body"  # folder beside the head, of a body that learned


@dataclass(frozen=True)
class StoredModel:
    """A trained classifier and what is needed to use it.

    Attributes:
        classifier: embeddings (B, D) to logits (B, k).
        config: its structure.
        body: the language model that it was trained on.
        body_identity: hash of that model's weights.
        dimension: D.
        label_names: k names.
        own_body: the body learned, and lies in ``body`` beside the head.
    """

    classifier: Classifier
    config: ModelConfig
    body: BodyConfig
    body_identity: str
    dimension: int
    label_names: tuple[str, ...]
    own_body: bool = False


def save_model(folder: Path, model: StoredModel, versions: dict[str, str]) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``; a body that learned is copied there.

    Of such a body the record has the place within the folder, so that the folder can be moved.
    """
    if model.own_body and Path(model.body.model) != folder / OWN_BODY:
        shutil.copytree(model.body.model, folder / OWN_BODY, dirs_exist_ok=True)
    body = model.body.model_copy(update={"model": OWN_BODY}) if model.own_body else model.body
    weights = {name: tensor.contiguous().clone() for name, tensor in model.classifier.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(weights))
    record = {
        "format": FORMAT,
        "model": model.config.model_dump(mode="json"),
        "body": body.model_dump(mode="json", exclude={"trainable", "contrastive"}),  # how it was made is the run's
        **({"own_body": True} if model.own_body else {}),
        "body_identity": model.body_identity,
        "dimension": model.dimension,
        "label_names": list(model.label_names),
        "n_parameters": model.classifier.n_parameters,
        "versions": versions,
    }
    write_json(folder / "model.json", record)


def load_model(folder: Path) -> StoredModel:
    """Read a model.

    Args:
        folder: a run's folder, or its ``model`` folder.

    Raises:
        UserError: where there is none, it is damaged or of a later format, or a weight is no finite number.
    """
    folder = folder / "model" if (folder / "model").is_dir() else folder
    try:
        record: Any = parse_json((folder / "model.json").read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        missing = Path(str(error.filename or "model.safetensors")).name
        raise UserError(
            f"there is no trained model in {folder} ({missing} is missing). "
            "Give the folder of a finished run, as `qllmft train` prints it."
        ) from None
    except (ValueError, SafetensorError, OSError) as error:  # not JSON, or not UTF-8
        raise UserError(f"the model in {folder} cannot be read: {error}.") from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"the model in {folder}: its weights hold NaN or infinity ({name}). Train it again.")
    found = record.get("format") if isinstance(record, dict) else None
    if found != FORMAT:
        raise UserError(
            f"the model in {folder} has format {found!r}; this version reads {FORMAT}. "
            "Install the version of qllmft that wrote it, or train it again."
        )
    try:
        config = ModelConfig.model_validate(record["model"])
        body = BodyConfig.model_validate(record["body"])
        own_body = bool(record.get("own_body"))
        if own_body:
            body = body.model_copy(update={"model": str(_own_body(folder))})
        elif body.model != "minilm":
            body = body.model_copy(update={"model": found_beside(body.model, folder)})
        classifier = build_classifier(config, record["dimension"], len(record["label_names"]))
        classifier.load_state_dict(weights)
        classifier.eval()
        names = tuple(record["label_names"])
        return StoredModel(classifier, config, body, record["body_identity"], record["dimension"], names, own_body)
    except (KeyError, TypeError, ValidationError, RuntimeError) as error:
        raise UserError(f"the model in {folder} does not fit its record: {error}.") from error


def _own_body(folder: Path) -> Path:
    """The body that lies beside the head.

    Raises:
        UserError: where it is missing.
    """
    path = (folder / OWN_BODY).absolute()
    if not path.is_dir():
        raise UserError(
            f"the model in {folder} was trained together with its body, and the folder {OWN_BODY} is missing. "
            "Copy the model folder whole, or train again."
        )
    return path
