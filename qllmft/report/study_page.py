"""Files of a finished study: ``study.json``, ``table.md`` and ``report.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.campaign.comparison import Comparison, compare, differences_by_seed, leading
from qllmft.campaign.file import Side
from qllmft.campaign.predictions import CURVE_UNIT, StudyPredictions
from qllmft.campaign.record import StudyRecord, read_study, write_record
from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import settings_of, with_settings
from qllmft.files import write_bytes, write_text, writing
from qllmft.report import style
from qllmft.report.figures import curves_svg, score_unit
from qllmft.report.render import identified, render_template
from qllmft.report.study_figures import accuracies_svg, differences_svg, trends_svg, write_trends
from qllmft.report.study_table import tables
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import Measure
from qllmft.templates import describe

_WIDER = "; an interval that runs out of the figure is wider than shown"
_RUN_SETTINGS = {"seed", "baselines.names"}  # a study chooses these for each run


def finish_study(folder: Path, record: StudyRecord) -> Path:
    """Write ``study.json``, ``table.md`` and the page beside the study's predictions, and return the page's path."""
    predictions = StudyPredictions.read(folder)
    comparisons = compare(record)
    shown = tables(record, comparisons)
    within = differences_by_seed(predictions, *leading(record))
    derived: dict[str, Any] = {
        "verdict": shown["verdict"],
        "intervals95": {row.label: asdict(row.test_interval) for row in record.rows},
        "comparisons": [{**asdict(c), "outcome": c.outcome} for c in comparisons],
        "mcnemar" if record.measure.in_percent else "bootstrap": [
            {"seed": seed, **d.as_dict()} for seed, d in within.items()
        ],
    }
    if lines := shown["trends"]:
        derived["trends"] = [asdict(line) for line in lines]
    write_trends(folder, record, lines)
    write_record(folder, record, derived)
    write_text(folder / "table.md", render_template("qllmft.report", "study.md.j2", **shown))
    return write_study_report(folder)


def finish_from_predictions(
    folder: Path, out: Path, source: str | None = None
) -> tuple[StudyRecord, Path]:
    """Compute all scores of a study from its kept answers, write its files into ``out``, and return record and page.

    The data ``source`` gives the texts that the study's choosing seeds drew, see `StudyPredictions.with_drawn_texts`.

    Raises:
        UserError: if one of the files is missing or does not fit the other, or the data is not the study's.
    """
    predictions, record = StudyPredictions.read(folder), read_study(folder)
    if source is not None:
        predictions = predictions.with_drawn_texts(record, source)
    record = predictions.recomputed(record)
    with writing(f"the folder {out}"):
        predictions.write(out)
        return record, finish_study(out, record)


def write_study_table(folder: Path, file: Path) -> Path:
    """Write the tables of ``study.json`` into ``file`` and return it. UserError if it cannot be written.

    If its name ends in ``.tex``, they are in LaTeX, otherwise in Markdown.
    """
    record = read_study(folder)
    shown, in_latex = tables(record, compare(record)), file.suffix == ".tex"
    name = "study.tex.j2" if in_latex else "study.md.j2"
    with writing(f"the file {file}"):
        write_text(file, render_template("qllmft.report", name, **shown))
        if not in_latex:
            write_trends(file.parent, record, shown["trends"])
    return file


def write_study_report(folder: Path) -> Path:
    """Write ``report.html`` from ``study.json`` and the study's predictions, and return it.

    UserError if one of them is missing.
    """
    record, predictions = read_study(folder), StudyPredictions.read(folder)
    comparisons, leaders = compare(record), leading(record)
    configs = {
        row: parse_config(with_settings({}, settings), f"{folder}, settings of {row!r}")
        for row, settings in predictions.settings.items()
    }
    common, differing = _settings(record, configs)
    shown, dimension, k = (
        tables(record, comparisons),
        record.body.dimension,
        len(record.data.labels),
    )
    circuits = [
        {"row": row.label, **vars(part)}
        for row in record.rows
        for part in describe(configs[row.label].model, dimension, k).parts
        if part.circuit
    ]
    page = render_template(
        "qllmft.report",
        "study.html.j2",
        **shown,
        slopes=trends_svg(record, shown["trends"]) if shown["trends"] else "",
        leaders=[row.label for row in leaders],
        within=differences_by_seed(predictions, *leaders),
        dots=accuracies_svg(record),
        wider=_WIDER if style.runs_out([row.test_interval for row in record.rows]) else "",
        wider_difference=_WIDER if style.runs_out([c.difference for c in comparisons]) else "",
        differences=_differences(comparisons, record.measure),
        curves=_curves(predictions, record),
        circuits=circuits,
        made_with=[
            *identified(record.data, record.body),
            *((name, ", ".join(versions)) for name, versions in record.versions.items()),
        ],
        common=common,
        differing=differing,
    )
    write_bytes(folder / "report.html", page.encode("utf-8", "replace"))
    return folder / "report.html"


def _differences(comparisons: Sequence[Comparison], measure: Measure) -> list[tuple[str, Markup]]:
    """Return a figure for each subject, or one if each has one baseline, or none for one seed."""
    if any(c.difference.interval is None for c in comparisons):
        return []
    if len({c.subject for c in comparisons}) == len(comparisons) > 1:
        labels = [c.subject for c in comparisons]
        return [("Each", differences_svg(labels, comparisons, "differences", measure))]
    figures = []
    for index, subject in enumerate(dict.fromkeys(c.subject for c in comparisons)):
        own = [c for c in comparisons if c.subject == subject]
        labels = [c.baseline for c in own]
        svg = differences_svg(labels, own, f"differences-{index}", measure)
        figures.append((subject, svg))
    return figures


def _curves(predictions: StudyPredictions, record: StudyRecord) -> list[tuple[str, Markup]]:
    """Return figures of the mean loss and validation score, of the subjects and of the baselines."""
    figures, measure = [], record.measure
    drawn = (
        ("training loss", TASK_OF_SCORE[measure.name].loss_name, 1.0),
        (f"validation {measure.name}", score_unit(measure), measure.factor),
    )
    sides: dict[Side, str] = {"subject": record.subject, "baseline": record.baseline}
    for side, words in sides.items():
        curves = {
            row.label: predictions.curves[row.label]
            for row in record.rows_of(side)
            if row.label in predictions.curves
        }
        for index, (name, unit, scale) in enumerate(drawn if curves else ()):
            lines = {
                label: (scale * CURVE_UNIT * curve[index]).tolist()
                for label, curve in curves.items()
            }
            svg = curves_svg(f"{side}-{name.replace(' ', '-')}", unit, lines)
            figures.append((f"{words[0].upper()}{words[1:]}: {name}, mean over the seeds", svg))
    return figures


def _settings(
    record: StudyRecord, configs: dict[str, RunConfig]
) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """Return the settings that all rows share, and (label, preset, other settings) of each, without the chosen ones."""
    trees = [settings_of(configs[row.label]) for row in record.rows]
    chosen = _RUN_SETTINGS.union(*(point for row in record.rows for point in row.chosen))
    names = [name for name in dict.fromkeys(chain.from_iterable(trees)) if name not in chosen]
    values = {name: [tree.get(name) for tree in trees] for name in names}
    same = {name: own[0] for name, own in values.items() if all(each == own[0] for each in own)}
    others = [
        (row.label, row.preset, {name: values[name][i] for name in names if name not in same})
        for i, row in enumerate(record.rows)
    ]
    return same, others
