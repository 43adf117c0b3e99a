"""Files of a finished study: ``study.json``, ``table.md`` and ``report.html``."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from qllmft.campaign.comparison import Comparison, compare, discordances, leading
from qllmft.campaign.file import Side
from qllmft.campaign.record import RowResult, StudyRecord, read_record, write_record
from qllmft.config import RunConfig
from qllmft.config.settings import settings_of
from qllmft.description import describe
from qllmft.errors import UserError
from qllmft.files import write_bytes, write_text, writing
from qllmft.report import style
from qllmft.report.page_figures import accuracies_svg, curves_svg, differences_svg
from qllmft.report.render import identified, render
from qllmft.report.study_table import tables
from qllmft.run import RunFolder
from qllmft.training import EpochMetrics

_CURVES = (
    ("training loss", "cross-entropy (nats)", lambda m: m.train_loss),
    ("validation accuracy", "right answers (%)", lambda m: 100 * m.validation_accuracy),
)
_WIDER = "; an interval that runs out of the figure is wider than shown"
_RUN_SETTINGS = {"seed", "baselines.names"}  # a study chooses these for each run


def finish_study(folder: Path, record: StudyRecord) -> Path:
    """Write ``study.json``, ``table.md`` and the page, and return the page's path."""
    comparisons = compare(record)
    shown = tables(record, comparisons)
    derived: dict[str, Any] = {
        "verdict": shown["verdict"],
        "intervals95": {row.label: asdict(row.test_interval) for row in record.rows},
        "comparisons": [{**asdict(c), "outcome": c.outcome} for c in comparisons],
        "mcnemar": [{**asdict(d), "p": d.p} for d in discordances(folder, *leading(record))],
    }
    write_record(folder, record, derived)
    write_text(folder / "table.md", render("qllmft.report", "study.md.j2", **shown))
    return write_study_report(folder)


def write_study_table(folder: Path, file: Path) -> Path:
    """Write the tables of ``study.json`` into ``file`` and return it. UserError if it cannot be written.

    If its name ends in ``.tex``, they are in LaTeX, otherwise in Markdown.
    """
    record = read_record(folder)
    page = "study.tex.j2" if file.suffix == ".tex" else "study.md.j2"
    with writing(f"the file {file}"):
        write_text(file, render("qllmft.report", page, **tables(record, compare(record))))
    return file


def write_study_report(folder: Path) -> Path:
    """Write ``report.html`` from ``study.json`` and its runs, and return it. UserError if one of them is missing."""
    record = read_record(folder)
    comparisons, leaders = compare(record), leading(record)
    configs = {row.label: _run(folder, row, 0).read_config() for row in record.rows}
    common, differing = _settings(record, configs)
    page = render(
        "qllmft.report",
        "study.html.j2",
        **tables(record, comparisons),
        leaders=[row.label for row in leaders],
        within=discordances(folder, *leaders),
        dots=accuracies_svg(record),
        wider=_WIDER if style.runs_out([row.test_interval for row in record.rows]) else "",
        wider_difference=_WIDER if style.runs_out([c.difference for c in comparisons]) else "",
        differences=_differences(comparisons),
        curves=_curves(folder, record),
        circuits=_circuits(record, configs),
        made_with=[
            *identified(record.data, record.body),
            *((name, ", ".join(versions)) for name, versions in record.versions.items()),
        ],
        common=common,
        differing=differing,
    )
    write_bytes(folder / "report.html", page.encode("utf-8", "replace"))
    return folder / "report.html"


def _run(folder: Path, row: RowResult, seed: int) -> RunFolder:
    found = RunFolder(folder / "runs" / row.runs[seed])
    if not found.result_file.exists():
        raise UserError(
            f"the run {found.path} of row {row.label!r} is missing or not finished. "
            "The study's own command makes it again."
        )
    return found


def _differences(comparisons: Sequence[Comparison]) -> list[tuple[str, Markup]]:
    """Return a figure for each subject, or one if each has one baseline, or none for one seed."""
    if any(c.difference.interval is None for c in comparisons):
        return []
    if len({c.subject for c in comparisons}) == len(comparisons) > 1:
        return [("Each", differences_svg([c.subject for c in comparisons], comparisons, "differences"))]
    figures = []
    for index, subject in enumerate(dict.fromkeys(c.subject for c in comparisons)):
        own = [c for c in comparisons if c.subject == subject]
        figures.append((subject, differences_svg([c.baseline for c in own], own, f"differences-{index}")))
    return figures


def _curves(folder: Path, record: StudyRecord) -> list[tuple[str, Markup]]:
    """Return figures of the mean loss and validation accuracy, of the subjects and of the baselines."""
    figures = []
    sides: tuple[tuple[Side, str], ...] = (("subject", record.subject), ("baseline", record.baseline))
    for side, words in sides:
        rows = [row for row in record.rows_of(side) if row.epochs]
        if not rows:
            continue
        metrics = {row.label: [_run(folder, row, seed).metrics() for seed in range(len(row.runs))] for row in rows}
        for name, unit, value in _CURVES:
            lines = {label: _mean(runs, value) for label, runs in metrics.items()}
            if all(lines.values()):
                svg = curves_svg(f"{side}-{name.replace(' ', '-')}", unit, lines)
                title = f"{words[0].upper()}{words[1:]}: {name}, mean over the seeds"
                figures.append((title, svg))
    return figures


def _mean(runs: Sequence[Sequence[EpochMetrics]], value: Any) -> list[float]:
    return [statistics.fmean(map(value, epochs)) for epochs in zip(*runs, strict=False)]


def _circuits(record: StudyRecord, configs: dict[str, RunConfig]) -> list[dict[str, Any]]:
    """Return parts and circuit counts of each row that has a circuit."""
    found: list[dict[str, Any]] = []
    for row in record.rows:
        described = describe(configs[row.label].model, record.body.dimension, len(record.data.labels))
        found += [{"row": row.label, **part} for part in described["parts"] if "circuit" in part]
    return found


def _settings(
    record: StudyRecord, configs: dict[str, RunConfig]
) -> tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]:
    """Return the settings that all rows share, and (label, preset, other settings) of each, without the chosen ones."""
    trees = [settings_of(configs[row.label]) for row in record.rows]
    left_out = _RUN_SETTINGS | {name for row in record.rows for point in row.chosen for name in point}
    names = [name for name in dict.fromkeys(name for tree in trees for name in tree) if name not in left_out]
    first = trees[0]
    same = {name: first.get(name) for name in names if all(tree.get(name) == first.get(name) for tree in trees)}
    own = [
        (row.label, row.preset, {name: tree.get(name) for name in names if name not in same})
        for row, tree in zip(record.rows, trees, strict=True)
    ]
    return same, own
