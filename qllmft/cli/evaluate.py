"""`qllmft evaluate`: a trained model on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from qllmft.cli.options import Data, Json, LabelColumn, TextColumn


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")],
    data: Data = None,
    split: Annotated[
        str | None, typer.Option(help="Evaluate one split of --data.", show_default="test where there is one, else all")
    ] = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    json: Json = False,
) -> None:
    """Accuracy with its 95 % interval, and the confusion matrix, on labelled texts.

    Without --data: on the test set of the run itself.
    """
    from json import dumps

    from qllmft.cli.console import ConsoleReporter
    from qllmft.config import DataConfig
    from qllmft.run.evaluation import evaluate_run

    console = Console(stderr=True) if json else Console()
    other = None
    if data is not None:
        other = DataConfig(source=data, text_column=text_column or "text", label_column=label_column or "label")
    evaluation = evaluate_run(run, other, split, ConsoleReporter(console))
    if json:
        typer.echo(dumps(evaluation.as_dict(), indent=2, ensure_ascii=False))
        return
    accuracy = evaluation.accuracy
    low, high = accuracy.interval
    console.print(
        f"{evaluation.source}: {100 * accuracy.value:.2f} % of {accuracy.total:,} texts are right "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %).",
        highlight=False,
    )
    table = Table(title="confusion matrix: rows are the true label, columns the predicted", title_justify="left")
    table.add_column("")
    for name in evaluation.label_names:
        table.add_column(name, justify="right")
    for name, row in zip(evaluation.label_names, evaluation.confusion, strict=True):
        table.add_row(name, *(f"{n:,}" for n in row))
    console.print(table)
