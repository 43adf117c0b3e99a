"""Gathering of what a study keeps from its runs: answers, settings and curves, without the names of folders."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.campaign.file import Row, Study
from qllmft.campaign.plan import FinishedRuns
from qllmft.campaign.predictions import CURVE_UNIT, SplitAnswers, StudyPredictions
from qllmft.campaign.record import StudyRecord
from qllmft.campaign.results import FinishedRun
from qllmft.campaign.study_plan import StudyRun
from qllmft.config import DataConfig, RunConfig, parse_config
from qllmft.config.settings import differing, with_settings
from qllmft.data import Splits, Table
from qllmft.errors import UserError
from qllmft.run import ModelResult, SharedInputs
from qllmft.tasks import TASKS


@dataclass(frozen=True)
class RowRun:
    """Finished run of one row with one seed, and the row's model in it."""

    plan: StudyRun
    run: FinishedRun
    model: ModelResult  # the run's head, or one of its baselines


RowRuns = Sequence[Sequence[RowRun]]  # of each row, by seed


def row_runs(
    study: Study, planned: Sequence[StudyRun], finished: FinishedRuns
) -> list[list[RowRun]]:
    """Return the runs of each row by seed, when all planned runs are finished."""
    return [
        [_row_run(row, plan, finished.read(plan)) for plan in planned if index in plan.rows]
        for index, row in enumerate(study.rows)
    ]


def _row_run(row: Row, plan: StudyRun, run: FinishedRun) -> RowRun:
    # the head comes first, then the baselines as configured
    place = 1 + plan.config.baselines.names.index(row.classical) if row.classical else 0
    return RowRun(plan, run, run.record.models[place])


def seed_by_seed(rows: RowRuns) -> list[RowRun]:
    """Return the runs of all rows with the first seed, then those with the second one, and so on."""
    return [each for of_seed in zip(*rows, strict=True) for each in of_seed]


def gather_predictions(
    study: Study, rows: RowRuns, runs: Path, inputs: SharedInputs
) -> StudyPredictions:
    """Return the answers of a study's rows.

    Args:
        study: the study.
        rows: its finished runs.
        runs: folder of the runs.
        inputs: reads the data.

    Raises:
        UserError: if a run kept no answers, or kept those on other texts.
    """
    data, labels = rows[0][0].plan.config.data, [row.label for row in study.rows]
    splits = {seed: inputs.splits(data, seed) for seed in study.seeds}
    index, answers = _TextIndex.of(list(splits.values())), {}
    for split in ("validation", "test"):
        for seed, of_seed in zip(splits, zip(*rows, strict=True), strict=True):
            table = splits[seed].tables[split]
            by_row = [_answers(each, runs, split, len(table)) for each in of_seed]
            answers[split, seed] = index.answers(table, by_row)
    names = body_names(rows)
    first = {label: row[0].run.config for label, row in zip(labels, rows, strict=True)}
    chosen_on = study.choosing_seeds
    return StudyPredictions(
        rows=tuple(labels),
        seeds=tuple(splits),
        hashes=index.hashes,
        labels=index.labels,
        answers=answers,
        settings={
            label: with_names(differing(config, RunConfig()), names)
            for label, config in first.items()
        },
        curves=_curves(study, rows),
        score=TASKS[data.task].measure.name,
        drawn=_drawn_by(chosen_on, data, inputs, index.hashes) if chosen_on else None,
    )


def _answers(each: RowRun, runs: Path, split: str, n: int) -> NDArray[Any]:
    """Return the answers of a row's model on the n texts of a split, in the order of the split."""
    folder, name = each.plan.folder(runs), each.model.name
    kept = folder.read_predictions()
    found = {} if kept is None else kept.answers if split == "test" else kept.validation
    if name not in found or len(found[name]) != n:
        raise UserError(
            f"{folder.predictions_file} has no answers of {name!r} on the {n} {split} texts. Delete the "
            "folder; the study's own command makes it again."
        )
    return found[name]


def _curves(study: Study, rows: RowRuns) -> dict[str, NDArray[np.int64]]:
    """Return the mean curves of the rows that are heads of their runs, until the shortest ends."""
    found = {}
    for row, runs in zip(study.rows, rows, strict=True):
        curves = [each.run.curve for each in runs]
        length = min(len(curve.epochs) if curve else 0 for curve in curves)
        if not row.classical and length:
            parts = [(c.train_loss[:length], c.score[:length]) for c in curves if c]
            found[row.label] = np.rint(np.mean(parts, axis=0) / CURVE_UNIT).astype(np.int64)
    return found


def body_names(rows: RowRuns) -> dict[str, str]:
    """Return the published names of the runs' bodies by the names or folders that were given."""
    return {each.run.config.body.model: each.run.record.body.model for each in seed_by_seed(rows)}


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


def _drawn_by(
    seeds: Iterable[int], data: DataConfig, inputs: SharedInputs, hashes: NDArray[np.uint64]
) -> NDArray[np.bool_]:
    """Return whether each text is a training or validation text of one of the seeds.

    Args:
        seeds: of the splits.
        data: the texts and their protocol.
        inputs: reads the data.
        hashes: (P,) of the texts, see `_hashes_of`.

    Returns:
        (P,) marks.
    """
    splits = [inputs.splits(data, seed) for seed in seeds]
    drawn = [_hashes_of(table) for each in splits for table in (each.train, each.validation)]
    return np.isin(hashes, np.concatenate(drawn))


def with_drawn_texts(
    predictions: StudyPredictions, record: StudyRecord, source: str
) -> StudyPredictions:
    """Return kept answers with the texts that the record's choosing seeds drew from the data ``source``.

    Raises:
        UserError: if the study has no choosing seeds, or the data is not the study's.
    """
    if not record.choosing_seeds:
        raise UserError(
            f"--data {source} marks the texts on which settings were chosen, and the study {record.study} chose none "
            "on seeds of its own; omit --data."
        )
    first = predictions.settings[predictions.rows[0]]
    given = with_settings({}, {**first, **record.settings, "data.source": source})
    data, inputs = parse_config(given, f"settings of {record.study}").data, SharedInputs()
    found = inputs.corpus(data).fingerprint
    if found != record.data.fingerprint:
        raise UserError(
            f"--data {source} has the fingerprint {found}, and the study's data {record.data.fingerprint}; give the "
            "same texts."
        )
    marked = _drawn_by(record.choosing_seeds, data, inputs, predictions.hashes)
    return replace(predictions, drawn=marked)


@dataclass(frozen=True)
class _TextIndex:
    """Different texts of a study, with their labels, in the order of their hashes."""

    # (P,) first 8 bytes of the SHA-256 of each text, ascending; no text is kept
    hashes: NDArray[np.uint64]
    labels: NDArray[Any]  # (P,) true labels, or (P, T) targets or labels of 0 and 1

    @classmethod
    def of(cls, splits: Sequence[Splits]) -> _TextIndex:
        """Collect the validation and test texts of several seeds."""
        pairs = {
            pair
            for each in splits
            for table in (each.validation, each.test)
            for pair in _keys(table)
        }
        hashes, labels = zip(*sorted(pairs), strict=True)
        return cls(np.array(hashes, np.uint64), np.array(labels, splits[0].test.labels.dtype))

    def answers(self, table: Table, by_row: Sequence[NDArray[Any]]) -> SplitAnswers:
        """Return answers on a table of each row, in the shape of its labels, in the order of this index."""
        place = {pair: i for i, pair in enumerate(_pairs(self.hashes.tolist(), self.labels))}
        texts = np.array([place[pair] for pair in _keys(table)], np.int64)
        order = np.argsort(texts, kind="stable")
        found = np.stack(by_row, axis=1)[order]
        if table.labels.ndim > 1:
            found = found.astype(np.float32)
        return SplitAnswers(texts[order], table.labels[order], found)


def _hashes_of(table: Table) -> NDArray[np.uint64]:
    """Return the first 8 bytes of the SHA-256 of each text."""
    hashes = (
        hashlib.sha256(item.encode("utf-8", "surrogatepass")).digest()[:8] for item in table.items
    )
    return np.array([int.from_bytes(key, "big") for key in hashes], np.uint64)


def _keys(table: Table) -> list[tuple[int, Any]]:
    return _pairs(_hashes_of(table).tolist(), table.labels)


def _pairs(hashes: Sequence[int], labels: NDArray[Any]) -> list[tuple[int, Any]]:
    found = labels.tolist() if labels.ndim == 1 else map(tuple, labels.tolist())
    return list(zip(hashes, found, strict=True))
