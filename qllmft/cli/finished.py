"""`qllmft verify`, `report`, `card` and `push`: what is done with the folder of a finished run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from qllmft.cli.console import say
from qllmft.cli.options import RunFolderArgument

_Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model's name on the hub.")]


def verify(run: RunFolderArgument) -> None:
    """Check a run's folder: its files against each other, its accuracies and its model's logits computed again.

    One line a part. The exit code is 0 where all is sound, else 2.
    """
    from qllmft.inference.verification import verify_run

    sound = True
    for check in verify_run(run):
        say(f"{'ok   ' if check.sound else 'FAULT'}  {check.name}: {check.words}")
        sound &= check.sound
    if not sound:
        raise typer.Exit(2)


def report(
    run: Annotated[
        Path, typer.Argument(help="The folder of a finished run or study; with --table of several studies.")
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            help="Of a study: write its tables into this file instead, .md or .tex (LaTeX). Of studies of maps: their "
            "page, .md, and figures/ beside it."
        ),
    ] = None,
) -> None:
    """Write report.html into the folder of a run or a study: one page without network, readable on a phone."""
    from qllmft.report import write_report, write_study_report, write_study_table

    if table is not None:
        from qllmft.report.maps import write_maps

        typer.echo((write_maps if any(run.glob("*/study.json")) else write_study_table)(run, table))
        return
    write = write_study_report if (run / "study.json").exists() else write_report
    typer.echo(write(run))


def card(run: RunFolderArgument, name: _Name) -> None:
    """Print the model card that `push` would upload: data, results beside the baselines, circuit, how to load it."""
    from qllmft.inference import Predictor
    from qllmft.inference.card import model_card

    sys.stdout.write(model_card(Predictor.load(run).model, name, run))


def push(
    run: RunFolderArgument,
    name: _Name,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository a private one.")] = False,
) -> None:
    """Upload a run's model and its card to the Hugging Face hub.

    The token is that of `hf auth login`, or HF_TOKEN's; it reaches no file and no message. Texts are not uploaded.
    """
    from qllmft.inference import Predictor

    typer.echo(Predictor.load(run).push_to_hub(name, private=private))
