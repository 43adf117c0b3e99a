"""Runs of a study: a run per seed for all rows that share it, and those that try settings of a budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from qllmft.baselines import BASELINES, GridBaseline, check_baselines
from qllmft.config import RunConfig
from qllmft.tasks import TASKS
from qllmft_base.errors import UserError
from qllmft_studies.file import STUDY_SETTINGS, Row, SettingsByName, Study
from qllmft_studies.grid import check_size, point_text
from qllmft_studies.runs import FinishedRuns, PlannedRun, best
from qllmft_studies.samplers import draw_points
from qllmft_studies.search_space import load_space


@dataclass(frozen=True)
class StudyRun(PlannedRun):
    """Run of a study, whose point holds the settings of the head that a budget tries."""

    rows: tuple[int, ...] = ()  # indices of the study's rows that are read from it
    # number of points that are tried with this seed; None without a budget
    tried: int | None = None


def study_runs(study: Study, settings: SettingsByName) -> list[StudyRun]:
    """Return every run of a study, seed by seed. ``settings`` win over presets and rows.

    Raises:
        UserError: if settings do not fit, two rows are the same run, or rows read different texts.
    """
    for name in STUDY_SETTINGS.keys() & settings.keys():
        raise UserError(f"--set {name} does not go with a study: {STUDY_SETTINGS[name]}.")
    check_size(
        len(study.rows) * len(study.seeds), f"rows of the study {study.name} times its seeds"
    )
    by_origin: dict[str, list[int]] = {}
    for index, row in enumerate(study.rows):
        by_origin.setdefault(row.origin, []).append(index)
    by_seed = [
        [study_run(study, indices, settings, seed, {}) for indices in by_origin.values()]
        for seed in study.seeds
    ]
    first = by_seed[0][0]
    row_by_result: dict[tuple[str, str | None], Row] = {}
    for run in by_seed[0]:
        for row in (study.rows[index] for index in run.rows):
            earlier_row = row_by_result.setdefault((run.config.identity, row.classical), row)
            if earlier_row is not row:
                raise UserError(
                    f"the rows {earlier_row.label!r} and {row.label!r} are the same run. Change one of them, or omit "
                    "the --set that makes them equal."
                )
        # features of pairs change nothing if texts are single
        excluded_fields = None if first.config.data.pair_column else {"pair_features"}
        ours, theirs = (
            compared_run.config.data.model_dump(exclude=excluded_fields)
            for compared_run in (first, run)
        )
        differences = [
            f"data.{k} {ours[k]!r} and {theirs[k]!r}" for k in ours if ours[k] != theirs[k]
        ]
        if differences:
            labels = " and ".join(
                repr(study.rows[compared_run.rows[0]].label) for compared_run in (first, run)
            )
            raise UserError(
                f"the rows {labels} read different texts or splits, and a study compares on the same ones: "
                f"{', '.join(differences)}. Give --data, or --set for all rows."
            )
    task = first.config.data.task
    accuracy_only_fields = {"x": study.x, "bodies": study.bodies}
    for name, value in accuracy_only_fields.items() if not TASKS[task].measure.in_percent else ():
        if value:
            raise UserError(
                f"study {study.name}: {name} is {value!r}, and maps and gains of language models are in points of "
                f"accuracy. The task {task!r} is compared by {TASKS[task].measure.name}. Leave {name} out."
            )
    return [run for seed_runs in by_seed for run in seed_runs]


def with_margin(study: Study, runs: Sequence[StudyRun]) -> Study:
    """Return the study with its margin, by default that of its score.

    Raises:
        UserError: if the margin is as large as the range of a score, so that any two rows would be equivalent.
    """
    measure = TASKS[runs[0].config.data.task].measure
    margin = study.margin or measure.margin
    if margin >= measure.factor:
        raise UserError(
            f"study {study.name}: margin is {margin:g}, expected less than {measure.factor:g} {measure.unit}. Rows "
            "that differ by less count as equivalent, so give a smaller one."
        )
    return study.model_copy(update={"margin": margin})


def study_run(
    study: Study, indices: Sequence[int], settings: SettingsByName, seed: int, point: SettingsByName
) -> StudyRun:
    """Return the run of one seed that several rows share.

    Args:
        study: the study.
        indices: of the rows.
        settings: of all runs, by dotted name; they win over presets and rows.
        seed: of the split and the initial weights.
        point: more settings of the head, by dotted name.

    Raises:
        UserError: if settings or baselines do not fit the rows' preset; the message names study and row.
    """
    rows = [study.rows[index] for index in indices]
    label_row = next((row for row in rows if not row.classical), rows[0])
    baselines = [row.classical for row in rows if row.classical]
    run_settings = {
        **_default_protocol(study, rows[0]),
        **study.settings,
        "baselines.names": baselines,
        **rows[0].settings,
        **point,
    }
    if study.budget is not None and baselines:
        run_settings["baselines.points"] = study.budget
    try:
        preset = study.load_preset(rows[0].preset)
        epochs = rows[0].epochs or study.epochs  # None: those of the preset
        if epochs and preset.config(run_settings).train.optimizer == "adam":
            run_settings["train.epochs"] = epochs
        config = preset.config({**run_settings, **settings, "seed": seed})
        check_baselines(baselines, config.data.task)
    except UserError as error:
        raise UserError(f"study {study.name}, row {rows[0].label!r}: {error}") from None
    return StudyRun(config, f"{label_row.label}, seed {seed}", point=point, rows=tuple(indices))


def _default_protocol(study: Study, row: Row) -> dict[str, Any]:
    """Return the protocol of the paper, unless the row has a preset of the study's file with a protocol of its own."""
    has_protocol = "data.protocol" in study.presets.get(row.preset, {})
    return {} if has_protocol else {"data.protocol": "paper"}


# --- a budget: every row tries equally many settings with each seed, selected on validation


def tuning_runs(
    study: Study, planned: Sequence[StudyRun], settings: SettingsByName
) -> list[StudyRun]:
    """Return the runs that try settings of heads.

    A baseline tries its own settings in the run that reads the test set.
    """
    trials: list[StudyRun] = []
    for run in planned:
        heads = [index for index in run.rows if not study.rows[index].classical]
        for row in (study.rows[index] for index in run.rows if index not in heads):
            if n_settings(str(row.classical), run.config) is None:
                raise UserError(
                    f"study {study.name}, row {row.label!r}: the baseline {row.classical!r} is trained with the "
                    "settings of the head beside it and has none of its own to try. Give it a row with a preset of its "
                    "own, such as nn-head-48, or omit --budget."
                )
        points = _draw_points(study, study.rows[heads[0]], run.config, settings) if heads else []
        check_size(len(trials) + len(points), f"settings that the study {study.name} tries")
        for point in points:
            trial = study_run(study, heads, settings, run.config.seed, point)
            label = ", ".join([trial.label, point_text(point)] if point else [trial.label])
            trials.append(
                replace(trial, label=label, read_test=False, rows=run.rows, tried=len(points))
            )
    return trials


def select_runs(
    study: Study,
    planned: Sequence[StudyRun],
    settings: SettingsByName,
    tuning_trials: Sequence[StudyRun],
    finished: FinishedRuns,
) -> list[StudyRun]:
    """Return the runs of ``planned`` with the best of the settings that were tried, see `best`.

    Args:
        study: the study.
        planned: its runs, with the settings of their presets.
        settings: of all runs, by dotted name.
        tuning_trials: finished runs that tried settings, see `tuning_runs`.
        finished: reads them.
    """
    selected_runs = []
    for run in planned:
        trials = [
            trial
            for trial in tuning_trials
            if (trial.rows, trial.config.seed) == (run.rows, run.config.seed)
        ]
        if trials:
            point = best(finished.results(trials)).settings
            run = study_run(study, run.rows, settings, run.config.seed, point)
            run = replace(run, tried=trials[0].tried)
        selected_runs.append(run)
    return selected_runs


def n_settings(baseline: str, config: RunConfig) -> int | None:
    """Return the number of settings that a baseline tries, or None if it is trained like the head beside it."""
    head = BASELINES[baseline].make_head(config, 1, 1, 2)  # the sizes do not matter to a grid
    return len(head.grid) if isinstance(head, GridBaseline) else None


def _draw_points(
    study: Study, row: Row, config: RunConfig, settings: SettingsByName
) -> list[dict[str, Any]]:
    """Draw settings of a row's head from its space by the seed.

    If the space has no more settings, all of them are tried. Rows of one space try the same ones.
    A space of the head's kind gives only settings of training, because the head's structure is the row's. Settings of
    the study, of the row or of all runs stay as they are given.
    """
    name = row.space
    if name is None:  # a table of the paper, or ours if it has no such head
        name = "table-06" if config.model.n_encoders == 1 else "table-07"
        if config.train.optimizer == "lbfgs":
            name = "odd"
        elif config.body.trainable:
            name = "table-16"
        elif config.model.head == "mlp":
            name = "table-14"
        elif config.model.encoder == "mlp":
            name = "table-13"
    space = load_space(name)
    if space.grid_of:
        raise UserError(
            f"study {study.name}, row {row.label!r}: the space {name} is that of a baseline, not of a head."
        )
    fixed_settings = {*study.settings, *row.settings, *settings}
    training_prefixes = ("train.", "model.batch_norm")
    parameters = [
        parameter
        for parameter in space.parameters
        if not fixed_settings & set(parameter.settings)
        and (
            row.space
            or all(setting.startswith(training_prefixes) for setting in parameter.settings)
        )
    ]
    return [
        {k: v for p in parameters for k, v in p.settings_at(point[p.name]).items()}
        for point in draw_points(parameters, study.budget or 1, config.seed, name)
    ]
