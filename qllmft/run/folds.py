"""Cross-validation: one run for each fold, and a record of all rows, each tested once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.config import RunConfig
from qllmft.events import Message, OnEvent
from qllmft.files import write_json
from qllmft.run.experiment import Outcome
from qllmft.run.folder import folder_of
from qllmft.run.predictions import Predictions
from qllmft.run.record import ModelResult, RunRecord
from qllmft.run.setup import SharedInputs

# does the run of a configuration in a folder with shared texts
RunOfFold = Callable[[RunConfig, Path, SharedInputs], Outcome]


def run_folds(
    config: RunConfig,
    out: Path | None,
    on_event: OnEvent,
    run: RunOfFold,
    inputs: SharedInputs | None = None,
) -> Outcome:
    """Do a run for each fold, and return the outcome with the record of all rows.

    Every choice within a fold is made on its own validation rows. Runs of finished folds are not done again.

    Args:
        config: with ``data.folds`` and without ``data.fold``.
        out: folder of the runs, ``fold-1`` and so on, and of ``folds.json``; ``runs/<identity>`` if None.
        on_event: receives a message for each fold.
        run: does a run.
        inputs: texts and embeddings that are in memory.

    Returns:
        The outcome without a record if a fold was interrupted.
    """
    folder, texts = folder_of(config, out), inputs or SharedInputs()
    corpus = texts.corpus(config.data)
    outcomes: list[Outcome] = []
    for fold in range(config.data.folds or 0):
        data = config.data.model_copy(update={"fold": fold})
        own = config.model_copy(update={"data": data})
        texts.add(data, corpus)
        on_event(Message(f"fold {fold + 1} of {config.data.folds}"))
        outcome = run(own, folder.path / f"fold-{fold + 1}", texts)
        if outcome.record is None:
            return replace(outcome, folder=folder)
        outcomes.append(outcome)
    record = _pooled(config, outcomes, texts)
    write_json(folder.folds_file, record.to_json())
    return Outcome(folder, record, config.train.epochs)


def _pooled(config: RunConfig, outcomes: Sequence[Outcome], texts: SharedInputs) -> RunRecord:
    """Return the record of all test rows of the folds, with differences paired by text."""
    records = [outcome.record for outcome in outcomes if outcome.record]
    validation = np.concatenate(
        [
            texts.splits(
                config.data.model_copy(update={"fold": fold}), config.seed
            ).validation.labels
            for fold in range(len(records))
        ]
    )
    # a finished run has answers
    kept = [each for outcome in outcomes if (each := outcome.folder.read_predictions())]
    first, *others = kept
    common = [name for name in first.answers if all(name in each.answers for each in others)]
    pooled = Predictions(
        first.task,
        np.concatenate([each.labels for each in kept]),
        {name: np.concatenate([each.answers[name] for each in kept]) for name in common},
        first.label_names,
        validation={
            name: np.concatenate([each.validation[name] for each in kept]) for name in common
        },
    )
    models = tuple(_model(name, records, pooled, validation) for name in common)
    sizes = {**records[0].data.sizes, "test": len(pooled.labels)}  # the first fold's training
    record = replace(
        records[0],
        identity=config.identity,
        data=replace(
            records[0].data,
            source=f"{records[0].data.source}, {len(records)} folds",
            sizes=sizes,
            findings=None,
            split=None,
        ),
        models=models,
    )
    return record.compared(pooled)


def _model(
    name: str, records: Sequence[RunRecord], pooled: Predictions, validation: NDArray[Any]
) -> ModelResult:
    """Return the result of a model over all folds: scores of all rows, seconds of all fits."""
    found = [model for record in records if (model := record.model(name))]
    loads = [model.load for model in found if model.load is not None]
    scores = pooled.task.scores
    return ModelResult(
        name=name,
        validation=scores.of(validation, pooled.validation[name]),
        parameters=max(model.parameters for model in found),
        seconds=sum(model.seconds for model in found),
        test=scores.of(pooled.labels, pooled.answers_of(name)),
        load=float(np.mean(loads)) if loads else None,
        test_classes=pooled.by_class(name),
    )
