"""A study in which every row has the same budget: so many settings tried with each seed, chosen among by validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qllmft.baselines import BASELINES, GridBaseline
from qllmft.campaign.rows import Named, Row, Study, StudyRun, study_run
from qllmft.campaign.search import point_text
from qllmft.campaign.space import grid, load_space
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.randomness import drawn
from qllmft.run import RunRecord


def tuning_runs(study: Study, planned: Sequence[StudyRun], settings: Named) -> list[StudyRun]:
    """The runs that try settings of heads, without the test set; a baseline tries its own in the run that is tested.

    ``planned`` are the study's runs at the settings of the presets. UserError where a row has nothing to draw from.
    """
    tuned: list[StudyRun] = []
    for run in planned:
        heads = [index for index in run.rows if not study.rows[index].classical]
        for row in (study.rows[index] for index in run.rows if index not in heads):
            if n_settings(str(row.classical), run.config) is None:
                raise UserError(
                    f"study {study.name}, row {row.label!r}: the baseline {row.classical!r} is trained with the settings "
                    "of the head beside it and has none of its own to try. Give it a row with a preset of its own, "
                    "such as nn-head-48, or leave --budget out."
                )
        points = _points(study, study.rows[heads[0]], run.config, settings) if heads else []
        for point in points:
            trial = study_run(study, heads, settings, run.config.seed, point)
            label = ", ".join([trial.label, point_text(point)] if point else [trial.label])
            tuned.append(replace(trial, label=label, read_test=False, rows=run.rows, tried=len(points)))
    return tuned


def chosen_runs(
    study: Study, planned: Sequence[StudyRun], settings: Named, tried: Sequence[tuple[StudyRun, RunRecord]], runs: Path
) -> list[StudyRun]:
    """The runs that read the test set: those of ``planned``, their heads with the best of the settings tried.

    The best has the highest validation accuracy, among equals the lowest validation loss, then the space's order.
    """

    def worth(trial: StudyRun, record: RunRecord) -> tuple[float, float]:
        return record.head.validation.value, -trial.folder(runs).validation_loss(record.selected_epoch)

    chosen = []
    for run in planned:
        trials = [pair for pair in tried if (pair[0].rows, pair[0].config.seed) == (run.rows, run.config.seed)]
        if trials:
            best, _ = max(trials, key=lambda pair: worth(*pair))
            run = replace(study_run(study, run.rows, settings, run.config.seed, best.point), tried=best.tried)
        chosen.append(run)
    return chosen


def n_settings(baseline: str, config: RunConfig) -> int | None:
    """How many settings a baseline tries in the run of ``config``; None where it is trained as the head beside it is."""
    head = BASELINES[baseline].make(config, 1, 1, 2)  # the sizes do not matter to a grid
    return head.n_settings if isinstance(head, GridBaseline) else None


def _points(study: Study, row: Row, config: RunConfig, settings: Named) -> list[dict[str, Any]]:
    """Settings of a row's head to try with one seed, drawn from its space by the seed; all where there are no more.

    Rows of one space try the same ones. A space of the head's kind gives what belongs to training alone: the head's
    structure is the row's.
    """
    name = row.space or _space_of_kind(config)
    space = load_space(name)
    if space.baseline:
        raise UserError(
            f"study {study.name}, row {row.label!r}: the space {name} is that of a baseline, not of a head."
        )
    parameters = [
        parameter
        for parameter in space.parameters
        if not {*row.settings, *settings} & set(parameter.settings)
        and (row.space or all(s.startswith("train.") or s == "model.batch_norm" for s in parameter.settings))
    ]
    found, count = list(grid(parameters)), study.budget or 1
    points = [found[index] for index in drawn(len(found), count, config.seed, "settings", name)]
    return [{k: v for p in parameters for k, v in p.settings_at(point[p.name]).items()} for point in points]


def _space_of_kind(config: RunConfig) -> str:
    """The table of the paper that a head's learning rates are from; of heads that it does not have, ours."""
    if config.train.optimizer == "lbfgs":
        return "odd"
    if config.body.trainable:
        return "table-16"
    if config.model.head == "mlp":
        return "table-14"
    if config.model.encoder == "mlp":
        return "table-13"
    return "table-06" if config.model.n_encoders == 1 else "table-07"
