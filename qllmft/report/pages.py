"""Pages and tables rendered from Jinja files: report.html of a run, and the files of a finished study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache, partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qllmft.campaign.comparison import Comparison, differences_by_seed, find_leaders
from qllmft.campaign.file import Side
from qllmft.campaign.predictions import CURVE_UNIT, StudyPredictions
from qllmft.campaign.record import StudyRecord, read_study, write_record
from qllmft.config import RunConfig, parse_config
from qllmft.config.presets import describe_settings
from qllmft.config.settings import flat_settings, with_settings
from qllmft.counts import format_count
from qllmft.energy.formula import formula_kj, measured_kj
from qllmft.escaping import code, markdown, tex, verbatim, visible, without_html
from qllmft.files import write_text, writing
from qllmft.report import style
from qllmft.report.figures import (
    accuracies_svg,
    curves_svg,
    differences_svg,
    reliability_svg,
    scatter_svg,
    score_unit,
    training_svgs,
    trends_svg,
    write_trends,
)
from qllmft.report.study_table import tables
from qllmft.run import ModelResult, RunFolder
from qllmft.run.record import WITHOUT_CIRCUIT, BodyRecord, DataRecord, Mistake
from qllmft.run.verdict import comparison_columns, comparison_rows, next_step, verdict
from qllmft.tasks import TASK_OF_SCORE, TASKS
from qllmft.tasks.measure import Measure, percent, with_minus
from qllmft.tasks.statistics import p_value
from qllmft.templates import describe, encoder_template, head_template
from qllmft_circuits import draw_text

if TYPE_CHECKING:
    from qllmft.inference.explanation import Explanation
    from qllmft_backends.remote import Job


_ESCAPES = {".md.j2": markdown, ".tex.j2": tex}  # in HTML jinja2 escapes


def render_template(package: str, name: str, **values: Any) -> str:
    """Return a page of a package as text. Values are escaped for its format, unless a page marks them as ``safe``.

    The file's name ends in ``.html.j2``, ``.md.j2`` or ``.tex.j2``. It can use the filters ``percent``, ``p_value`` and
    ``shown``, ``count_of``, ``with_minus``, and those of `escaping`. A missing value is an error.
    """
    environment = _environment(package, "".join(Path(name).suffixes[-2:]))
    return visible(environment.get_template(name).render(values))


@cache
def _environment(package: str, suffix: str) -> Environment:
    """Return the environment of pages with a suffix, which keeps the compiled pages."""
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=suffix.endswith(".html.j2"),
        finalize=_ESCAPES.get(suffix),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "percent": percent,
        "p_value": p_value,
        "shown": setting_text,
        "count_of": format_count,
        "with_minus": with_minus,
    }
    environment.filters |= {"code": code, "verbatim": verbatim, "without_html": without_html}
    return environment


def identity_rows(data: DataRecord, body: BodyRecord) -> list[tuple[str, str]]:
    """Return texts and body of a page, each with the hash that identifies it."""
    weights = f"SHA-256 of its weights {body.weights}" if body.weights else body.identity
    return [("texts", f"{data.source}, {data.fingerprint}"), ("body", f"{body}, {weights}")]


def setting_text(value: Any) -> str:
    """Return the value of a setting for people."""
    if value is None:
        return "not set"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- the page of a run


def write_report(run: Path, *, explained: int = 0) -> Path:
    """Write ``report.html`` into a run's folder, and return its path. UserError if the run is not finished."""
    folder = RunFolder(run)
    write_text(folder.report_file, render_report(folder, explained=explained))
    return folder.report_file


def render_report(folder: RunFolder, *, explained: int = 0) -> str:
    """Return the page as HTML that needs no network. UserError if the run is not finished.

    Up to ``explained`` of its misclassified texts have the nearest training texts and the effect of each word, which
    needs the texts and the language model.
    """
    config = folder.read_config()
    predictions = folder.read_predictions()
    metrics = folder.metrics()
    result = folder.require_record().with_differences(predictions)
    task = TASKS[config.data.task]
    models = result.models
    step = next_step(result, config, str(folder.path), folder.stored_rows(result))
    answers = predictions if task.one_label else None
    template = encoder_template if config.model.head == "none" else head_template
    circuit = template(config.model)
    calibrations = {
        model_row.name: model_row.test_calibration
        for model_row in models
        if model_row.test_calibration
    }
    return render_template(
        "qllmft.report",
        "run.html.j2",
        verdict=verdict(models, next_step=step),
        result=result,
        task=task,
        config=config,
        bars=_bars(models),
        without_circuit=WITHOUT_CIRCUIT,
        comparisons=[comparison_columns(models), *comparison_rows(models)],
        configuration=describe_settings(config),
        jobs=_paid_jobs(folder.ledger),
        energies_kj=(measured_kj, formula_kj),
        parts=describe(config.model, result.body.dimension, len(result.data.labels)),
        curves=training_svgs(metrics, result.selected_epoch) if metrics else None,
        epochs=metrics[-1].epoch if metrics else 0,
        chosen=next((m for m in metrics if m.epoch == result.selected_epoch), None),
        circuit=draw_text(circuit, fold=False) if circuit is not None else None,
        calibrations=calibrations,
        as_trained=[
            model_row.name
            for model_row in models[1:]
            if model_row.test_calibration and "temperature" not in model_row.settings
        ],
        reliability=reliability_svg(calibrations) if calibrations else None,
        found=predictions,
        scatter=scatter_svg(predictions, result.head.name) if predictions and task.real else None,
        answers=answers,
        explanations=_explanations(folder, answers.mistakes[:explained]) if answers else [],
        made_with=[*identity_rows(result.data, result.body), *result.versions.items()],
        config_toml=folder.config_file.read_text(encoding="utf-8"),
    )


def _explanations(folder: RunFolder, mistakes: Sequence[Mistake]) -> list[Explanation]:
    """Return explanations of misclassified texts."""
    if not mistakes:
        return []
    from qllmft.inference import Predictor
    from qllmft.inference.explanation import TrainingTexts, explain_text

    predictor = Predictor.load(folder.path)
    load_training_texts = cache(partial(TrainingTexts.load, predictor, folder.path))
    return [explain_text(predictor, mistake.text, load_training_texts) for mistake in mistakes]


def _bars(models: Sequence[ModelResult]) -> list[dict[str, float]]:
    """Return each model's test accuracy and interval as places on a line of length 100, with one scale for all."""
    lowest = min(m.tested.interval[0] for m in models)
    width = (max(m.tested.interval[1] for m in models) - lowest) or 1.0

    def position(share: float) -> float:
        return float(round(4 + 92 * (share - lowest) / width, 1))

    ends = [(*m.tested.interval, m.tested.value) for m in models]
    return [
        {"low": position(low), "at": position(value), "high": position(high)}
        for low, high, value in ends
    ]


def _paid_jobs(folder: Path) -> list[Job]:
    """Return the jobs of all ledgers in a folder that were accepted and are not free. No server is asked."""
    if not folder.exists():
        return []
    from qllmft_backends.remote import ledger_jobs, ledgers_in

    jobs = [job for ledger in ledgers_in(folder) for job in ledger_jobs(ledger)]
    return [job for job in jobs if job.job_id and (job.price != 0 or job.cost)]


# --- the files of a finished study

_WIDER_NOTE = "; an interval that runs out of the figure is wider than shown"
_RUN_SETTINGS = {"seed", "baselines.names"}  # a study chooses these for each run


def finish_study(folder: Path, record: StudyRecord) -> Path:
    """Write ``study.json``, ``table.md`` and the page beside the study's predictions, and return the page's path."""
    predictions = StudyPredictions.from_folder(folder)
    table_values = tables(record)
    seed_differences = differences_by_seed(predictions, *find_leaders(record))
    derived: dict[str, Any] = {
        "verdict": table_values["verdict"],
        "intervals95": {row.label: asdict(row.test_interval) for row in record.rows},
        "comparisons": [{**asdict(c), "outcome": c.outcome} for c in table_values["comparisons"]],
        "mcnemar" if record.measure.in_percent else "bootstrap": [
            {"seed": seed, **d.as_dict()} for seed, d in seed_differences.items()
        ],
    }
    if lines := table_values["trends"]:
        derived["trends"] = [asdict(line) for line in lines]
    write_trends(folder, record, lines)
    write_record(folder, record, derived)
    write_text(folder / "table.md", render_template("qllmft.report", "study.md.j2", **table_values))
    return write_study_report(folder)


def finish_from_predictions(
    folder: Path, out: Path, source: str | None = None
) -> tuple[StudyRecord, Path]:
    """Compute all scores of a study from its kept answers, write its files into ``out``, and return record and page.

    The data ``source`` gives the texts that the study's choosing seeds drew, see `StudyPredictions.with_drawn_texts`.

    Raises:
        UserError: if one of the files is missing or does not fit the other, or the data is not the study's.
    """
    predictions = StudyPredictions.from_folder(folder)
    record = read_study(folder)
    if source is not None:
        predictions = predictions.with_choosing_mask(record, source)
    record = predictions.recompute(record)
    with writing(f"the folder {out}"):
        predictions.write(out)
        return record, finish_study(out, record)


def write_study_table(folder: Path, file: Path) -> Path:
    """Write the tables of ``study.json`` into ``file`` and return it. UserError if it cannot be written.

    If its name ends in ``.tex``, they are in LaTeX, otherwise in Markdown.
    """
    record = read_study(folder)
    table_values = tables(record)
    in_latex = file.suffix == ".tex"
    name = "study.tex.j2" if in_latex else "study.md.j2"
    with writing(f"the file {file}"):
        write_text(file, render_template("qllmft.report", name, **table_values))
        if not in_latex:
            write_trends(file.parent, record, table_values["trends"])
    return file


def write_study_report(folder: Path) -> Path:
    """Write ``report.html`` from ``study.json`` and the study's predictions, and return it.

    UserError if one of them is missing.
    """
    record = read_study(folder)
    predictions = StudyPredictions.from_folder(folder)
    leaders = find_leaders(record)
    configs = {
        row: parse_config(with_settings({}, settings), f"{folder}, settings of {row!r}")
        for row, settings in predictions.settings.items()
    }
    common, differing = _split_settings(record, configs)
    table_values = tables(record)
    sizes = (record.body.dimension, len(record.data.labels))
    comparisons = table_values["comparisons"]
    circuits = [
        {"row": row.label, **vars(part)}
        for row in record.rows
        for part in describe(configs[row.label].model, *sizes).parts
        if part.circuit
    ]
    page = render_template(
        "qllmft.report",
        "study.html.j2",
        **{
            **table_values,
            "verdict": table_values["headline"],
            "sentence": table_values["verdict"],
        },
        slopes=trends_svg(record, table_values["trends"]) if table_values["trends"] else "",
        leaders=[row.label for row in leaders],
        within=differences_by_seed(predictions, *leaders),
        dots=accuracies_svg(record),
        wider=_WIDER_NOTE if style.runs_out([row.test_interval for row in record.rows]) else "",
        wider_difference=_WIDER_NOTE if style.runs_out([c.difference for c in comparisons]) else "",
        differences=_difference_figures(comparisons, record.measure),
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
    comparisons: Sequence[Comparison], measure: Measure
) -> list[tuple[str, Markup]]:
    """Return a figure for each subject, or one if each has one baseline, or none for one seed."""
    subjects = [c.subject for c in comparisons]
    figures = []
    if any(c.difference.interval is None for c in comparisons):
        return []
    if len(set(subjects)) == len(comparisons) > 1:
        return [("Each", differences_svg(subjects, comparisons, "differences", measure))]
    for index, subject in enumerate(dict.fromkeys(subjects)):
        subject_comparisons = [c for c in comparisons if c.subject == subject]
        svg = differences_svg(
            [c.baseline for c in subject_comparisons],
            subject_comparisons,
            f"differences-{index}",
            measure,
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
            figures.append((f"{words[0].upper()}{words[1:]}: {name}, mean over the seeds", svg))
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
