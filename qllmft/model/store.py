"""A trained model on disk: weights in safetensors, everything else in JSON."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from qllmft.ansatze import ANSATZE
from qllmft.config import BodyConfig, ModelConfig, SurrogateConfig
from qllmft.config.body import OWN_ADAPTER, OWN_BODY
from qllmft.config.data import PairFeatures, Task
from qllmft.embed.adapter import CONFIG, WEIGHTS
from qllmft.errors import UserError
from qllmft.files import open_regular, parse_json, path_near, read_text, write_bytes, write_json
from qllmft.heads import Classifier, build_classifier
from qllmft.heads.surrogate import build_surrogate
from qllmft.model.check import check_logits, compare_logits
from qllmft_backends import BackendError
from qllmft_backends.plugins import BUILT_IN
from qllmft_backends.validation import faults

FORMAT = 1
_TRAINING = {"trainable", "contrastive", "lora"}  # of a body, which belongs to the run
_TYPES = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}  # names in safetensors


@dataclass(frozen=True)
class StoredModel:
    """Trained classifier with everything that its use needs."""

    classifier: Classifier  # embeddings (B, D) to logits (B, k)
    config: ModelConfig  # structure of the classifier
    body: BodyConfig  # language model of its embeddings
    body_identity: str  # hash of the body's weights
    dimension: int  # D
    label_names: tuple[str, ...]  # names of the k labels
    own_body: bool = False  # the body was trained, and its folder is `OWN_BODY`
    checked: bool = False  # the model was read, and its logits are those of its record
    task: Task = "classification"  # meaning of the logits: of one label per text, of several, or real targets
    pair: PairFeatures | None = None  # vector of a pair of texts; None: texts are single
    surrogate: SurrogateConfig | None = None  # the classifier is a classical surrogate of the model of ``config``
    # least probability of each of several labels per text; None: 1/2, or one label per text
    thresholds: tuple[float, ...] | None = None


def save_model(folder: Path, model: StoredModel, versions: dict[str, str]) -> None:
    """Write ``model.safetensors`` and ``model.json`` into ``folder``, with a copy of a trained body.

    The record has the path of such a body relative to ``folder``, so the folder can be moved. It also has the logits of
    a fixed embedding; see `qllmft.model.check`.
    """
    if model.own_body and Path(model.body.model) != folder / OWN_BODY:
        shutil.copytree(model.body.model, folder / OWN_BODY, dirs_exist_ok=True)
    body = model.body.model_copy(update={"model": OWN_BODY}) if model.own_body else model.body
    if body.adapter is not None:
        if Path(body.adapter) != folder / OWN_ADAPTER:
            (folder / OWN_ADAPTER).mkdir(parents=True, exist_ok=True)
            for name in (CONFIG, WEIGHTS):
                shutil.copyfile(Path(body.adapter, name), folder / OWN_ADAPTER / name)
        body = body.model_copy(update={"adapter": OWN_ADAPTER})
    weights = {name: tensor.contiguous().clone() for name, tensor in model.classifier.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(weights))
    exact = _structure(model.config, model.dimension, len(model.label_names), model.surrogate)  # on no backend
    exact.load_state_dict(weights)
    check = check_logits(exact, model.config, model.dimension)
    data_map = model.classifier.data_map
    ansatz_source = ANSATZE.source(model.config.ansatz) if model.config.head == "quantum" else BUILT_IN
    record = {
        "format": FORMAT,
        "model": model.config.model_dump(mode="json"),
        **({} if model.surrogate is None else {"surrogate": model.surrogate.model_dump(mode="json")}),
        "body": body.model_dump(mode="json", exclude=_TRAINING | body.unchanged()),
        **({"own_body": True} if model.own_body else {}),
        "body_identity": model.body_identity,
        "dimension": model.dimension,
        "label_names": list(model.label_names),
        **({} if model.task == "classification" else {"task": model.task}),
        **({} if model.pair is None else {"pair": model.pair}),
        **({} if model.thresholds is None else {"thresholds": list(model.thresholds)}),
        "n_parameters": model.classifier.n_parameters,
        **({} if data_map is None else {"data_map": {"stored": data_map.n_stored}}),
        **({} if ansatz_source == BUILT_IN else {"ansatz_source": ansatz_source}),
        **({} if check is None else {"check": {"logits": check}}),
        "versions": versions,
    }
    write_json(folder / "model.json", record)


def load_model(folder: Path) -> StoredModel:
    """Read a model.

    The record is checked first, then the shapes in the file of weights, so that no file can demand excessive memory.

    Raises:
        UserError: if there is none, it is damaged, too large or of another format, a weight is not finite, or its
            logits differ from those of the record.
    """
    folder = folder / "model" if (folder / "model").is_dir() else folder
    record = _read_record(folder)
    _check_ansatz(record, folder)
    try:
        config = ModelConfig.model_validate(record["model"])
        body, own_body = _body(record, folder)
        task: Task = record.get("task", "classification")
        if task not in get_args(Task):
            raise TypeError(f"task is {task!r}, expected one of {', '.join(get_args(Task))}")
        pair: PairFeatures | None = record.get("pair")
        if pair not in (None, *get_args(PairFeatures)):
            raise TypeError(f"pair is {pair!r}, expected one of {', '.join(get_args(PairFeatures))}")
        dimension, names = (
            record["dimension"],
            _label_names(record["label_names"], 1 if task == "regression" else 2),
        )
        if type(dimension) is not int or dimension < 1:
            raise TypeError(f"dimension is {dimension!r}, expected the length of an embedding")
        identity = record["body_identity"]
        if not isinstance(identity, str):
            raise TypeError(f"body_identity is {identity!r}, expected text")
        thresholds = _thresholds(record["thresholds"], len(names), task) if "thresholds" in record else None
        surrogate = SurrogateConfig.model_validate(record["surrogate"]) if "surrogate" in record else None
        classifier = _structure(config, dimension, len(names), surrogate)
    except ValidationError as error:
        raise UserError(f"the model in {folder} does not fit its record: {faults(error)[0]}.") from None
    except (KeyError, TypeError, BackendError) as error:
        raise UserError(f"the model in {folder} does not fit its record: {error}.") from error
    except UserError as error:
        raise UserError(f"the model in {folder} does not fit its record: {error}") from error
    classifier.load_state_dict(_read_weights(folder, classifier))
    classifier.eval()
    logits = check_logits(classifier, config, dimension) if "check" in record else None
    if logits is not None:
        compare_logits(logits, record, folder)
    checked = logits is not None
    return StoredModel(
        classifier, config, body, identity, dimension, names, own_body, checked, task, pair, surrogate, thresholds
    )


def _structure(config: ModelConfig, dimension: int, n_classes: int, surrogate: SurrogateConfig | None) -> Classifier:
    """Return the untrained classifier of a record, without noise."""
    if surrogate is None:
        return build_classifier(config, dimension, n_classes)
    return build_surrogate(config, dimension, n_classes, surrogate)


def _read_record(folder: Path) -> dict[str, Any]:
    """Return the content of ``model.json``."""
    try:
        record: Any = parse_json(read_text(folder / "model.json"))
    except FileNotFoundError:
        raise _no_model(folder, "model.json") from None
    except (ValueError, OSError) as error:  # not JSON, or not UTF-8
        raise UserError(f"the model in {folder} cannot be read: model.json: {error}.") from error
    found = record.get("format") if isinstance(record, dict) else None
    if type(found) is not int or found != FORMAT:
        raise UserError(
            f"the model in {folder} has format {found!r}; this version reads {FORMAT}. "
            "Install the version of qllmft that wrote it, or train it again."
        )
    if "check" in record and not (isinstance(record["check"], dict) and "logits" in record["check"]):
        raise UserError(f"the model in {folder} does not fit its record: check has no logits.")
    return dict(record)


def _check_ansatz(record: Mapping[str, Any], folder: Path) -> None:
    """Raise UserError if the record's ansatz is unknown, without an import of its package."""
    model = record.get("model")
    name = model.get("ansatz") if isinstance(model, dict) else None
    if not isinstance(name, str) or name in ANSATZE:
        return
    raise UserError(
        f"the model in {folder} was trained with the ansatz {name!r} "
        f"({record.get('ansatz_source', 'of unknown source')}), which is not installed; there are "
        f"{', '.join(ANSATZE)}. Install its package, or call qllmft.register('ansatz', {name!r}, ...) first."
    )


def _no_model(folder: Path, missing: str) -> UserError:
    return UserError(
        f"there is no trained model in {folder} ({missing} is missing). "
        "Give the folder of a finished run, as `qllmft train` prints it."
    )


def _read_weights(folder: Path, classifier: Classifier) -> dict[str, Tensor]:
    """Return the weights, which are read if their names, shapes and types fit."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise _no_model(folder, path.name)
    expected = classifier.state_dict()
    try:
        with open_regular(path, None), safe_open(path, framework="pt") as file:
            _check_shapes(folder, file, expected)
        weights = load_file(path)
    except (ValueError, SafetensorError, OSError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"the model in {folder} cannot be read: {path.name} is damaged or was cut short ({error}). Copy the folder "
            "again, or train it again."
        ) from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise UserError(f"the model in {folder}: its weights hold NaN or infinity ({name}). Train it again.")
    return weights


def _check_shapes(folder: Path, file: Any, expected: Mapping[str, Tensor]) -> None:
    """Raise UserError unless a safetensors file has exactly the tensors of ``expected``: names, shapes and types."""
    there = set(file.keys())
    faults = [f"{name} is missing" for name in sorted(expected.keys() - there)]
    faults += [f"{name} is no weight of it" for name in sorted(there - expected.keys())]
    for name in sorted(there & expected.keys()):
        found, wanted = tuple(file.get_slice(name).get_shape()), tuple(expected[name].shape)
        kind, wanted_kind = file.get_slice(name).get_dtype(), _TYPES[expected[name].dtype]
        if found != wanted:
            faults.append(f"{name} has the shape {found}, expected {wanted}")
        elif kind != wanted_kind:
            faults.append(f"{name} is of type {kind}, expected {wanted_kind}")
    if faults:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise UserError(
            f"the model in {folder} does not fit its record: {'; '.join(faults[:3])}{more}. The weights are of another "
            "structure or of another number of labels. Copy the folder again, or train it again."
        )


def _thresholds(given: object, n_labels: int, task: Task) -> tuple[float, ...]:
    """Return the thresholds of the labels, or raise TypeError unless they are numbers of several labels per text."""
    if task != "multilabel" or not isinstance(given, list) or len(given) != n_labels:
        raise TypeError(f"thresholds are {given!r} and task is {task!r}, expected {n_labels} of the task 'multilabel'")
    if not all(type(each) is float and 0.0 <= each <= 1.0 for each in given):
        raise TypeError(f"thresholds are {given!r}, expected probabilities")
    return tuple(given)


def _label_names(given: object, least: int) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise TypeError(f"label_names is {given!r}, expected a list of names")
    if len(given) < least or len(set(given)) != len(given):
        raise TypeError(f"label_names is {given!r}, expected {['one name', 'two different names'][least - 1]} or more")
    return tuple(given)


def _body(record: Mapping[str, Any], folder: Path) -> tuple[BodyConfig, bool]:
    """Return the body of the record with its path from here, and whether it is in the model's own folder."""
    body = BodyConfig.model_validate(record["body"])
    if body.adapter is not None:
        if body.adapter != OWN_ADAPTER:
            raise TypeError(f"its adapter is {body.adapter!r}, expected {OWN_ADAPTER!r} in the model's own folder")
        body = body.model_copy(update={"adapter": str((folder / OWN_ADAPTER).absolute())})
    own_body = record.get("own_body", False)
    if not isinstance(own_body, bool):
        raise TypeError(f"own_body is {own_body!r}, expected true or false")
    if own_body:
        return body.model_copy(update={"model": str(_own_body(folder))}), True
    if body.model != "minilm":
        body = body.model_copy(update={"model": path_near(body.model, folder)})
    return body, False


def _own_body(folder: Path) -> Path:
    """Return the folder of a trained body, or raise UserError if it is missing or a link."""
    path = (folder / OWN_BODY).absolute()
    if not path.is_dir():
        raise UserError(
            f"the model in {folder} was trained together with its body, and the folder {OWN_BODY} is missing. "
            "Copy the model folder whole, or train again."
        )
    if path.is_symlink():
        raise UserError(f"the folder {OWN_BODY} of the model in {folder} is a link. Copy the model folder whole.")
    return path
