"""Table of a run's models: its title, columns, rows and notes as text, for a terminal and a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord
from qllmft.run.verdict import verdict
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import percent
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores


def title(record: RunRecord) -> str:
    """Return texts, body, seed and selected epoch, in two lines."""
    return (
        f"{record.data.source}: {record.data.counts}\nbody {record.body}, D = {record.body.dimension}; "
        f"seed {record.seed}; epoch {record.selected_epoch} selected"
    )


def columns(record: RunRecord) -> tuple[str, ...]:
    """Return the headers, with the measure if it is no accuracy."""
    in_column = record.head.validation.measure.in_column
    validation, test = in_column(record.data.validated), in_column("test")
    return (
        "model",
        "parameters",
        validation,
        f"{test} [95 % interval]",
        "seconds",
    )


def rows(record: RunRecord) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each model, with an empty test if the test texts were not read."""
    for model in record.models:
        test = "" if model.test is None else "\n".join([f"{model.test}", *_second_line(model)])
        yield (
            model.name,
            f"{model.parameters:,}",
            model.validation.plain,
            test,
            f"{model.seconds:.1f}",
        )
        if control := model.without_circuit:
            yield (
                WITHOUT_CIRCUIT,
                f"{control.parameters:,}",
                control.validation.plain,
                str(control.test),
                "",
            )


def table_html(record: RunRecord) -> str:
    """Return title and table as HTML."""

    def cells(values: tuple[str, ...], tag: str) -> str:
        shown = (escape(value).replace("\n", "<br>") for value in values)
        return f"<tr>{''.join(f'<{tag}>{value}</{tag}>' for value in shown)}</tr>"

    caption = escape(title(record)).replace("\n", "<br>")
    body = "".join(cells(row, "td") for row in rows(record))
    head = cells(columns(record), "th")
    table = f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
    return f"{table}<p>{escape(verdict(record.models))}</p>" if record.head.test else table


def circuit_notes(record: RunRecord) -> Iterator[str]:
    """Yield the sentences on load and gain of a run's circuit, none without one."""
    head = record.head
    if head.load is not None:
        task = TASK_OF_SCORE[head.validation.measure.name]
        yield f"load: {task.load_in_words(head.load, 'the test texts')}"
    if control := head.without_circuit:
        measure = control.test.measure
        yield (
            f"gain: {measure.signed(control.gain)} {measure.brackets(control.gain_interval)} {measure.unit} over "
            f"{WITHOUT_CIRCUIT}, the best linear model of the same latent values"
        )


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or len(scores.texts) > 2):
        yield f"balanced {percent(scores.balanced)}, F1 {percent(scores.macro_f1)}"
    if model.test is not None and model.test.beside:
        yield ", ".join(f"{part.short} {part.value:.3g}" for part in model.test.beside)


def notes(record: RunRecord) -> Iterator[str]:
    """Yield the notes below the table."""
    if isinstance(record.head.test, TargetScores):
        several = (
            f", means over {len(record.data.labels)} targets" if len(record.data.labels) > 1 else ""
        )
        yield f"error: mean absolute error; rank: Spearman's correlation{several}"
    if isinstance(record.head.test, LabelSetScores):
        yield "AP: average precision; exact: texts with exactly their labels; Hamming: share of wrong decisions"
    yield from circuit_notes(record)
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {percent(model.validation_exact)} %, "
                f"test {percent(model.test_exact, 2)} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    if (scores := record.head.test_classes) and any(_second_line(record.head)):
        yield f"balanced accuracy and macro-F1: means over the labels; one label has {percent(scores.majority)} %"
    for model in record.models:
        if model.constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "baselines use the body before it was trained with the head"
