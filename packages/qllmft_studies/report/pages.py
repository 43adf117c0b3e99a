"""Files of a finished study: study.json, its tables, and report.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import flat_settings, with_settings
from qllmft.report import style
from qllmft.report.figures import curves_svg, score_unit
from qllmft.report.pages import identity_rows, render_template
from qllmft.run.verdict import capitalize
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.comparison import Comparison
from qllmft.templates import describe
from qllmft_base.errors import UserError
from qllmft_base.files import write_text, writing
from qllmft_studies.comparison import differences_by_seed, find_leaders
from qllmft_studies.file import Side
from qllmft_studies.predictions import CURVE_UNIT, StudyPredictions
from qllmft_studies.record import FILE as RECORD
from qllmft_studies.record import StudyRecord, read_study, write_record
from qllmft_studies.report.figures import (
    accuracies_svg,
    differences_svg,
    trends_svg,
    write_print_figures,
    write_trends,
)
from qllmft_studies.report.table import page_variables, scores_csv

_WIDER_NOTE = ". An interval that runs out of the figure is wider than shown"
FIGURES = "figures"  # folder of a study's figures for print
_RUN_SETTINGS = {"seed", "baselines.names"}  # a study chooses these for each run


def finish_study(folder: Path, record: StudyRecord) -> Path:
    """Write ``study.json``, ``table.md`` and the page beside the study's predictions, and return the page's path."""
    predictions = StudyPredictions.from_folder(folder)
    variables = page_variables(record)
    seed_differences = differences_by_seed(predictions, *find_leaders(record))
    derived: dict[str, Any] = {
        "verdict": variables["verdict"].as_dict(),
        "intervals95": {row.label: asdict(row.test_interval) for row in record.rows},
        "comparisons": [{**asdict(c), "outcome": c.outcome} for c in variables["comparisons"]],
        "mcnemar" if record.measure.in_percent else "bootstrap": [
            {"seed": seed, **difference} for seed, difference in seed_differences.items()
        ],
    }
    if lines := variables["trends"]:
        derived["trends"] = [asdict(line) for line in lines]
    write_trends(folder, record, lines)
    write_print_figures(folder / FIGURES, record, variables["comparisons"])
    write_record(folder, record, derived)
    write_text(
        folder / "table.md", render_template("qllmft_studies.report", "study.md.j2", **variables)
    )
    write_text(folder / "table.csv", scores_csv(record))
    return write_study_report(folder)


def finish_from_predictions(
    folder: Path, out: Path, source: str | None = None
) -> tuple[StudyRecord, Path]:
    """Compute all scores of a study from its kept answers, write its files into ``out``, and return record and page.

    The data ``source`` gives the texts that the study's choosing seeds drew, see `StudyPredictions.with_choosing_mask`.

    Raises:
        UserError: if one of the files is missing or does not fit the other, the data is not the study's, or ``out`` has
            the record of another study.
    """
    predictions = StudyPredictions.from_folder(folder)
    record = read_study(folder)
    if source is not None:
        predictions = predictions.with_choosing_mask(record, source)
    record = predictions.recompute(record)
    _check_same_study(out, record)
    with writing(f"the folder {out}"):
        predictions.write(out)
        return record, finish_study(out, record)


def _check_same_study(folder: Path, record: StudyRecord) -> None:
    """Raise UserError if a folder has the record of a study with another name, other rows or other seeds."""

    def key(study: StudyRecord) -> tuple[str, tuple[int, ...], list[str]]:
        return study.study, tuple(study.seeds), [row.label for row in study.rows]

    if not (folder / RECORD).exists():
        return
    kept_record = read_study(folder)
    if key(kept_record) != key(record):
        raise UserError(
            f"{folder} has the record of another study, {kept_record.study}. Give another folder with --out."
        )


def write_study_table(folder: Path, file: Path) -> Path:
    """Write the tables of ``study.json`` into ``file`` and return it. UserError if it cannot be written.

    If its name ends in ``.tex``, they are in LaTeX, in ``.csv`` a line per row of the study, otherwise in Markdown.
    """
    record = read_study(folder)
    if file.suffix == ".csv":
        with writing(f"the file {file}"):
            write_text(file, scores_csv(record))
        return file
    variables = page_variables(record)
    in_latex = file.suffix == ".tex"
    name = "study.tex.j2" if in_latex else "study.md.j2"
    with writing(f"the file {file}"):
        write_text(file, render_template("qllmft_studies.report", name, **variables))
        if not in_latex:
            write_trends(file.parent, record, variables["trends"])
    return file


def write_study_figures(
    folder: Path, figures: Path, width: float = style.PRINT_INCHES
) -> list[Path]:
    """Write the figures of ``study.json`` for print into a folder, see `write_print_figures`."""
    record = read_study(folder)
    return write_print_figures(figures, record, page_variables(record)["comparisons"], width)


def write_study_report(folder: Path) -> Path:
    """Write ``report.html`` from ``study.json`` and the study's predictions, and return it.

    UserError if one of them is missing, or they are of two studies.
    """
    record = read_study(folder)
    predictions = StudyPredictions.from_folder(folder)
    predictions.check_record(record)
    leaders = find_leaders(record)
    configs = {
        row: parse_config(with_settings({}, settings), f"{folder}, settings of {row!r}")
        for row, settings in predictions.settings.items()
    }
    common, differing = _split_settings(record, configs)
    variables = page_variables(record)
    sizes = (record.body.dimension, record.data.n_learned)
    comparisons = variables["comparisons"]
    circuits = [
        {"row": row.label, **vars(part)}
        for row in record.rows
        for part in describe(configs[row.label].model, *sizes).parts
        if part.circuit
    ]
    page = render_template(
        "qllmft_studies.report",
        "study.html.j2",
        **variables,
        slopes=trends_svg(record, variables["trends"]) if variables["trends"] else "",
        leaders=[row.label for row in leaders],
        within=differences_by_seed(predictions, *leaders),
        dots=accuracies_svg(record),
        wider=_WIDER_NOTE if style.runs_out([row.test_interval for row in record.rows]) else "",
        wider_difference=_WIDER_NOTE if style.runs_out([c.difference for c in comparisons]) else "",
        differences=_difference_figures(comparisons, record),
        curves=_curve_figures(predictions, record),
        circuits=circuits,
        made_with=[
            *identity_rows(record.data, record.body),
            *((name, ", ".join(versions)) for name, versions in record.versions.items()),
        ],
        common=common,
        differing=differing,
    )
    write_text(folder / "report.html", page)
    return folder / "report.html"


def _difference_figures(
    comparisons: Sequence[Comparison], record: StudyRecord
) -> list[tuple[str, Markup]]:
    """Return a figure for each subject, or one if each has one baseline, or none for one seed."""
    subjects = [c.subject for c in comparisons]
    figures = []
    if any(c.difference.interval is None for c in comparisons):
        return []
    if len(set(subjects)) == len(comparisons) > 1:
        return [("Each", differences_svg(subjects, comparisons, "differences", record))]
    for index, subject in enumerate(dict.fromkeys(subjects)):
        subject_comparisons = [c for c in comparisons if c.subject == subject]
        svg = differences_svg(
            [c.baseline for c in subject_comparisons],
            subject_comparisons,
            f"differences-{index}",
            record,
        )
        figures.append((subject, svg))
    return figures


def _curve_figures(predictions: StudyPredictions, record: StudyRecord) -> list[tuple[str, Markup]]:
    """Return figures of the mean loss and validation score, of the subjects and of the baselines."""
    figures = []
    measure = record.measure
    quantities = (
        ("training loss", TASK_OF_SCORE[measure.name].loss_name, 1.0),
        (f"validation {measure.name}", score_unit(measure), measure.factor),
    )
    sides: dict[Side, str] = {"subject": record.subject, "baseline": record.baseline}
    for side, words in sides.items():
        labels = [row.label for row in record.select_rows(side) if row.label in predictions.curves]
        for index, (name, unit, scale) in enumerate(quantities if labels else ()):
            lines = {
                label: (scale * CURVE_UNIT * predictions.curves[label][index]).tolist()
                for label in labels
            }
            svg = curves_svg(f"{side}-{name.replace(' ', '-')}", unit, lines)
            figures.append((f"{capitalize(words)}: {name}, mean over the seeds", svg))
    return figures


def _split_settings(
    record: StudyRecord, configs: dict[str, RunConfig]
) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """Return the settings that all rows share, and (label, preset, other settings) of each, without the chosen ones."""
    trees = [flat_settings(configs[row.label]) for row in record.rows]
    varied_names = _RUN_SETTINGS.union(*(point for row in record.rows for point in row.chosen))
    names = [name for name in dict.fromkeys(chain.from_iterable(trees)) if name not in varied_names]
    values = {name: [tree.get(name) for tree in trees] for name in names}
    shared_settings = {
        name: row_values[0]
        for name, row_values in values.items()
        if all(setting == row_values[0] for setting in row_values)
    }
    other_settings = [
        (
            row.label,
            row.preset,
            {name: values[name][i] for name in names if name not in shared_settings},
        )
        for i, row in enumerate(record.rows)
    ]
    return shared_settings, other_settings
