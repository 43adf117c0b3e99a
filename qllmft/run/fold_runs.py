"""Cross-validation by one run for each fold, and a record of all rows, each tested once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import RunConfig
from qllmft.events import FoldEnded, FoldStarted, OnEvent
from qllmft.run.folder import run_folder
from qllmft.run.outcome import Outcome
from qllmft.run.predictions import Predictions
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord, WithoutCircuit
from qllmft.run.setup import SharedInputs
from qllmft.tasks import Task
from qllmft.tasks.accuracy import balanced_accuracy
from qllmft.tasks.measure import Score
from qllmft.tasks.multilabel import LabelSetScores
from qllmft_base.errors import UserError
from qllmft_base.files import write_json

# does the run of a configuration in a folder with shared texts
RunFold = Callable[[RunConfig, Path, SharedInputs], Outcome]


def run_folds(
    config: RunConfig,
    out: Path | None,
    on_event: OnEvent,
    run: RunFold,
    inputs: SharedInputs | None,
) -> Outcome:
    """Do a run for each fold, and return the outcome with the record of all rows.

    Every choice within a fold is made on its own validation rows. Runs of finished folds are not done again.

    Args:
        config: with ``data.folds`` and without ``data.fold``.
        out: folder of the runs, ``fold-1`` and so on, and of ``folds.json``; ``runs/<identity>`` if None.
        on_event: receives the start and the end of each fold, and the events of its run between them.
        run: does a run.
        inputs: texts and embeddings that are in memory; None: there are none.

    Returns:
        The outcome without a record if a fold was interrupted.

    Raises:
        UserError: if the folder is that of a run, the texts are too few for the folds, or a fold has lost its answers.
    """
    folder = run_folder(config, out)
    texts = inputs or SharedInputs()
    if folder.config_file.exists():
        raise UserError(
            f"{folder.path} holds a run, and folds are runs in a folder of their own. Choose another folder with --out."
        )
    corpus = texts.corpus(config.data)
    outcomes: list[Outcome] = []
    fold_data = [
        config.data.model_copy(update={"fold": fold}) for fold in range(config.data.folds or 0)
    ]
    validation_labels = []  # labels of the validation texts
    for data in fold_data:  # before a fold begins
        texts.add(data, corpus)
        validation_labels.append(texts.splits(data, config.seed).validation.labels)
    total = len(fold_data)
    for fold, data in enumerate(fold_data):
        fold_config = config.model_copy(update={"data": data})
        fold_folder = folder.fold(fold)
        is_new = not fold_folder.result_file.exists()
        started = time.perf_counter()
        on_event(FoldStarted(fold + 1, total))
        outcome = run(fold_config, fold_folder.path, texts)
        if outcome.record is None:
            return replace(outcome, folder=folder)
        seconds = time.perf_counter() - started if is_new else None
        validation = outcome.record.head.validation.value
        on_event(FoldEnded(fold + 1, total, validation, data.task, seconds))
        outcomes.append(outcome)
    record = _pool_records(config.identity, outcomes, np.concatenate(validation_labels))
    write_json(folder.folds_file, record.to_json())
    return Outcome(folder, record, config.train.epochs)


def _pool_records(
    identity: str, outcomes: Sequence[Outcome], validation: NDArray[Any]
) -> RunRecord:
    """Return the record of all test rows of the folds, with differences paired by text."""
    records = [outcome.record for outcome in outcomes if outcome.record]
    fold_predictions = []
    for folder in (outcome.folder for outcome in outcomes):
        if (stored_predictions := folder.read_predictions()) is None:
            raise UserError(
                f"{folder.predictions_file} is missing. Delete {folder.result_file}. The same command makes both again."
            )
        fold_predictions.append(stored_predictions)
    pooled = Predictions.pool(fold_predictions)
    names = [name for name in pooled.answers if name != WITHOUT_CIRCUIT]
    data = records[0].data
    sizes = {part: sum(record.data.sizes[part] for record in records) for part in data.sizes}
    data = replace(data, sizes=sizes, findings=None, split=None, folds=len(records))
    shares = [record.data.majority for record in records if record.data.majority is not None]
    if len(shares) == len(records):
        data = replace(data, majority=float(np.mean(shares)))
    models = tuple(
        _pool_model(name, records, fold_predictions, pooled, validation, data.balanced)
        for name in names
    )
    record = replace(records[0], identity=identity, data=data, models=models)
    return record.with_differences(pooled)


def _pool_model(
    name: str,
    records: Sequence[RunRecord],
    folds: Sequence[Predictions],
    pooled: Predictions,
    validation: NDArray[Any],
    balanced: bool | None,
) -> ModelResult:
    """Return the result of a model over all folds: scores of all rows, seconds of all fits.

    Args:
        name: of the model.
        records: of the folds.
        folds: answers to the texts of each fold.
        pooled: answers to the texts of all folds.
        validation: labels of the validation texts of all folds.
        balanced: as in `ModelResult`.
    """
    validation_answers = pooled.validation[name]
    fold_models = [model for record in records if (model := record.model(name))]
    dependences = [
        model.circuit_dependence for model in fold_models if model.circuit_dependence is not None
    ]
    controls = [model.without_circuit for model in fold_models if model.without_circuit]
    is_head = name == records[0].head.name  # kept are the answers of its control alone
    controlled = is_head and WITHOUT_CIRCUIT in pooled.answers and len(controls) == len(records)
    fold_settings = [model.settings for model in fold_models]
    return ModelResult(
        name=name,
        validation=_pool_scores(
            pooled.task, validation, [fold.validation[name] for fold in folds], fold_settings
        ),
        parameters=max(model.parameters for model in fold_models),
        seconds=sum(model.seconds for model in fold_models),
        test=_pool_scores(
            pooled.task, pooled.labels, [fold.model_answers(name) for fold in folds], fold_settings
        ),
        circuit_dependence=float(np.mean(dependences)) if dependences else None,
        without_circuit=_pool_control(
            name, controls, folds, pooled, validation, balanced=bool(balanced)
        )
        if controlled
        else None,
        test_classes=pooled.by_class(name),
        test_ordered=pooled.ordered_scores(name) if fold_models[0].test_ordered else None,
        balanced=balanced,
        validation_balanced=balanced_accuracy(validation, validation_answers) if balanced else None,
    )


def _pool_control(
    name: str,
    controls: Sequence[WithoutCircuit],
    folds: Sequence[Predictions],
    pooled: Predictions,
    validation: NDArray[Any],
    *,
    balanced: bool,
) -> WithoutCircuit:
    """Return the result over all folds of a model without its circuit, with its gain paired by text."""
    task = pooled.task
    answers = [fold.model_answers(WITHOUT_CIRCUIT) for fold in folds]
    validation_answers = [fold.validation[WITHOUT_CIRCUIT] for fold in folds]
    fold_settings = [control.settings for control in controls]
    gain = task.paired_difference(
        pooled.labels,
        pooled.model_answers(name),
        pooled.model_answers(WITHOUT_CIRCUIT),
        balanced=balanced,
    )
    assert gain.interval is not None  # it is paired by text
    return WithoutCircuit(
        parameters=max(control.parameters for control in controls),
        validation=_pool_scores(task, validation, validation_answers, fold_settings),
        test=_pool_scores(task, pooled.labels, answers, fold_settings),
        settings={},
        gain=gain.value,
        gain_interval=gain.interval,
    )


def _pool_scores(
    task: Task,
    labels: NDArray[Any],
    answers: Sequence[NDArray[Any]],
    settings: Sequence[Mapping[str, Any]],
) -> Score:
    """Return the scores of one model's answers to the texts of all folds.

    Args:
        task: the meaning of labels and answers.
        labels: those of all folds.
        answers: those to the texts of each fold.
        settings: those that the model chose in each fold; each has thresholds of its own for several labels.
    """
    pooled_answers = np.concatenate(answers)
    if not task.several or any("thresholds" not in fold_settings for fold_settings in settings):
        return task.scores.from_answers(labels, pooled_answers)
    thresholds = [
        np.broadcast_to(fold_settings["thresholds"], fold_answers.shape)
        for fold_settings, fold_answers in zip(settings, answers, strict=True)
    ]
    return LabelSetScores.from_answers(labels, pooled_answers, np.concatenate(thresholds))
