"""Verification of a run's folder: its files are compared, and its numbers computed again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qllmft.embed import body_identity, check_body_folder, locate_body
from qllmft.inference.items import ItemVectors
from qllmft.model import load_model
from qllmft.run.folder import RunFolder
from qllmft.run.predictions import Predictions
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord
from qllmft_base.errors import UserError
from qllmft_base.files import json_values, read_bytes
from qllmft_base.text import format_count
from qllmft_base.versions import install_command

ROUNDING = 1e-9  # of a sum in another version


@dataclass(frozen=True)
class Check:
    """Result of the check of one part."""

    name: str  # of the part
    sound: bool
    finding: str


def verify_run(path: Path) -> Iterator[Check]:
    """Check the parts of a run's folder, without writing a file or loading the body."""
    if not path.is_dir():
        raise UserError(
            f"there is no folder {path}. Give the folder of a run, as `qllmft train` prints it."
        )
    folder = RunFolder(path)
    folder.check_is_one_run()
    checks: dict[str, Callable[[RunFolder], str]] = {
        "configuration": lambda folder: f"identity {folder.read_config().identity}",
        "record": _check_record,
        "metrics": _check_metrics,
        "predictions": _check_predictions,
        "model": _check_model,
        "body": _check_body,
    }
    if (folder.ledger / "ledger.jsonl").exists():
        checks["ledger"] = _check_ledger
    for name, check in checks.items():
        try:
            yield Check(name, True, check(folder))
        # `UserError` is a ValueError
        except (ValueError, TypeError, OSError, OverflowError) as error:
            yield Check(name, False, str(error))


def _check_same(name: str, actual: object, expected: object, whose: str, part: str) -> None:
    if actual != expected:
        raise UserError(
            f"{name} is {actual!r}, and {whose} is {expected!r}: the {part} belongs to another run."
        )


def _check_record(folder: RunFolder) -> str:
    record = folder.require_record(tested=False)
    config = folder.read_config()
    _check_same("identity", record.identity, config.identity, "the configuration's", "record")
    _check_same("seed", record.seed, config.seed, "the configuration's", "record")
    for model in record.models:
        for split, accuracy in (("validation", model.validation), ("test", model.test)):
            size = record.data.sizes.get(split)
            if accuracy is not None and accuracy.total != size:
                raise UserError(
                    f"{model.name!r} was tested on {accuracy.total} {split} texts, and there are {size}."
                )
    test = record.head.test
    if test is None:
        return format_count(len(record.models), "model")
    score_text = test.measure.percent(test.value) if test.measure.in_percent else test
    return f"{format_count(len(record.models), 'model')}, test {test.measure.name} {score_text}"


def _check_metrics(folder: RunFolder) -> str:
    lines = read_bytes(folder.metrics_file).splitlines() if folder.metrics_file.exists() else []
    metrics = folder.metrics()
    train = folder.read_config().train
    if [epoch_metrics.epoch for epoch_metrics in metrics] != list(range(1, len(lines) + 1)):
        raise UserError(
            f"line {len(metrics) + 1} of {folder.metrics_file.name} cannot be read, or its epochs are not 1, 2, 3, ..."
        )
    ends_early = bool(metrics) and (train.optimizer == "lbfgs" or train.patience)
    if len(metrics) != train.epochs and not (ends_early and len(metrics) < train.epochs):
        raise UserError(
            f"{folder.metrics_file.name} has {format_count(len(metrics), 'epoch')}, and the configuration "
            f"{train.epochs}."
        )
    values = [
        (epoch_metrics.train_loss, epoch_metrics.validation_loss, epoch_metrics.score)
        for epoch_metrics in metrics
    ]
    if not np.isfinite(np.array(values, np.float64)).all():
        raise UserError(f"{folder.metrics_file.name} holds a loss or a score that is not finite.")
    selected = folder.require_record(tested=False).selected_epoch
    if not 1 <= selected <= len(metrics):
        raise UserError(f"the record's selected epoch is {selected}, of {len(metrics)}.")
    return f"{format_count(len(metrics), 'epoch')}, the selected one is {selected}"


def _check_predictions(folder: RunFolder) -> str:
    """Compute the test scores and differences of the record again from the answers."""
    record = folder.require_record(tested=False)
    answers = folder.read_predictions()
    if record.head.test is None:
        return "none: the test set was not read"
    if answers is None:
        raise UserError(f"there is no {folder.predictions_file.name}.")
    if len(answers.labels) != record.data.sizes.get("test"):
        raise UserError(
            f"they have {format_count(len(answers.labels), 'text')}, and the record {record.data.sizes.get('test')}."
        )
    if answers.label_names != record.data.labels:
        raise UserError(
            f"their labels are {answers.label_names}, and the record's {record.data.labels}."
        )
    _check_answered_models(record, answers)
    for model in record.models:
        _check_scores(model, record.head, answers)
    models = format_count(len(record.models), "model")
    texts = format_count(len(answers.labels), "text")
    return f"{models} x {texts} give the record's {answers.task.measure.plural}"


def _check_answered_models(record: RunRecord, answers: Predictions) -> None:
    """Raise UserError unless the answers are those of the record's models, each of which is there once."""
    recorded = [model.name for model in record.models]
    answered = {name for name in answers.answers if name != WITHOUT_CIRCUIT}
    if len(recorded) != len(set(recorded)) or answered != set(recorded):
        raise UserError(
            f"they are of {', '.join(sorted(answered))}, and the record's models are {', '.join(recorded)}. One of "
            "both belongs to another run. Delete result.json and run the same `qllmft train` again."
        )


def _check_scores(model: ModelResult, head: ModelResult, answers: Predictions) -> None:
    """Compute the scores of a model, and its differences to others, again from the answers."""
    score_answers = answers.task.scores.from_answers
    recomputed_score = score_answers(answers.labels, answers.model_answers(model.name))
    recorded_score = model.tested
    if (
        type(recomputed_score) is not type(recorded_score)
        or abs(recomputed_score.value - recorded_score.value) > ROUNDING
    ):
        raise UserError(
            f"{model.name!r} has {recomputed_score.exactly}, and the record has {recorded_score.exactly}."
        )
    _check_part(model, "test", recomputed_score, recorded_score)
    if model.test_classes is not None:
        _check_part(model, "test_classes", answers.by_class(model.name), model.test_classes)
    if model.against_head is not None:
        difference = answers.against_head(model.name, balanced=head.uneven is not None)
        _check_part(model, "against_head", difference, model.against_head)
    control = model.without_circuit
    if control is not None and model is head:
        gain = answers.against_head(WITHOUT_CIRCUIT, balanced=bool(head.balanced))
        assert gain.interval is not None  # it is paired by text
        test = score_answers(answers.labels, answers.model_answers(WITHOUT_CIRCUIT))
        recomputed_control = replace(
            control, test=test, gain=gain.value, gain_interval=gain.interval
        )
        _check_part(model, "without_circuit", recomputed_control, control)


def _check_part(model: ModelResult, part: str, recomputed: object, recorded: object) -> None:
    """Raise UserError unless a part of a model's record is that of the answers."""
    if not _are_same(json_values(recomputed), json_values(recorded)):
        raise UserError(
            f"{part!r} of {model.name!r} in the record is not what the answers give. The record was changed, or made "
            "by another version. Delete result.json and run the same `qllmft train` again."
        )


def _are_same(first: object, second: object) -> bool:
    """Return whether two JSON values are the same but for rounding.

    >>> _are_same({"a": [0.1, 1]}, {"a": [0.1 + 1e-12, 1]}), _are_same([1.0], [1.0, 2.0])
    (True, False)
    """
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(
            _are_same(first[name], second[name]) for name in first
        )
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_are_same, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return first == second


def _check_model(folder: RunFolder) -> str:
    model = load_model(folder.model_folder)
    record = folder.require_record(tested=False)
    config = folder.read_config()
    stored_structure, run_structure = (
        model_config.for_labels(record.data.n_learned)
        for model_config in (model.config, config.model)
    )
    _check_same("its structure", stored_structure, run_structure, "the run's", "model")
    _check_same(
        "its label names",
        model.label_names,
        record.data.labels[: record.data.n_learned],
        "the run's",
        "model",
    )
    _check_same("its dimension", model.dimension, record.body.dimension, "the run's", "model")
    if record.body.learned is None:
        n_parameters = model.classifier.n_parameters
        recorded = record.head.parameters
        _check_same("its number of parameters", n_parameters, recorded, "the record's", "model")
    _check_same("its body", model.body_identity, record.body.identity, "the run's", "model")
    check_text = (
        "gives the logits that it was saved with" if model.checked else "has no check logits"
    )
    return f"{model.classifier.n_parameters:,} parameters, {check_text}"


def _check_body(folder: RunFolder) -> str:
    model = load_model(folder.model_folder)
    location = locate_body(model.body)
    if not location.identity:
        return f"{model.body.model} is not on this computer, and was not compared"
    if Path(location.path).is_dir():
        check_body_folder(Path(location.path))
    ItemVectors(model).check(body_identity(model.body, location))
    return f"{model.body.model} is the one that the model was trained on"


def _check_ledger(folder: RunFolder) -> str:
    try:
        from qllmft_machines import Ledger
    except ModuleNotFoundError as error:
        raise UserError(
            f"it needs the package {error.name!r}: {install_command('ionq')}."
        ) from None
    ledger = Ledger(folder.ledger)
    ledger.refresh()
    if ledger.damaged_line:
        raise UserError(
            f"the ledger {ledger.path} ends in a damaged record of {len(ledger.damaged_line)} bytes, which is not "
            f"used. `qllmft jobs wait {folder.path}` sets it aside."
        )
    jobs = [chunk for chunk in ledger.chunks.values() if chunk.job_id is not None]
    return f"{format_count(len(jobs), 'job')}, {format_count(sum(len(chunk.values) for chunk in jobs), 'circuit')}"
