"""Studies from plan to record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qllmft.baselines import BASELINES
from qllmft.campaign.executors import Executor, check_feasible
from qllmft.campaign.file import Row, Study
from qllmft.campaign.keeping import body_names, gather_predictions, model_place, named, with_names
from qllmft.campaign.plan import FinishedRuns, FixedPlan
from qllmft.campaign.record import NOT_REGISTERED, PaperResult, RowResult, StudyRecord
from qllmft.campaign.registration import begin, plan_of, write_plan
from qllmft.campaign.results import FinishedRun, collect
from qllmft.campaign.study_plan import StudyRun, study_runs, with_margin
from qllmft.campaign.tuning import chosen_runs, n_settings, tuning_runs
from qllmft.errors import UserError
from qllmft.published import published
from qllmft.run import ModelResult, SharedInputs
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
    found = [finished.read(run) for run in planned]
    predictions = gather_predictions(study, planned, found, runs, executor.inputs)
    predictions.write(folder)
    record = gather_record(study, planned, found, settings, command, executor.inputs)
    # scores of the answers as they are kept, so that the same record comes from them again
    return replace(predictions.recomputed(record), registered=sentence)


def register_study(study: Study, file: Path, settings: Mapping[str, Any]) -> float | None:
    """Write the plan of a study for a commit, and return the least difference that it sees (see `write_plan`).

    No run is done.
    """
    planned = study_runs(study, settings)
    return write_plan(file, with_margin(study, planned), settings, planned, Executor().inputs)


def gather_record(
    study: Study,
    planned: Sequence[StudyRun],
    finished: Sequence[FinishedRun],
    settings: Mapping[str, Any],
    command: str,
    inputs: SharedInputs,
) -> StudyRecord:
    """Return the record of a study whose runs are finished.

    Args:
        study: the study.
        planned: its runs.
        finished: results of the runs, in the same order.
        settings: of all runs, by dotted name.
        command: runs the study again.
        inputs: reads the data.
    """
    config, records = planned[0].config, [run.record for run in finished]
    versions: dict[str, list[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    validation_given = (
        config.data.drawn_per_label is None and "validation" in inputs.corpus(config.data).splits
    )
    rules = {run.config.train.select for run in planned}
    names = body_names(finished)
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
        data=records[0].data,
        body=_body([record.body for record in records]),
        settings=with_names(settings, names),
        command=named(command, names),
        rows=tuple(_row(study, index, planned, finished) for index in range(len(study.rows))),
        versions=versions,
        score=TASKS[config.data.task].measure.name,
    )


def _body(bodies: Sequence[BodyRecord]) -> BodyRecord:
    """Return the body of all runs, or the names of all bodies if rows have their own."""
    names = list(dict.fromkeys(map(str, bodies)))
    return bodies[0] if len(names) == 1 else BodyRecord(", ".join(names), "", bodies[0].dimension)


def _row(
    study: Study, index: int, planned: Sequence[StudyRun], finished: Sequence[FinishedRun]
) -> RowResult:
    row = study.rows[index]
    pairs = [(plan, run) for plan, run in zip(planned, finished, strict=True) if index in plan.rows]
    place = model_place(row, pairs[0][0])
    (result,) = collect(
        (run for _, run in pairs), lambda _: {}, lambda run: run.record.models[place]
    )
    models = result.models
    classes = [model.test_classes for model in models if model.test_classes is not None]
    uneven = len(classes) == len(models) and any(scores.uneven for scores in classes)
    return RowResult(
        **row.model_dump(include={"label", "side", "group", "preset", "series", "qubits"}),
        settings=with_names(row.settings, body_names(finished)),
        model=models[0].name,
        published=paper_result(row) if study.published and classes else None,
        runs=tuple(run.record.identity for run in result.runs),
        parameters=result.parameters,
        stored=max(model.settings.get("stored", 0) for model in models),
        validation=result.validation,
        validation_loss=result.validation_loss,
        test=tuple(score.value for score in result.tested),
        test_exact=tuple(model.test_exact for model in models if model.test_exact is not None),
        epochs=() if row.classical else tuple(run.record.selected_epoch for run in result.runs),
        balanced=tuple(scores.balanced for scores in classes) if uneven else (),
        constant=bool(classes) and all(scores.constant for scores in classes),
        tuned=row.classical is not None and BASELINES[row.classical].tuned,
        **_tried(row, [plan for plan, _ in pairs], models) if study.budget is not None else {},
    )


def _tried(row: Row, runs: Sequence[StudyRun], models: Sequence[ModelResult]) -> dict[str, Any]:
    """Return the number of settings tried with each seed, a baseline's in its own grid, and the chosen ones."""
    if row.classical:
        return {
            "tried": n_settings(row.classical, runs[0].config),
            "chosen": tuple(dict(m.settings) for m in models),
        }
    return {"tried": runs[0].tried, "chosen": tuple(dict(run.point) for run in runs)}


def paper_result(row: Row) -> PaperResult | None:
    """Return the printed result of a row's preset or baseline, or None if its settings are changed."""
    preset = row.classical.replace("_", "-") if row.classical else row.preset
    paper = published()
    accuracy, parameters = (
        paper.of_preset("accuracy", preset),
        paper.of_preset("parameters", preset),
    )
    if row.settings or accuracy is None or paper.of_preset("accuracy", row.preset) is None:
        return None
    count = None if parameters is None else int(parameters.value)
    return PaperResult(accuracy.value, count, accuracy.where.removeprefix("Table "))
