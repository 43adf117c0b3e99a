"""Table of a run's models for a terminal and a notebook, with its notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from qllmft.baselines.head import WITHOUT_WEIGHTS
from qllmft.run.comparison import (
    best_on_validation,
    comparison_columns,
    comparison_rows,
    group_by_family,
)
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord
from qllmft.run.verdict import capitalize, verdict
from qllmft.tasks.measure import percent
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores


def family_sentences(models: Sequence[ModelResult]) -> Iterator[str]:
    """Yield sentences on baselines that differ in their settings alone: what was selected, and which is compared."""
    for family, members in group_by_family(models).items():
        if len(members) == 1:
            continue
        for model in members:
            if model.name.strip("`") == family and "C" in model.settings:
                yield f"{capitalize(model.name)} has the selected C = {model.settings['C']:g}."
        compared_model = best_on_validation(members)
        yield f"Compared: {compared_model.name}, the best of the {len(members)} rows on validation."


def title(record: RunRecord) -> str:
    """Return texts, language model, seed and epoch of the weights, which each fold has, in two lines."""
    facts = [
        f"language model {record.body}",
        f"D = {record.body.dimension}",
        f"seed {record.seed}",
    ]
    if not record.data.folds:
        facts.append(f"weights of epoch {record.selected_epoch}")
    return f"{record.data.source}: {record.data.counts}\n{', '.join(facts)}"


def columns(record: RunRecord) -> tuple[str, ...]:
    """Return the headers, with the measure if it is no accuracy."""
    in_column = record.head.validation.measure.in_column
    validation = in_column(record.data.validation_heading)
    test = in_column("test")
    return "model", "parameters", validation, f"{test} [95 % interval]", "seconds"


def rows(record: RunRecord) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each model, with an empty test if the test texts were not read."""
    for model in record.models:
        parameters = f"{model.parameters:,}"
        seconds = f"{model.seconds:.1f}"
        test = "" if model.test is None else "\n".join([f"{model.test}", *_second_line(model)])
        yield model.name, parameters, model.validation.plain, test, seconds
        if control := model.without_circuit:
            parameters = f"{control.parameters:,}"
            validation = control.validation.plain
            name = WITHOUT_CIRCUIT if model is record.head else f"{model.name}, no circuit"
            yield name, parameters, validation, str(control.test), ""


def table_html(record: RunRecord) -> str:
    """Return title, table, comparisons and verdict as HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        escaped = (escape(cell).replace("\n", "<br>") for cell in cells)
        return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in escaped)}</tr>"

    def html_table(header: Sequence[str], lines: Iterable[Sequence[str]], caption: str = "") -> str:
        body = "".join(line(cells, "td") for cells in lines)
        return f"<table>{caption}<thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"

    caption = escape(title(record)).replace("\n", "<br>")
    models = html_table(columns(record), rows(record), f"<caption>{caption}</caption>")
    if not record.head.test:
        return models
    comparisons = html_table(comparison_columns(record.models), comparison_rows(record.models))
    lines = verdict(record.models, record.data.folds).lines
    headline, *sentences = map(escape, lines)
    return f"{models}{comparisons}<p><strong>{headline}</strong><br>{'<br>'.join(sentences)}</p>"


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or model.uneven or len(scores.texts) > 2):
        yield f"balanced {percent(scores.balanced)}, F1 {percent(scores.macro_f1)}"
    if model.test_ordered is not None:
        yield model.test_ordered.in_words
    if model.test is not None and model.test.beside:
        yield ", ".join(f"{part.short} {part.plain}" for part in model.test.beside)


def notes(record: RunRecord) -> Iterator[str]:
    """Yield the notes below the table."""
    if record.head.test:
        yield from family_sentences(record.models)
    if isinstance(record.head.test, TargetScores):
        n = len(record.data.labels)
        several = f", means over {n} targets" if n > 1 else ""
        yield f"error: mean absolute error, rank: Spearman's correlation{several}"
    if isinstance(record.head.test, LabelSetScores):
        yield "AP: average precision, exact: texts with exactly their labels, Hamming: share of wrong decisions"
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {percent(model.validation_exact)} %, "
                f"test {percent(model.test_exact, 2)} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    lines = [*_second_line(record.head)]
    if (scores := record.head.test_classes) and any("F1" in line for line in lines):
        yield "balanced accuracy and macro-F1: means over the labels"
        yield f"most frequent label: {percent(scores.majority)} % of the test texts"
    if record.head.test_ordered:
        yield "kappa: Cohen's, weighted by squared distances. 1 is right, 0 is chance"
    for model in record.models:
        if WITHOUT_WEIGHTS.items() <= model.settings.items():
            yield f"{model.name} is trained without the weights of the rows, which its estimator does not take"
    for model in record.models:
        if model.is_constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "baselines use the language model before it was trained with the head"
