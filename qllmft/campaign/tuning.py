"""Study with a budget: every row tries equally many settings with each seed, selected on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from qllmft.baselines import BASELINES, GridBaseline
from qllmft.campaign.file import Named, Row, Study, load_space
from qllmft.campaign.grid import check_size, grid, point_text
from qllmft.campaign.plan import FinishedRuns
from qllmft.campaign.results import best, collect
from qllmft.campaign.study_plan import StudyRun, study_run
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.randomness import drawn


def tuning_runs(study: Study, planned: Sequence[StudyRun], settings: Named) -> list[StudyRun]:
    """Return the runs that try settings of heads.

    A baseline tries its own settings in the run that reads the test set.
    """
    tuned: list[StudyRun] = []
    for run in planned:
        heads = [index for index in run.rows if not study.rows[index].classical]
        for row in (study.rows[index] for index in run.rows if index not in heads):
            if n_settings(str(row.classical), run.config) is None:
                raise UserError(
                    f"study {study.name}, row {row.label!r}: the baseline {row.classical!r} is trained with the "
                    "settings of the head beside it and has none of its own to try. Give it a row with a preset of its "
                    "own, such as nn-head-48, or omit --budget."
                )
        points = _points(study, study.rows[heads[0]], run.config, settings) if heads else []
        check_size(len(tuned) + len(points), f"settings that the study {study.name} tries")
        for point in points:
            trial = study_run(study, heads, settings, run.config.seed, point)
            label = ", ".join([trial.label, point_text(point)] if point else [trial.label])
            tuned.append(
                replace(trial, label=label, read_test=False, rows=run.rows, tried=len(points))
            )
    return tuned


def chosen_runs(
    study: Study,
    planned: Sequence[StudyRun],
    settings: Named,
    tuned: Sequence[StudyRun],
    finished: FinishedRuns,
) -> list[StudyRun]:
    """Return the runs of ``planned`` with the best of the settings that ``tuned`` tried, see `best`."""
    chosen = []
    for run in planned:
        trials = {
            t.identity: t for t in tuned if (t.rows, t.config.seed) == (run.rows, run.config.seed)
        }
        if trials:
            results = collect(
                [finished.read(t) for t in trials.values()],
                lambda found: {"run": found.config.identity},
            )
            trial = trials[best(results).settings["run"]]
            run = replace(
                study_run(study, run.rows, settings, run.config.seed, trial.point),
                tried=trial.tried,
            )
        chosen.append(run)
    return chosen


def n_settings(baseline: str, config: RunConfig) -> int | None:
    """Return the number of settings that a baseline tries, or None if it is trained like the head beside it."""
    head = BASELINES[baseline].make(config, 1, 1, 2)  # the sizes do not matter to a grid
    return len(head.grid) if isinstance(head, GridBaseline) else None


def _points(study: Study, row: Row, config: RunConfig, settings: Named) -> list[dict[str, Any]]:
    """Draw settings of a row's head from its space by the seed.

    If the space has no more settings, all of them are tried. Rows of one space try the same ones.
    A space of the head's kind gives only settings of training, because the head's structure is the row's.
    """
    name = row.space or _space_of_kind(config)
    space = load_space(name)
    if space.grid_of:
        raise UserError(
            f"study {study.name}, row {row.label!r}: the space {name} is that of a baseline, not of a head."
        )
    parameters = [
        parameter
        for parameter in space.parameters
        if not {*row.settings, *settings} & set(parameter.settings)
        and (
            row.space
            or all(s.startswith("train.") or s == "model.batch_norm" for s in parameter.settings)
        )
    ]
    found, count = list(grid(parameters)), study.budget or 1
    points = [found[index] for index in drawn(len(found), count, config.seed, "settings", name)]
    return [
        {k: v for p in parameters for k, v in p.settings_at(point[p.name]).items()}
        for point in points
    ]


def _space_of_kind(config: RunConfig) -> str:
    """Return the search space of a head's learning rates: a table of the paper, or ours if it has no such head."""
    if config.train.optimizer == "lbfgs":
        return "odd"
    if config.body.trainable:
        return "table-16"
    if config.model.head == "mlp":
        return "table-14"
    if config.model.encoder == "mlp":
        return "table-13"
    return "table-06" if config.model.n_encoders == 1 else "table-07"
