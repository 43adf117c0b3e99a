"""A trained model on disk: weights in safetensors, everything else in ``model.json``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save

from qllmft.config import BodyConfig, ModelConfig
from qllmft.config.body import ADAPTER_FOLDER, BODY_FOLDER, ROWS_FOLDER
from qllmft.heads import Classifier
from qllmft.heads.own_head import check_own_head
from qllmft.model.record import FORMAT, CheckLogits, ModelRecord, StoredNumbers
from qllmft.model.record import StoredModel as StoredModel
from qllmft.templates import ANSATZE
from qllmft.tensors import WrongTensorsError, numbers_in, read_tensors
from qllmft.training import compute_logits
from qllmft_backends import BackendError
from qllmft_base.budget import check_budget
from qllmft_base.errors import UserError
from qllmft_base.files import new_folder, parse_json, path_near, read_text, write_bytes, write_json
from qllmft_base.plugins import BUILT_IN
from qllmft_base.validation import faults
from qllmft_base.versions import versions

RECORD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
MAX_CHECKED_QUBITS = 20  # with more qubits the logits take more than a second
# relative to the largest logit, or to 1; float32 over a thousand gates differs by 1e-5 by machine
LOGIT_TOLERANCE = 1e-3
# of a body, which belongs to the run
_TRAINING_SETTINGS = {"trainable", "contrastive", "lora"}


def save_model(folder: Path, model: StoredModel, *, with_body: bool = True) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``, with a copy of a trained body.

    The record has the path of such a body relative to ``folder``, so the folder can be moved. It
    also has the logits of a fixed embedding; see `check_logits`.

    Args:
        folder: made if it is missing; files of a model in it are replaced.
        model: the classifier with its record. Its logits are computed on no backend, so without
            noise.
        with_body: copy the folder of a trained body or adapter. If False, as for other rows of a run's table,
            the body is left in the folder of the head.
    """
    body = model.body
    classifier = model.classifier
    if model.own_body:
        if with_body and Path(body.model) != folder / BODY_FOLDER:
            with new_folder(folder / BODY_FOLDER) as fresh:
                shutil.copytree(body.model, fresh, dirs_exist_ok=True)
        body = body.model_copy(update={"model": BODY_FOLDER})
    if body.adapter is not None:
        if with_body and Path(body.adapter) != folder / ADAPTER_FOLDER:
            from qllmft.embed import adapter

            (folder / ADAPTER_FOLDER).mkdir(parents=True, exist_ok=True)
            for name in (adapter.ADAPTER_CONFIG, adapter.ADAPTER_WEIGHTS):
                shutil.copyfile(Path(body.adapter, name), folder / ADAPTER_FOLDER / name)
        body = body.model_copy(update={"adapter": ADAPTER_FOLDER})
    weights = {
        name: tensor.contiguous().clone() for name, tensor in classifier.state_dict().items()
    }
    write_bytes(folder / WEIGHTS_FILE, save(weights))
    # on no backend
    exact = model.structure()
    exact.load_state_dict(weights)
    logits = check_logits(exact, model.config, model.dimension)
    data_map = classifier.data_map
    quantum = model.config.head == "quantum"
    record_fields = {
        "body": body,
        "n_parameters": classifier.n_parameters,
        "data_map": None if data_map is None else StoredNumbers(stored=data_map.n_stored),
        "ansatz_source": ANSATZE.source(model.config.ansatz) if quantum else BUILT_IN,
        "check": None if logits is None else CheckLogits(logits=tuple(logits)),
        "versions": versions(),
    }
    record = model.model_copy(update=record_fields)
    excluded_fields: dict[str, Any] = dict.fromkeys(record.neutral_settings(), True)
    excluded_fields["body"] = _TRAINING_SETTINGS | record.body.neutral_settings()
    write_json(
        folder / RECORD_FILE, record.model_dump(mode="json", by_alias=True, exclude=excluded_fields)
    )


def load_model(folder: Path) -> StoredModel:
    """Read a model.

    The record is checked first, then the shapes in the file of weights, so that no file can demand excessive memory.

    Raises:
        UserError: if there is none, it is damaged, too large or of another format, a weight is not finite, or its
            logits differ from those of the record.
    """
    folder = folder / "model" if (folder / "model").is_dir() else folder
    record = _read_record(folder)
    if record.own_head is not None:
        check_own_head(record.own_head)
    fewest_numbers = record.least_numbers
    try:
        check_budget("its classifier", torch.float32.itemsize * fewest_numbers)
    except UserError as error:
        raise misfit_error(folder, error) from None
    with _weights(folder) as path:  # nothing but the file's header is read
        n_numbers = numbers_in(path)
        if n_numbers < fewest_numbers:
            raise WrongTensorsError(
                f"{path.name} has {n_numbers:,} numbers, expected {fewest_numbers:,} or more"
            )
    try:
        classifier = record.structure()
        body = _locate_body(record, folder)
    except (BackendError, UserError) as error:
        raise misfit_error(folder, error) from error
    with _weights(folder) as path:
        weights = read_tensors(path, classifier.state_dict())
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(
                f"the model in {folder}: its weights hold NaN or infinity ({name}). Train it again."
            )
    classifier.load_state_dict(weights)
    classifier.eval()
    logits = None
    if record.check is not None:
        logits = check_logits(classifier, record.config, record.dimension)
        if logits is not None:
            _compare_logits(logits, record.check.logits, record.versions, folder)
    loaded_parts = {"body": body, "classifier": classifier, "checked": logits is not None}
    return StoredModel(**(vars(record) | loaded_parts))


def _read_record(folder: Path) -> ModelRecord:
    """Return the record of the model in a folder, or raise UserError if it is missing, damaged or of another format."""
    try:
        content: Any = parse_json(read_text(folder / RECORD_FILE))
    except FileNotFoundError:
        raise no_model_error(folder, RECORD_FILE) from None
    except (ValueError, OSError) as error:  # not JSON, or not UTF-8
        raise UserError(f"the model in {folder} cannot be read: {RECORD_FILE}: {error}.") from error
    record: dict[str, Any] = content if isinstance(content, dict) else {}
    if type(record.get("format")) is not int or record["format"] != FORMAT:
        raise UserError(
            f"the model in {folder} has format {record.get('format')!r}. This version reads {FORMAT}. "
            "Install the version of qllmft that wrote it, or train it again."
        )
    model: Any = record.get("model")
    for key in ("ansatz", "encoder_ansatz"):
        name = model.get(key) if isinstance(model, dict) else None
        if isinstance(name, str) and name not in ANSATZE:  # its package is not imported for it
            raise UserError(
                f"the model in {folder} was trained with the ansatz {name!r} "
                f"({record.get('ansatz_source', 'of unknown source')}), which is not installed. There are "
                f"{', '.join(ANSATZE)}. Install its package, or call qllmft.register('ansatz', {name!r}, ...) first."
            )
    try:
        return ModelRecord.model_validate(record)
    except ValidationError as error:
        raise misfit_error(folder, f"{faults(error)[0]}.") from None


def no_model_error(folder: Path, missing: str) -> UserError:
    """Return the error about a file that is missing."""
    return UserError(
        f"there is no trained model in {folder} ({missing} is missing). "
        "Give the folder of a finished run, as `qllmft train` prints it."
    )


def misfit_error(folder: Path, reason: object) -> UserError:
    """Return the error about a record that has unknown values, or not those of the weights."""
    return UserError(f"the model in {folder} does not fit its record: {reason}")


@contextmanager
def _weights(folder: Path) -> Iterator[Path]:
    """Give the path of a model's weights, and raise UserError if they are missing, damaged or do not fit."""
    path = folder / WEIGHTS_FILE
    if not path.exists():
        raise no_model_error(folder, path.name)
    try:
        check_budget("its file of weights", path.stat().st_size)
        yield path
    except WrongTensorsError as error:
        raise misfit_error(
            folder,
            f"{error}. The weights are of another structure or of another number of labels. "
            "Copy the folder again, or train it again.",
        ) from None
    except UserError as error:
        raise misfit_error(folder, error) from None
    except (ValueError, SafetensorError, OSError) as error:
        raise UserError(
            f"the model in {folder} cannot be read: {path.name} is damaged or was cut short ({error}). Copy the folder "
            "again, or train it again."
        ) from error


def _locate_body(record: ModelRecord, folder: Path) -> BodyConfig:
    """Return the body of the record with its paths from here."""
    body = record.body
    if body.adapter is not None:
        if body.adapter != ADAPTER_FOLDER:
            raise UserError(
                f"its adapter is {body.adapter!r}, expected {ADAPTER_FOLDER!r} in the model's own folder."
            )
        body = body.model_copy(update={"adapter": str(_trained_folder(folder, ADAPTER_FOLDER))})
    if not record.own_body:
        name = body.model if body.model == "minilm" else path_near(body.model, folder)
        return body.model_copy(update={"model": name})
    path = _trained_folder(folder, BODY_FOLDER)
    if not path.is_dir():
        raise UserError(
            f"the model in {folder} was trained together with its language model, and the folder {BODY_FOLDER} is "
            "missing. Copy the model folder whole, or train again."
        )
    if path.is_symlink():
        raise UserError(
            f"the folder {BODY_FOLDER} of the model in {folder} is a link. Copy the model folder whole."
        )
    return body.model_copy(update={"model": str(path)})


def _trained_folder(folder: Path, name: str) -> Path:
    """Return the absolute path of a model's folder of trained weights, which the rows of a run's table share."""
    path = (folder / name).absolute()
    if not path.exists() and folder.parent.name == ROWS_FOLDER:
        return (folder.parent.parent / "model" / name).absolute()
    return path


def check_logits(classifier: Classifier, config: ModelConfig, dimension: int) -> list[float] | None:
    """Return the logits (k,) of a fixed embedding: sin 1, sin 2, ..., scaled to length 1.

    They are saved with the weights and computed again on loading. They detect a damaged model, files of different
    models, and versions with different results. None: they would take too long, or are not finite.
    """
    encoded = config.latent_encoder_qubits if config.encoder == "quantum" else 0
    if config.head != "mlp" and max(config.register_qubits, encoded) > MAX_CHECKED_QUBITS:
        return None
    values = torch.arange(1, dimension + 1, dtype=torch.float64).sin()
    embedding = (values / values.norm()).float()[None]
    with torch.no_grad():
        logits = compute_logits(classifier, embedding)[0]
    return [float(value) for value in logits] if logits.isfinite().all() else None


def _short_list(values: Sequence[float]) -> str:
    """Return the first eight numbers in brackets."""
    texts = [f"{value:.4f}" for value in values[:8]]
    if len(values) > len(texts):
        texts.append("...")
    return f"({', '.join(texts)})"


def _compare_logits(
    logits: Sequence[float],
    expected: Sequence[float],
    record_versions: dict[str, str],
    folder: Path,
) -> None:
    """Raise UserError if logits differ from the record's, with the versions that differ from ``record_versions``."""
    scale = max(1.0, *(abs(value) for value in expected))
    if max(abs(a - b) for a, b in zip(logits, expected, strict=True)) <= LOGIT_TOLERANCE * scale:
        return
    own_versions = versions()
    differing = [
        f"{name} {record_versions.get(name)} then, {own_versions[name]} here"
        for name in own_versions
        if record_versions.get(name) != own_versions[name]
    ]
    logit_texts = [_short_list(values) for values in (logits, expected)]
    raise UserError(
        f"the model in {folder} is not what was saved: its logits of the check embedding are {logit_texts[0]}, and its "
        f"record has {logit_texts[1]}. Its weights or its record were changed, or a version has other results "
        f"({'; '.join(differing) or 'all versions are the same'}). Copy the folder again, or train again."
    )
