"""A trained model on disk: weights in safetensors, everything else in JSON."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import save
from torch import Tensor

from qllmft.ansatze import ANSATZE
from qllmft.config import BodyConfig, ModelConfig
from qllmft.config.body import OWN_ADAPTER, OWN_BODY, ROWS
from qllmft.embed import adapter
from qllmft.errors import UserError
from qllmft.files import path_near, write_bytes, write_json
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.kernel import KernelMachine
from qllmft.heads.surrogate import build_surrogate
from qllmft.model.record import (
    FILE,
    CheckLogits,
    ModelRecord,
    StoredNumbers,
    misfit,
    no_model,
    read_record,
)
from qllmft.tensors import WrongTensorsError, read_tensors
from qllmft.training import logits_of
from qllmft.versions import versions
from qllmft_backends import BackendError
from qllmft_backends.plugins import BUILT_IN

WEIGHTS = "model.safetensors"
MOST_QUBITS = 20  # with more qubits the logits take more than a second
# relative to the largest logit, or to 1; float32 over a thousand gates differs by 1e-5 by machine
TOLERANCE = 1e-3


class StoredModel(ModelRecord):
    """Trained classifier with everything that its use needs."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    classifier: Classifier = Field(exclude=True)  # embeddings (B, D) to logits (B, k)
    # it was read, and its logits are those of its record
    checked: bool = Field(default=False, exclude=True)


def save_model(
    folder: Path, model: StoredModel, versions: dict[str, str], *, with_body: bool = True
) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``, with a copy of a trained body.

    The record has the path of such a body relative to ``folder``, so the folder can be moved. It
    also has the logits of a fixed embedding; see `check_logits`.

    Args:
        folder: made if it is missing; files of a model in it are replaced.
        model: the classifier with its record. Its logits are computed on no backend, so without
            noise.
        versions: of packages by name, for the record; see `qllmft.versions.versions`.
        with_body: copy the folder of a trained body or adapter. If False, as for other rows of a run's table,
            the body is left in the folder of the head.
    """
    body = _copied_body(folder, model, with_body=with_body)
    weights = {
        name: tensor.contiguous().clone() for name, tensor in model.classifier.state_dict().items()
    }
    write_bytes(folder / WEIGHTS, save(weights))
    # on no backend
    exact = _structure(model)
    exact.load_state_dict(weights)
    logits = check_logits(exact, model.config, model.dimension)
    data_map = model.classifier.data_map
    saved = {
        "body": body,
        "n_parameters": model.classifier.n_parameters,
        "data_map": None if data_map is None else StoredNumbers(stored=data_map.n_stored),
        "ansatz_source": ANSATZE.source(model.config.ansatz)
        if model.config.head == "quantum"
        else BUILT_IN,
        "check": None if logits is None else CheckLogits(logits=tuple(logits)),
        "versions": versions,
    }
    write_json(folder / FILE, model.model_copy(update=saved).as_json())


def _copied_body(folder: Path, model: StoredModel, *, with_body: bool) -> BodyConfig:
    """Return the body as the record has it, after a copy of a trained body or adapter into ``folder``."""
    body = model.body
    if model.own_body:
        if with_body and Path(body.model) != folder / OWN_BODY:
            shutil.copytree(body.model, folder / OWN_BODY, dirs_exist_ok=True)
        body = body.model_copy(update={"model": OWN_BODY})
    if body.adapter is not None:
        if with_body and Path(body.adapter) != folder / OWN_ADAPTER:
            (folder / OWN_ADAPTER).mkdir(parents=True, exist_ok=True)
            for name in (adapter.CONFIG, adapter.WEIGHTS):
                shutil.copyfile(Path(body.adapter, name), folder / OWN_ADAPTER / name)
        body = body.model_copy(update={"adapter": OWN_ADAPTER})
    return body


def load_model(folder: Path) -> StoredModel:
    """Read a model.

    The record is checked first, then the shapes in the file of weights, so that no file can demand excessive memory.

    Raises:
        UserError: if there is none, it is damaged, too large or of another format, a weight is not finite, or its
            logits differ from those of the record.
    """
    folder = folder / "model" if (folder / "model").is_dir() else folder
    record = read_record(folder)
    try:
        classifier = _structure(record)
        body = _located_body(record, folder)
    except (BackendError, UserError) as error:
        raise misfit(folder, error) from error
    classifier.load_state_dict(_read_weights(folder, classifier))
    classifier.eval()
    logits = (
        None if record.check is None else check_logits(classifier, record.config, record.dimension)
    )
    if logits is not None:
        compare_logits(logits, record, folder)
    here = {"body": body, "classifier": classifier, "checked": logits is not None}
    return StoredModel(**(vars(record) | here))


def _structure(record: ModelRecord) -> Classifier:
    """Return the untrained classifier of a record, without noise."""
    dimension, n_classes = record.dimension, len(record.label_names)
    if record.kernel is not None:
        return Classifier(None, KernelMachine(record.kernel, dimension, n_classes), None)
    if record.surrogate is None:
        return build_classifier(record.config, dimension, n_classes)
    return build_surrogate(record.config, dimension, n_classes, record.surrogate)


def _read_weights(folder: Path, classifier: Classifier) -> dict[str, Tensor]:
    """Return the weights, which are read if their names, shapes and types fit."""
    path = folder / WEIGHTS
    if not path.exists():
        raise no_model(folder, path.name)
    try:
        weights = read_tensors(path, classifier.state_dict())
    except WrongTensorsError as error:
        raise misfit(
            folder,
            f"{error}. The weights are of another structure or of another number of labels. "
            "Copy the folder again, or train it again.",
        ) from None
    except (ValueError, SafetensorError, OSError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"the model in {folder} cannot be read: {path.name} is damaged or was cut short ({error}). Copy the folder "
            "again, or train it again."
        ) from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"the model in {folder}: its weights hold NaN or infinity ({name}). Train it again."
            )
    return weights


def _located_body(record: ModelRecord, folder: Path) -> BodyConfig:
    """Return the body of the record with its paths from here."""
    body = record.body
    if body.adapter is not None:
        if body.adapter != OWN_ADAPTER:
            raise UserError(
                f"its adapter is {body.adapter!r}, expected {OWN_ADAPTER!r} in the model's own folder."
            )
        body = body.model_copy(update={"adapter": str(_own(folder, OWN_ADAPTER))})
    if record.own_body:
        return body.model_copy(update={"model": str(_own_body(folder))})
    if body.model == "minilm":
        return body
    return body.model_copy(update={"model": path_near(body.model, folder)})


def _own(folder: Path, name: str) -> Path:
    """Return the absolute path of a model's folder of trained weights, which the rows of a run's table share."""
    path = (folder / name).absolute()
    if not path.exists() and folder.parent.name == ROWS:
        return (folder.parent.parent / "model" / name).absolute()
    return path


def _own_body(folder: Path) -> Path:
    """Return the folder of a trained body, or raise UserError if it is missing or a link."""
    path = _own(folder, OWN_BODY)
    if not path.is_dir():
        raise UserError(
            f"the model in {folder} was trained together with its body, and the folder {OWN_BODY} is missing. "
            "Copy the model folder whole, or train again."
        )
    if path.is_symlink():
        raise UserError(
            f"the folder {OWN_BODY} of the model in {folder} is a link. Copy the model folder whole."
        )
    return path


def check_embedding(dimension: int) -> Tensor:
    """Return the fixed embedding (1, D): sin 1, sin 2, ..., scaled to length 1."""
    values = torch.arange(1, dimension + 1, dtype=torch.float64).sin()
    scaled: Tensor = values / values.norm()
    return scaled.float()[None]


def check_logits(classifier: Classifier, config: ModelConfig, dimension: int) -> list[float] | None:
    """Return the logits (k,) of `check_embedding`, or None if they would take too long or are not finite.

    They are saved with the weights and computed again on loading. They detect a damaged model, files of different
    models, and versions with different results.
    """
    encoded = config.latent_encoder_qubits if config.encoder == "quantum" else 0
    if config.head != "mlp" and max(config.n_qubits, encoded) > MOST_QUBITS:
        return None
    with torch.no_grad():
        logits = logits_of(classifier, check_embedding(dimension))[0]
    return [float(value) for value in logits] if logits.isfinite().all() else None


def compare_logits(found: Sequence[float], record: ModelRecord, folder: Path) -> None:
    """Raise UserError with differing versions if the logits differ from the record's."""
    expected = record.check.logits if record.check else ()
    scale = max(1.0, *(abs(value) for value in expected))
    if max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= TOLERANCE * scale:
        return
    then, here = record.versions, versions()
    differing = [
        f"{name} {then.get(name)} then, {here[name]} here"
        for name in here
        if then.get(name) != here[name]
    ]
    raise UserError(
        f"the model in {folder} is not what was saved: its logits of the check embedding are {_listed(found)}, and its "
        f"record has {_listed(expected)}. Its weights or its record were changed, or a version has other results "
        f"({'; '.join(differing) or 'all versions are the same'}). Copy the folder again, or train again."
    )


def _listed(values: Sequence[float]) -> str:
    return f"({', '.join(f'{value:.4f}' for value in values[:8])}{', ...' * (len(values) > 8)})"
