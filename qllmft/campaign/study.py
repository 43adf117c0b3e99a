"""Studies from plan to record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qllmft.baselines import BASELINES
from qllmft.campaign.executors import Executor, check_feasible
from qllmft.campaign.file import Row, Study
from qllmft.campaign.keeping import (
    RowRun,
    RowRuns,
    body_names,
    gather_predictions,
    named,
    row_runs,
    seed_by_seed,
    with_names,
)
from qllmft.campaign.plan import FinishedRuns, FixedPlan
from qllmft.campaign.predictions import StudyPredictions
from qllmft.campaign.record import NOT_REGISTERED, PaperResult, RowResult, StudyRecord
from qllmft.campaign.registration import begin, plan_of, write_plan
from qllmft.campaign.results import SeededResult
from qllmft.campaign.study_plan import (
    chosen_runs,
    n_settings,
    study_runs,
    tuning_runs,
    with_margin,
)
from qllmft.errors import UserError
from qllmft.published import published
from qllmft.run import SharedInputs
from qllmft.run.record import BodyRecord
from qllmft.tasks import TASKS


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
    left = [run for run in (*tuned, *planned) if not run.is_finished(runs)]
    check_feasible(
        {f"study {study.name}, {run.label}": run.config for run in left}, executor.inputs
    )
    finished = FinishedRuns(runs)
    if tuned:
        executor.execute(FixedPlan(tuned), runs)
        planned = chosen_runs(study, planned, settings, tuned, finished)
    executor.execute(FixedPlan(planned), runs)
    rows = row_runs(study, planned, finished)
    predictions = gather_predictions(study, rows, runs, executor.inputs)
    predictions.write(folder)
    record = gather_record(study, rows, predictions, settings, command, executor.inputs)
    return replace(record, registered=sentence)


def register_study(study: Study, file: Path, settings: Mapping[str, Any]) -> float | None:
    """Write the plan of a study for a commit, and return the least difference that it sees (see `write_plan`).

    No run is done.
    """
    planned = study_runs(study, settings)
    return write_plan(file, with_margin(study, planned), settings, planned, Executor().inputs)


def gather_record(
    study: Study,
    rows: RowRuns,
    predictions: StudyPredictions,
    settings: Mapping[str, Any],
    command: str,
    inputs: SharedInputs,
) -> StudyRecord:
    """Return the record of a study, with the scores of its answers as they are kept.

    Args:
        study: the study.
        rows: its finished runs.
        predictions: kept answers of the runs.
        settings: of all runs, by dotted name.
        command: runs the study again.
        inputs: reads the data.
    """
    runs = [each.run for each in seed_by_seed(rows)]
    config, data, names = runs[0].config, runs[0].record.data, body_names(rows)
    versions: dict[str, list[str]] = {}
    for run in runs:
        for name, version in run.record.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    validation_given = (
        config.data.drawn_per_label is None and "validation" in inputs.corpus(config.data).splits
    )
    rules = {run.config.train.select for run in runs}
    return StudyRecord(
        study=study.name,
        **study.model_dump(
            include={
                "title",
                "subject",
                "baseline",
                "reduced",
                "notes",
                "budget",
                "bodies",
                "x",
                "rule",
                "margin",
                "contrasts",
            }
        ),
        seeds=tuple(study.seeds),
        choosing_seeds=tuple(study.choosing_seeds or ()),
        epochs=config.train.epochs,
        select=config.train.select if len(rules) == 1 else "of each row",
        protocol=config.data.protocol,
        redrawn=not validation_given,
        data=data,
        body=_body([run.record.body for run in runs]),
        settings=with_names(settings, names),
        command=named(command, names),
        rows=tuple(
            _row(study, row, rows[i], predictions.scores(i, len(data.labels)), names)
            for i, row in enumerate(study.rows)
        ),
        versions=versions,
        score=predictions.score,
        test_drawn=predictions.test_drawn,
    )


def _body(bodies: Sequence[BodyRecord]) -> BodyRecord:
    """Return the body of all runs, or the names of all bodies if rows have their own."""
    names = list(dict.fromkeys(map(str, bodies)))
    return bodies[0] if len(names) == 1 else BodyRecord(", ".join(names), "", bodies[0].dimension)


def _row(
    study: Study,
    row: Row,
    own: Sequence[RowRun],
    scores: Mapping[str, Any],
    names: Mapping[str, str],
) -> RowResult:
    """Return the result of a row.

    Args:
        study: the study.
        row: the row.
        own: its runs by seed.
        scores: of its kept answers, see `StudyPredictions.scores`.
        names: published names of bodies, see `body_names`.
    """
    runs, models = tuple(each.run for each in own), tuple(each.model for each in own)
    result, one_label = SeededResult({}, runs, models), TASKS[runs[0].config.data.task].one_label
    comparable = published().names(runs[0].record.data.source)  # other texts have another level
    return RowResult(
        **row.model_dump(include={"label", "side", "group", "preset", "series", "qubits"}),
        settings=with_names(row.settings, names),
        model=models[0].name,
        published=paper_result(row) if comparable and study.published and one_label else None,
        runs=tuple(run.record.identity for run in runs),
        parameters=result.parameters,
        stored=max(model.settings.get("stored", 0) for model in models),
        validation_loss=result.validation_loss,
        test_exact=tuple(model.test_exact for model in models if model.test_exact is not None),
        epochs=() if row.classical else tuple(run.record.selected_epoch for run in runs),
        tuned=row.classical is not None and BASELINES[row.classical].tuned,
        **scores,
        **_tried(row, own) if study.budget is not None else {},
    )


def _tried(row: Row, own: Sequence[RowRun]) -> dict[str, Any]:
    """Return the number of settings tried with each seed, a baseline's in its own grid, and the chosen ones."""
    if row.classical:
        return {
            "tried": n_settings(row.classical, own[0].plan.config),
            "chosen": tuple(dict(each.model.settings) for each in own),
        }
    return {"tried": own[0].plan.tried, "chosen": tuple(dict(each.plan.point) for each in own)}


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
