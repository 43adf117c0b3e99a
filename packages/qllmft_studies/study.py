"""Studies from plan to page, and what is kept of their runs: answers, settings and curves, and no folder's name."""

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
from qllmft.config import RunConfig
from qllmft.config.settings import find_differing
from qllmft.data import Table
from qllmft.events import Message
from qllmft.run import SharedInputs
from qllmft.run.record import BodyRecord
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_studies.checks import check_feasible, report_texts
from qllmft_studies.executors import Executor
from qllmft_studies.file import Row, Study
from qllmft_studies.plan_file import PlanFile, check_folder, claim_folder
from qllmft_studies.predictions import (
    CURVE_UNIT,
    Split,
    SplitAnswers,
    StudyPredictions,
    mask_drawn_texts,
    text_keys,
)
from qllmft_studies.published import paper_numbers
from qllmft_studies.record import NOT_REGISTERED, PaperResult, RowResult, StudyRecord
from qllmft_studies.registration import describe_plan, verify_registration, with_published_names
from qllmft_studies.report import finish_study
from qllmft_studies.runs import FinishedRun, FinishedRuns, Plan, SeededResult
from qllmft_studies.study_plan import (
    StudyRun,
    n_settings,
    select_runs,
    study_runs,
    tuning_runs,
    with_margin,
)


@dataclass(frozen=True)
class _FinishedRow:
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
    plan_file: PlanFile | None = None,
) -> StudyRecord:
    """Run a study, and write its record, predictions, tables and page into a folder, like ``qllmft study``.

    Runs that are finished are not done again, so the same call continues after an interruption. The command can
    continue what Python began, and the reverse.

    Args:
        study: the study, such as one of `load_study`.
        folder: of the runs, the predictions, the record, the tables and the page.
        settings: of all runs, by dotted name; they win over presets and rows.
        command: runs the study again, as the page shows it.
        executor: does the runs; one after the other by default.
        registered: file of the study's registration, or None.
        plan_file: plan that the folder is kept for; None: the study's file if it was loaded from one, else its name.

    Raises:
        UserError: if a setting, the folder or the registration does not fit, or the folder is of another plan.
    """
    if plan_file is None:
        is_there = study.path is not None and study.path.is_file()
        plan_file = PlanFile.find(str(study.path) if is_there else study.name, study.name)
    executor = executor or Executor()
    planned = study_runs(study, settings)
    study = with_margin(study, planned)
    tuning_trials = tuning_runs(study, planned, settings) if study.budget is not None else []
    check_folder(folder, plan_file)
    runs = folder / "runs"
    sentence = NOT_REGISTERED
    if registered is not None:
        plan = describe_plan(study, settings, planned)
        sentence = verify_registration(registered, folder, plan, planned, executor.inputs).sentence
    _report_protocol(planned[0].config, settings, executor)
    unfinished_runs = [run for run in (*tuning_trials, *planned) if not run.is_finished(runs)]
    check_feasible(
        {f"study {study.name}, {run.label}": run.config for run in unfinished_runs}, executor.inputs
    )
    report_texts(
        (run.config for run in unfinished_runs), executor.inputs, executor.on_event, read_test=True
    )
    claim_folder(folder, plan_file)
    finished = FinishedRuns(runs)
    if tuning_trials:
        executor.execute(Plan(tuning_trials), runs)
        planned = select_runs(study, planned, settings, tuning_trials, finished)
    executor.execute(Plan(planned), runs)
    rows = []
    for index, row in enumerate(study.rows):
        plans = [plan for plan in planned if index in plan.rows]
        row_runs = tuple(map(finished.load_run, plans))
        # the head comes first, then the baselines as configured
        model_index = (
            1 + plans[0].config.baselines.names.index(row.classical) if row.classical else 0
        )
        models = tuple(run.record.models[model_index] for run in row_runs)
        rows.append(_FinishedRow(row, plans, SeededResult({}, row_runs, models)))
    predictions = _collect_predictions(study, rows, runs, executor.inputs)
    predictions.write(folder)
    record = _make_record(study, rows, predictions, settings, command, executor.inputs, sentence)
    finish_study(folder, record)
    return record


def _report_protocol(config: RunConfig, settings: Mapping[str, Any], executor: Executor) -> None:
    """Report the sizes of the paper's protocol, if texts other than the paper's have it without being asked for."""
    data = config.data
    protocol_is_expected = "data.protocol" in settings or data.protocol != "paper"
    if protocol_is_expected or paper_numbers().names(data.source):
        return
    sizes = executor.inputs.splits(data, config.seed).sizes
    scope_text = "of a label" if TASKS[data.task].one_label else "in all"
    executor.on_event(
        Message(
            f"{data.source}: {sizes['train']:,} training, {sizes['validation']:,} validation, {sizes['test']:,} test "
            f"texts. The paper's protocol draws {data.drawn_per_label} texts {scope_text} and tests on the rest. To "
            "divide all rows: --protocol split."
        )
    )


# --- what is kept


def _collect_predictions(
    study: Study, rows: Sequence[_FinishedRow], runs: Path, inputs: SharedInputs
) -> StudyPredictions:
    """Return the answers of a study's rows. UserError if a run kept none, or kept those on other texts."""
    data = rows[0].plans[0].config.data
    choosing_seeds = study.choosing_seeds
    splits = {seed: inputs.splits(data, seed) for seed in study.seeds}
    task = TASKS[data.task]
    split_names: tuple[Split, ...] = get_args(Split)
    keys = sorted(
        {
            key
            for split in splits.values()
            for split_name in split_names
            for key in text_keys(split.tables[split_name])
        }
    )
    index_by_key = {key: i for i, key in enumerate(keys)}
    answers = {}
    for split_name in split_names:
        for seed_index, (seed, split) in enumerate(splits.items()):
            table = split.tables[split_name]
            texts = np.array([index_by_key[key] for key in text_keys(table)], np.int64)
            order = np.argsort(texts, kind="stable")
            by_row = {
                row.row.label: _row_answers(row, seed_index, runs, split_name, table)[order]
                for row in rows
            }
            answers[split_name, seed] = SplitAnswers(
                task, table.labels[order], by_row, texts[order]
            )
    curves = {}
    for row in rows:
        row_curves = [run.curve for run in row.result.runs if run.curve and run.curve.epochs]
        if not row.row.classical and len(row_curves) == len(row.plans):
            length = min(len(curve.epochs) for curve in row_curves)  # until the shortest ends
            mean = np.mean([(c.train_loss[:length], c.score[:length]) for c in row_curves], axis=0)
            curves[row.row.label] = np.rint(mean / CURVE_UNIT).astype(np.int64)
    hashes, labels = zip(*keys, strict=True)
    text_hashes = np.array(hashes, np.uint64)
    names = _body_names(rows)
    return StudyPredictions(
        rows=tuple(row.row.label for row in rows),
        seeds=tuple(splits),
        hashes=text_hashes,
        labels=np.array(labels, next(iter(splits.values())).test.labels.dtype),
        answers=answers,
        settings={
            row.row.label: with_published_names(
                find_differing(row.result.runs[0].config, RunConfig()), names
            )
            for row in rows
        },
        curves=curves,
        score=task.measure.name,
        choosing_mask=mask_drawn_texts(choosing_seeds, data, inputs, text_hashes)
        if choosing_seeds
        else None,
    )


def _row_answers(
    row: _FinishedRow, seed_index: int, runs: Path, split: Split, table: Table
) -> NDArray[Any]:
    """Return the answers of a row's model with the nth seed on a table, in the order of its texts."""
    folder = row.plans[seed_index].folder(runs)
    name = row.result.models[seed_index].name
    n = len(table)
    predictions = folder.read_predictions()
    answers_by_model = (
        {}
        if predictions is None
        else predictions.answers
        if split == "test"
        else predictions.validation
    )
    if name not in answers_by_model or len(answers_by_model[name]) != n:
        raise UserError(
            f"{folder.predictions_file} has no answers of {name!r} on the {n} {split} texts. Delete the "
            "folder. The study's own command makes it again."
        )
    return (
        answers_by_model[name]
        if table.labels.ndim == 1
        else answers_by_model[name].astype(np.float32)
    )


def _body_names(rows: Sequence[_FinishedRow]) -> dict[str, str]:
    """Return the published names of the runs' bodies by the names or folders that were given."""
    runs = (run for row in rows for run in row.result.runs)
    return {run.config.body.model: run.record.body.model for run in runs}


def command_with_names(command: str, names: Mapping[str, str]) -> str:
    """Return a command with a published name in place of a body's folder.

    >>> command_with_names("qllmft study body --body /a/b --set body.model=/a/b", {"/a/b": "b"})
    'qllmft study body --body b --set body.model=b'
    """
    words = shlex.split(command)
    word_parts = [word.rpartition("=") for word in words]
    new_words = [name + equals + names.get(value, value) for name, equals, value in word_parts]
    return command if new_words == words else shlex.join(new_words)


def _make_record(
    study: Study,
    rows: Sequence[_FinishedRow],
    predictions: StudyPredictions,
    settings: Mapping[str, Any],
    command: str,
    inputs: SharedInputs,
    registered: str,
) -> StudyRecord:
    """Return the record of a study, with the scores of its answers as they are kept."""
    # those of the first seed, then those of the second one, and so on
    runs = [
        run
        for seed_runs in zip(*(row.result.runs for row in rows), strict=True)
        for run in seed_runs
    ]
    config = runs[0].config
    data = runs[0].record.data
    names = _body_names(rows)
    versions: dict[str, list[str]] = {}
    for run in runs:
        for name, version in run.record.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    draws_texts = config.data.drawn_per_label is not None
    rules = {run.config.train.select for run in runs}
    body = runs[0].record.body
    bodies = list(dict.fromkeys(str(run.record.body) for run in runs))
    study_fields = (
        *("title", "subject", "baseline", "reduced", "notes", "budget", "bodies"),
        *("x", "rule", "margin", "contrasts", "presets"),
    )
    return StudyRecord(
        study=study.name,
        **study.model_dump(include=set(study_fields)),
        seeds=tuple(study.seeds),
        choosing_seeds=tuple(study.choosing_seeds or ()),
        epochs=config.train.epochs,
        epochs_range=_range_epochs(rows),
        select=config.train.select if len(rules) == 1 else "of each row",
        protocol=config.data.protocol,
        redrawn=draws_texts or "validation" not in inputs.corpus(config.data).splits,
        data=data,
        # all names, if rows have their own
        body=body if len(bodies) == 1 else BodyRecord(", ".join(bodies), "", body.dimension),
        settings=with_published_names(settings, names),
        command=command_with_names(command, names),
        rows=tuple(
            _row_result(study, row, predictions.scores(row.row.label, data), names) for row in rows
        ),
        versions=versions,
        registered=registered + _first_start_text(registered, runs),
        score=predictions.score,
        test_drawn=predictions.test_drawn,
        test_shared=predictions.test_shared,
    )


def _range_epochs(rows: Sequence[_FinishedRow]) -> tuple[int, int] | None:
    """Return the fewest and the most epochs of heads that Adam trains, or None if they are equal."""
    trainings = [row.plans[0].config.train for row in rows if not row.row.classical]
    epochs = {training.epochs for training in trainings if training.optimizer == "adam"}
    return (min(epochs), max(epochs)) if len(epochs) > 1 else None


def _first_start_text(registered: str, runs: Sequence[FinishedRun]) -> str:
    """Return when the first run of a registered study began, which shows whether the plan is older, or ""."""
    starts = [run.record.started for run in runs if run.record.started]
    if registered == NOT_REGISTERED or len(starts) < len(runs):
        return ""
    first = datetime.fromisoformat(min(starts)).astimezone(UTC)
    return f"; its first run began on {first:%Y-%m-%d at %H:%M} UTC"


def _row_result(
    study: Study, finished_row: _FinishedRow, scores: Mapping[str, Any], names: Mapping[str, str]
) -> RowResult:
    """Return the result of a row.

    Args:
        study: the study.
        finished_row: the row with its runs.
        scores: of its kept answers, see `StudyPredictions.scores`.
        names: published names of bodies, see `_body_names`.
    """
    row = finished_row.row
    result = finished_row.result
    budget_fields: dict[str, Any] = {}
    first_run = result.runs[0]
    models = result.models
    one_label = TASKS[first_run.config.data.task].one_label
    comparable = paper_numbers().names(
        first_run.record.data.source
    )  # other texts have another level
    if study.budget is not None:  # a baseline tries settings of its own grid
        budget_fields = {
            "tried": finished_row.plans[0].tried,
            "chosen": tuple(dict(p.point) for p in finished_row.plans),
        }
        if row.classical:
            budget_fields["tried"] = n_settings(row.classical, finished_row.plans[0].config)
            budget_fields["chosen"] = tuple(dict(model.settings) for model in models)
    return RowResult(
        **row.model_dump(include={"label", "side", "group", "preset", "series", "qubits"}),
        settings=with_published_names(row.settings, names),
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
        **budget_fields,
    )


def paper_result(row: Row) -> PaperResult | None:
    """Return the printed result of a row's preset or baseline, or None if its settings are changed."""
    preset = row.classical.replace("_", "-") if row.classical else row.preset
    paper = paper_numbers()
    accuracy = paper.value_for_preset("accuracy", preset)
    parameters = paper.value_for_preset("parameters", preset)
    if row.settings or accuracy is None or paper.value_for_preset("accuracy", row.preset) is None:
        return None
    count = None if parameters is None else int(parameters.value)
    return PaperResult(accuracy.value, count, accuracy.where.removeprefix("Table "))
