"""Gathering of what a study keeps from its runs: answers, settings and curves, without the names of folders."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.campaign.answers import Answers, TextIndex
from qllmft.campaign.choosing import drawn_by
from qllmft.campaign.file import Row, Study
from qllmft.campaign.predictions import CURVE_UNIT, StudyPredictions
from qllmft.campaign.results import FinishedRun
from qllmft.campaign.study_plan import StudyRun
from qllmft.config import RunConfig
from qllmft.config.settings import differing
from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.run import RunFolder, SharedInputs
from qllmft.tasks import TASKS


def gather_predictions(
    study: Study,
    planned: Sequence[StudyRun],
    finished: Sequence[FinishedRun],
    runs: Path,
    inputs: SharedInputs,
) -> StudyPredictions:
    """Return the answers of a study whose planned runs are finished, in the same order.

    Raises:
        UserError: if a run kept no answers, or kept those on other texts.
    """
    by_seed: dict[int, list[tuple[StudyRun, FinishedRun]]] = {}
    for plan, run in zip(planned, finished, strict=True):
        by_seed.setdefault(plan.config.seed, []).append((plan, run))
    splits = {seed: inputs.splits(pairs[0][0].config.data, seed) for seed, pairs in by_seed.items()}
    index, answers = TextIndex.of(list(splits.values())), {}
    for split in ("validation", "test"):
        for seed, pairs in by_seed.items():
            table = splits[seed].tables[split]
            answers[split, seed] = _answers(study, pairs, runs, index, table, split)
    names, first = body_names(finished), next(iter(by_seed.values()))
    rows = {row.label: _run_of(i, first) for i, row in enumerate(study.rows)}
    return StudyPredictions(
        rows=tuple(rows),
        seeds=tuple(by_seed),
        hashes=index.hashes,
        labels=index.labels,
        answers=answers,
        settings={
            row: with_names(differing(run.config, RunConfig()), names)
            for row, (run, _) in rows.items()
        },
        curves=_curves(study, by_seed),
        score=TASKS[planned[0].config.data.task].measure.name,
        drawn=drawn_by(study.choosing_seeds, planned[0].config.data, inputs, index.hashes)
        if study.choosing_seeds
        else None,
    )


def _answers(
    study: Study,
    pairs: Sequence[tuple[StudyRun, FinishedRun]],
    runs: Path,
    index: TextIndex,
    table: Table,
    split: str,
) -> Answers:
    by_row = []
    for i, row in enumerate(study.rows):
        plan, run = _run_of(i, pairs)
        folder, name = (
            RunFolder(runs / plan.identity),
            run.record.models[model_place(row, plan)].name,
        )
        kept = folder.read_predictions()
        found = {} if kept is None else kept.answers if split == "test" else kept.validation
        if name not in found or len(found[name]) != len(table):
            raise UserError(
                f"{folder.predictions_file} has no answers of {name!r} on the {len(table)} {split} texts. Delete the "
                "folder; the study's own command makes it again."
            )
        by_row.append(found[name])
    return index.answers(table, by_row)


def _run_of(
    index: int, pairs: Sequence[tuple[StudyRun, FinishedRun]]
) -> tuple[StudyRun, FinishedRun]:
    return next((plan, run) for plan, run in pairs if index in plan.rows)


def model_place(row: Row, run: StudyRun) -> int:
    """Return the index of a row's model in its run's record: the head, then the baselines as configured."""
    return 1 + run.config.baselines.names.index(row.classical) if row.classical else 0


def _curves(
    study: Study, by_seed: Mapping[int, Sequence[tuple[StudyRun, FinishedRun]]]
) -> dict[str, NDArray[np.int64]]:
    """Return the mean curves of the rows that are heads of their runs, until the shortest ends."""
    found = {}
    for i, row in enumerate(study.rows):
        curves = [_run_of(i, pairs)[1].curve for pairs in by_seed.values()]
        length = min(len(curve.epochs) if curve else 0 for curve in curves)
        if not row.classical and length:
            parts = [(c.train_loss[:length], c.score[:length]) for c in curves if c]
            found[row.label] = np.rint(np.mean(parts, axis=0) / CURVE_UNIT).astype(np.int64)
    return found


def body_names(runs: Sequence[FinishedRun]) -> dict[str, str]:
    """Return the published names of the runs' bodies by the names or folders that were given."""
    return {run.config.body.model: run.record.body.model for run in runs}


def named(command: str, names: Mapping[str, str]) -> str:
    """Return a command with a published name in place of a body's folder.

    >>> named("qllmft study body --body /a/b --set body.model=/a/b", {"/a/b": "b"})
    'qllmft study body --body b --set body.model=b'
    """
    words = shlex.split(command)
    parts = [word.rpartition("=") for word in words]
    changed = [name + equals + names.get(value, value) for name, equals, value in parts]
    return command if changed == words else shlex.join(changed)


def with_names(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return settings with a published name in place of a body's folder."""
    return {k: names.get(v, v) if k == "body.model" else v for k, v in settings.items()}
