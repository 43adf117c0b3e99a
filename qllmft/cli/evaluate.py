"""`qllmft evaluate`: a trained model on labelled texts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qllmft.cli import backend as choice
from qllmft.cli.console import PlainConsole, plain_table, say
from qllmft.cli.options import Data, Json
from qllmft.errors import UserError


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, as `qllmft train` prints it.")],
    data: Data = None,
    split: Annotated[
        str | None, typer.Option(help="Evaluate one split of --data.", show_default="test where there is one, else all")
    ] = None,
    text_column: Annotated[
        str | None, typer.Option("--text-column", help="Column of the texts.", show_default="the run's")
    ] = None,
    label_column: Annotated[
        str | None, typer.Option("--label-column", help="Column of the labels.", show_default="the run's")
    ] = None,
    limit: choice.Limit = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many texts, drawn at random (--sample-seed).")
    ] = None,
    sample_seed: Annotated[int, typer.Option(min=0, help="Of --sample.")] = 0,
    backend: choice.Name = None,
    shots: choice.Shots = None,
    backend_option: choice.Options = None,
    max_cost: choice.MaxCost = None,
    yes: choice.Yes = False,
    resume: choice.Resume = False,
    ledger: choice.LedgerFolder = None,
    token_file: choice.TokenFile = None,
    json: Json = False,
) -> None:
    """Accuracy with its 95 % interval, and the confusion matrix, on labelled texts.

    Without --data: on the test set of the run itself. With --backend the encoder runs here and the head's circuit
    there, and the agreement with the exact model is reported.
    """
    if limit and sample:
        raise UserError("--limit takes the first texts, --sample draws some: give one of the two.")
    if data is None and (split or text_column or label_column):
        raise UserError(
            "--split, --text-column and --label-column describe --data, which is not given. Without it the run's own "
            "test set is read; give --data, or leave them out."
        )
    from json import dumps

    from qllmft.cli.run_progress import ConsoleReporter
    from qllmft.config import EMBEDDED, DataConfig
    from qllmft.run.evaluation import Subset, evaluate_run
    from qllmft.run.folder import RunFolder

    console = PlainConsole(stderr=json)
    other = None
    if data is not None:
        known = DataConfig() if data == EMBEDDED else RunFolder(run).read_config().data
        columns = (text_column or known.text_column, label_column or known.label_column)
        other = DataConfig(source=data, text_column=columns[0], label_column=columns[1])
    folder = choice.ledger_of(run, ledger)
    machine = choice.make_backend(
        backend, shots=shots, options=backend_option, ledger=folder, max_cost=max_cost, yes=yes, token_file=token_file
    )
    choice.check_flags(machine, folder, dry_run=False, resume=resume)
    size = limit or sample
    subset = Subset(size, sample_seed if sample else None) if size else None
    evaluation = evaluate_run(run, other, split, ConsoleReporter(console), backend=machine, subset=subset)
    if json:
        typer.echo(dumps(evaluation.as_dict(), indent=2, ensure_ascii=False))
        return
    accuracy = evaluation.accuracy
    low, high = accuracy.interval
    say(
        f"{evaluation.source}: {100 * accuracy.value:.2f} % of {accuracy.total:,} texts are right "
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %).",
        console,
    )
    if evaluation.agreement is not None:
        say(f"{evaluation.backend}: {evaluation.agreement}", console)
    say("Confusion matrix: rows are the true label, columns the predicted.", console)
    table = plain_table()
    table.add_column("")
    for name in evaluation.label_names:
        table.add_column(name, justify="right")
    for name, row in zip(evaluation.label_names, evaluation.confusion, strict=True):
        table.add_row(name, *(f"{n:,}" for n in row))
    console.print(table)
