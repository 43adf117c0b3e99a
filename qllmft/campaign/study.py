"""Studies from plan to record, and what is kept of their runs: answers, settings and curves, and no folder's name."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines import BASELINES
from qllmft.campaign.executors import Executor, check_feasible, report_texts
from qllmft.campaign.file import Row, Study
from qllmft.campaign.predictions import (
    CURVE_UNIT,
    Split,
    SplitAnswers,
    StudyPredictions,
    drawn_by,
    text_keys,
)
from qllmft.campaign.record import NOT_REGISTERED, PaperResult, RowResult, StudyRecord
from qllmft.campaign.registration import begin, plan_of, with_names
from qllmft.campaign.runs import FinishedRun, FinishedRuns, Plan, SeededResult
from qllmft.campaign.study_plan import (
    StudyRun,
    chosen_runs,
    n_settings,
    study_runs,
    tuning_runs,
    with_margin,
)
from qllmft.config import RunConfig
from qllmft.config.settings import differing
from qllmft.data import Table
from qllmft.errors import UserError
from qllmft.events import Message
from qllmft.published import published
from qllmft.run import SharedInputs
from qllmft.run.record import BodyRecord
from qllmft.tasks import TASKS


@dataclass(frozen=True)
class _Done:
    """Row of a study with its finished runs, by seed."""

    row: Row
    plans: list[StudyRun]
    result: SeededResult  # of the row's model in each run


def run_study(
    study: Study,
    folder: Path,
    settings: Mapping[str, Any],
    command: str,
    executor: Executor | None = None,
    registered: Path | None = None,
) -> StudyRecord:
    """Do the runs of a study that are not finished, keep their predictions, and return the study's record.

    Args:
        study: the study.
        folder: of the runs, the predictions and the record.
        settings: of all runs, by dotted name; they win over presets and rows.
        command: runs the study again.
        executor: does the runs; one after the other by default.
        registered: file of the study's registration, or None.

    Raises:
        UserError: if a setting, the folder or the registration does not fit.
    """
    executor = executor or Executor()
    planned = study_runs(study, settings)
    study = with_margin(study, planned)
    tuned = tuning_runs(study, planned, settings) if study.budget is not None else []
    if folder.exists() and not folder.is_dir():
        raise UserError(
            f"--out {folder} is a file; expected a folder, or a name that does not exist."
        )
    runs, sentence = folder / "runs", NOT_REGISTERED
    if registered is not None:
        plan = plan_of(study, settings, planned)
        sentence = begin(registered, folder, plan, planned, executor.inputs).sentence
    _report_protocol(planned[0].config, settings, executor)
    left = [run for run in (*tuned, *planned) if not run.is_finished(runs)]
    check_feasible(
        {f"study {study.name}, {run.label}": run.config for run in left}, executor.inputs
    )
    report_texts((run.config for run in left), executor.inputs, executor.on_event, read_test=True)
    finished = FinishedRuns(runs)
    if tuned:
        executor.execute(Plan(tuned), runs)
        planned = chosen_runs(study, planned, settings, tuned, finished)
    executor.execute(Plan(planned), runs)
    rows = []
    for index, row in enumerate(study.rows):
        plans = [plan for plan in planned if index in plan.rows]
        found = tuple(map(finished.read, plans))
        # the head comes first, then the baselines as configured
        place = 1 + plans[0].config.baselines.names.index(row.classical) if row.classical else 0
        models = tuple(run.record.models[place] for run in found)
        rows.append(_Done(row, plans, SeededResult({}, found, models)))
    predictions = _predictions(study, rows, runs, executor.inputs)
    predictions.write(folder)
    return _record(study, rows, predictions, settings, command, executor.inputs, sentence)


def _report_protocol(config: RunConfig, settings: Mapping[str, Any], executor: Executor) -> None:
    """Report the sizes of the paper's protocol, if texts other than the paper's have it without being asked for."""
    data = config.data
    chosen = "data.protocol" in settings or data.protocol != "paper"
    if chosen or published().names(data.source):
        return
    sizes = executor.inputs.splits(data, config.seed).sizes
    each = "of a label" if TASKS[data.task].one_label else "in all"
    executor.on_event(
        Message(
            f"{data.source}: {sizes['train']:,} training, {sizes['validation']:,} validation, {sizes['test']:,} test "
            f"texts by the paper's protocol, which draws {data.drawn_per_label} texts {each} and tests on the "
            "rest; --protocol split divides all rows"
        )
    )


# --- what is kept


def _predictions(
    study: Study, rows: Sequence[_Done], runs: Path, inputs: SharedInputs
) -> StudyPredictions:
    """Return the answers of a study's rows. UserError if a run kept none, or kept those on other texts."""
    data, chosen_on = rows[0].plans[0].config.data, study.choosing_seeds
    splits, task = {seed: inputs.splits(data, seed) for seed in study.seeds}, TASKS[data.task]
    parts: tuple[Split, ...] = get_args(Split)
    keys = sorted(
        {key for each in splits.values() for part in parts for key in text_keys(each.tables[part])}
    )
    place, answers = {key: i for i, key in enumerate(keys)}, {}
    for part in parts:
        for nth, (seed, each) in enumerate(splits.items()):
            table = each.tables[part]
            texts = np.array([place[key] for key in text_keys(table)], np.int64)
            order = np.argsort(texts, kind="stable")
            by_row = {row.row.label: _answers(row, nth, runs, part, table)[order] for row in rows}
            answers[part, seed] = SplitAnswers(task, table.labels[order], by_row, texts[order])
    curves = {}
    for row in rows:
        found = [run.curve for run in row.result.runs if run.curve and run.curve.epochs]
        if not row.row.classical and len(found) == len(row.plans):
            length = min(len(curve.epochs) for curve in found)  # until the shortest ends
            mean = np.mean([(c.train_loss[:length], c.score[:length]) for c in found], axis=0)
            curves[row.row.label] = np.rint(mean / CURVE_UNIT).astype(np.int64)
    hashes, labels = zip(*keys, strict=True)
    text_hashes, names = np.array(hashes, np.uint64), _body_names(rows)
    return StudyPredictions(
        rows=tuple(row.row.label for row in rows),
        seeds=tuple(splits),
        hashes=text_hashes,
        labels=np.array(labels, next(iter(splits.values())).test.labels.dtype),
        answers=answers,
        settings={
            row.row.label: with_names(differing(row.result.runs[0].config, RunConfig()), names)
            for row in rows
        },
        curves=curves,
        score=task.measure.name,
        drawn=drawn_by(chosen_on, data, inputs, text_hashes) if chosen_on else None,
    )


def _answers(row: _Done, nth: int, runs: Path, split: Split, table: Table) -> NDArray[Any]:
    """Return the answers of a row's model with the nth seed on a table, in the order of its texts."""
    folder, name, n = row.plans[nth].folder(runs), row.result.models[nth].name, len(table)
    kept = folder.read_predictions()
    found = {} if kept is None else kept.answers if split == "test" else kept.validation
    if name not in found or len(found[name]) != n:
        raise UserError(
            f"{folder.predictions_file} has no answers of {name!r} on the {n} {split} texts. Delete the "
            "folder; the study's own command makes it again."
        )
    return found[name] if table.labels.ndim == 1 else found[name].astype(np.float32)


def _body_names(rows: Sequence[_Done]) -> dict[str, str]:
    """Return the published names of the runs' bodies by the names or folders that were given."""
    runs = (run for row in rows for run in row.result.runs)
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


def _record(
    study: Study,
    rows: Sequence[_Done],
    predictions: StudyPredictions,
    settings: Mapping[str, Any],
    command: str,
    inputs: SharedInputs,
    registered: str,
) -> StudyRecord:
    """Return the record of a study, with the scores of its answers as they are kept."""
    # those of the first seed, then those of the second one, and so on
    runs = [
        run for of_seed in zip(*(row.result.runs for row in rows), strict=True) for run in of_seed
    ]
    config, data, names = runs[0].config, runs[0].record.data, _body_names(rows)
    versions: dict[str, list[str]] = {}
    for run in runs:
        for name, version in run.record.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    drawn = config.data.drawn_per_label is not None
    rules = {run.config.train.select for run in runs}
    body, bodies = runs[0].record.body, list(dict.fromkeys(str(run.record.body) for run in runs))
    of_the_study = (
        *("title", "subject", "baseline", "reduced", "notes", "budget", "bodies"),
        *("x", "rule", "margin", "contrasts"),
    )
    return StudyRecord(
        study=study.name,
        **study.model_dump(include=set(of_the_study)),
        seeds=tuple(study.seeds),
        choosing_seeds=tuple(study.choosing_seeds or ()),
        epochs=config.train.epochs,
        select=config.train.select if len(rules) == 1 else "of each row",
        protocol=config.data.protocol,
        redrawn=drawn or "validation" not in inputs.corpus(config.data).splits,
        data=data,
        # all names, if rows have their own
        body=body if len(bodies) == 1 else BodyRecord(", ".join(bodies), "", body.dimension),
        settings=with_names(settings, names),
        command=named(command, names),
        rows=tuple(
            _row(study, row, predictions.scores(row.row.label, data), names) for row in rows
        ),
        versions=versions,
        registered=registered + _began(registered, runs),
        score=predictions.score,
        test_drawn=predictions.test_drawn,
    )


def _began(registered: str, runs: Sequence[FinishedRun]) -> str:
    """Return when the first run of a registered study began, which shows whether the plan is older, or ""."""
    starts = [run.record.started for run in runs if run.record.started]
    if registered == NOT_REGISTERED or len(starts) < len(runs):
        return ""
    first = datetime.fromisoformat(min(starts)).astimezone(UTC)
    return f"; its first run began on {first:%Y-%m-%d at %H:%M} UTC"


def _row(
    study: Study, done: _Done, scores: Mapping[str, Any], names: Mapping[str, str]
) -> RowResult:
    """Return the result of a row.

    Args:
        study: the study.
        done: the row with its runs.
        scores: of its kept answers, see `StudyPredictions.scores`.
        names: published names of bodies, see `_body_names`.
    """
    row, result = done.row, done.result
    own: dict[str, Any] = {}
    first, models = result.runs[0], result.models
    one_label = TASKS[first.config.data.task].one_label
    comparable = published().names(first.record.data.source)  # other texts have another level
    if study.budget is not None:  # a baseline tries settings of its own grid
        own = {"tried": done.plans[0].tried, "chosen": tuple(dict(p.point) for p in done.plans)}
        if row.classical:
            own["tried"] = n_settings(row.classical, done.plans[0].config)
            own["chosen"] = tuple(dict(model.settings) for model in models)
    return RowResult(
        **row.model_dump(include={"label", "side", "group", "preset", "series", "qubits"}),
        settings=with_names(row.settings, names),
        model=models[0].name,
        published=paper_result(row) if comparable and study.published and one_label else None,
        runs=tuple(run.record.identity for run in result.runs),
        parameters=result.parameters,
        stored=max(model.settings.get("stored", 0) for model in models),
        validation_loss=result.validation_loss,
        test_exact=tuple(model.test_exact for model in models if model.test_exact is not None),
        epochs=() if row.classical else tuple(run.record.selected_epoch for run in result.runs),
        tuned=row.classical is not None and BASELINES[row.classical].tuned,
        **scores,
        **own,
    )


def paper_result(row: Row) -> PaperResult | None:
    """Return the printed result of a row's preset or baseline, or None if its settings are changed."""
    preset = row.classical.replace("_", "-") if row.classical else row.preset
    paper = published()
    accuracy = paper.of_preset("accuracy", preset)
    parameters = paper.of_preset("parameters", preset)
    if row.settings or accuracy is None or paper.of_preset("accuracy", row.preset) is None:
        return None
    count = None if parameters is None else int(parameters.value)
    return PaperResult(accuracy.value, count, accuracy.where.removeprefix("Table "))
