"""A study from its runs: check everything, do what is not finished, gather the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qllmft.campaign.feasible import check_feasible
from qllmft.campaign.queue import QueueReporter
from qllmft.campaign.record import PaperResult, RowResult, StudyRecord
from qllmft.campaign.rows import Row, Study, StudyRun, study_runs
from qllmft.campaign.together import do_all_together, processes_for
from qllmft.campaign.tuning import chosen_runs, n_settings, tuning_runs
from qllmft.data import read_corpus
from qllmft.errors import UserError
from qllmft.published import published
from qllmft.run import ModelResult, RunRecord
from qllmft.run.record import BodyRecord


def run_study(
    study: Study,
    folder: Path,
    settings: Mapping[str, Any],
    command: str,
    reporter: QueueReporter | None = None,
    *,
    jobs: int | None = 1,
) -> StudyRecord:
    """Do every run of ``study`` that is not finished; a run's folder is ``runs/<identity>``.

    Processes that are given the same study and folder share the runs, and all return the whole record. ``jobs`` of them
    are this call's own, see `processes_for`.

    Raises:
        UserError: for bad input, before any work.
        KeyboardInterrupt: where a run was interrupted; the same call goes on.
    """
    reporter = reporter or QueueReporter()
    planned = study_runs(study, settings)
    tuned = tuning_runs(study, planned, settings) if study.budget is not None else []
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; expected a folder, or a name that does not exist.")
    runs = folder / "runs"
    left = [run for run in (*tuned, *planned) if not run.is_finished(runs)]
    check_feasible({f"study {study.name}, {run.label}": run.config for run in left})
    count = processes_for((run.config for run in left), len(left), jobs)
    if tuned:
        tried = list(zip(tuned, do_all_together(tuned, runs, reporter, count), strict=True))
        planned = chosen_runs(study, planned, settings, tried, runs)
    return _record(study, planned, do_all_together(planned, runs, reporter, count), settings, command)


def _record(
    study: Study, planned: Sequence[StudyRun], results: Sequence[RunRecord], settings: Mapping[str, Any], command: str
) -> StudyRecord:
    config = planned[0].config
    versions: dict[str, list[str]] = {}
    for result in results:
        for name, version in result.versions.items():
            if version not in versions.setdefault(name, []):
                versions[name].append(version)
    validation_given = config.data.drawn_per_label is None and "validation" in read_corpus(config.data).splits
    rules = {run.config.train.select for run in planned}
    return StudyRecord(
        study=study.name,
        **study.model_dump(include={"title", "subject", "baseline", "reduced", "notes", "budget", "bodies", "x"}),
        seeds=tuple(range(study.seeds)),
        epochs=config.train.epochs,
        select=config.train.select if len(rules) == 1 else "of each row",
        protocol=config.data.protocol,
        redrawn=not validation_given,
        data=results[0].data,
        body=_body([result.body for result in results]),
        settings=dict(settings),
        command=command,
        rows=tuple(_row(study, index, planned, results) for index in range(len(study.rows))),
        versions=versions,
    )


def _body(bodies: Sequence[BodyRecord]) -> BodyRecord:
    """The body of all runs; the names of all where rows have bodies of their own."""
    names = list(dict.fromkeys(map(str, bodies)))
    return bodies[0] if len(names) == 1 else BodyRecord(", ".join(names), "", bodies[0].dimension)


def _row(study: Study, index: int, planned: Sequence[StudyRun], results: Sequence[RunRecord]) -> RowResult:
    row = study.rows[index]
    pairs = [(run, result) for run, result in zip(planned, results, strict=True) if index in run.rows]
    # a record has the head, then the baselines as they were configured
    place = 1 + pairs[0][0].config.baselines.names.index(row.classical) if row.classical else 0
    models = [result.models[place] for _, result in pairs]
    classes = [model.test_classes for model in models if model.test_classes is not None]
    uneven = len(classes) == len(models) and any(scores.uneven for scores in classes)
    return RowResult(
        **row.model_dump(include={"label", "side", "group", "preset", "series", "settings"}),
        model=models[0].name,
        published=paper_result(row) if study.published else None,
        runs=tuple(result.identity for _, result in pairs),
        parameters=tuple(model.parameters for model in models),
        stored=max(model.settings.get("stored", 0) for model in models),
        validation=tuple(model.validation.value for model in models),
        test=tuple(model.tested.value for model in models),
        test_exact=tuple(model.test_exact for model in models if model.test_exact is not None),
        epochs=() if row.classical else tuple(result.selected_epoch for _, result in pairs),
        balanced=tuple(scores.balanced for scores in classes) if uneven else (),
        constant=bool(classes) and all(scores.constant for scores in classes),
        **_tuned(row, [run for run, _ in pairs], models) if study.budget is not None else {},
    )


def _tuned(row: Row, runs: Sequence[StudyRun], models: Sequence[ModelResult]) -> dict[str, Any]:
    """How many settings validation chose among with each seed, of a baseline those of its grid, and the chosen ones."""
    if row.classical:
        return {"tried": n_settings(row.classical, runs[0].config), "chosen": tuple(dict(m.settings) for m in models)}
    return {"tried": runs[0].tried, "chosen": tuple(dict(run.point) for run in runs)}


def paper_result(row: Row) -> PaperResult | None:
    """What the paper prints of a row of one of its own presets, or of the preset named like the row's baseline."""
    preset = row.classical.replace("_", "-") if row.classical else row.preset
    paper = published()
    accuracy, parameters = paper.of_preset("accuracy", preset), paper.of_preset("parameters", preset)
    if row.settings or accuracy is None or paper.of_preset("accuracy", row.preset) is None:
        return None
    count = None if parameters is None else int(parameters.value)
    return PaperResult(accuracy.value, count, accuracy.where.removeprefix("Table "))
