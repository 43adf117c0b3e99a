"""Table of a run at its end."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from qllmft.cli.console import numbers, plain_table, texts
from qllmft.run import ModelResult, RunRecord
from qllmft.tasks.measure import short
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores
from qllmft.tasks.statistics import Accuracy


def result_table(record: RunRecord) -> Table:
    """Return the table at the end of a run, for a `PlainConsole`, since its strings are not markup."""
    sizes = record.data.sizes
    unit = "" if isinstance(record.head.validation, Accuracy) else f" {record.head.validation.NAME}"
    table = plain_table(
        *texts("model"),
        *numbers("parameters", f"validation{unit}", f"test{unit} [95 % interval]", "seconds"),
        title=f"{record.data.source}: {sizes['train']} training, {sizes['validation']} validation, "
        f"{sizes['test']:,} test texts\nbody {record.body}, D = {record.body.dimension}; "
        f"seed {record.seed}; epoch {record.selected_epoch} selected",
        caption="; ".join(_notes(record)) or None,
    )
    for model in record.models:
        test = "\n".join([f"{model.tested}", *_second_line(model)])
        table.add_row(
            model.name,
            f"{model.parameters:,}",
            short(model.validation),
            test,
            f"{model.seconds:.1f}",
        )
    return table


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or len(scores.texts) > 2):
        yield f"balanced {100 * scores.balanced:.1f}, F1 {100 * scores.macro_f1:.1f}"
    if model.test is not None and not isinstance(model.test, Accuracy):
        yield ", ".join(f"{part.short} {part.value:.3g}" for part in model.test.parts[1:])


def _notes(record: RunRecord) -> Iterator[str]:
    """Return the notes below the table."""
    if record.choice:
        yield str(record.choice)
    if isinstance(record.head.test, TargetScores):
        several = (
            f", means over {len(record.data.labels)} targets" if len(record.data.labels) > 1 else ""
        )
        yield f"error: mean absolute error; rank: Spearman's correlation{several}"
    if isinstance(record.head.test, LabelSetScores):
        yield "AP: average precision; exact: texts with exactly their labels; Hamming: share of wrong decisions"
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {100 * model.validation_exact:.1f} %, "
                f"test {100 * model.test_exact:.2f} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    if (scores := record.head.test_classes) and any(_second_line(record.head)):
        yield f"balanced accuracy and macro-F1: means over the labels; one label has {100 * scores.majority:.1f} %"
    for model in record.models:
        if model.test_classes and model.test_classes.constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "baselines use the body before it was trained with the head"
