"""`qllmft card` and `qllmft push`: a trained model for others, on the Hugging Face hub."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from qllmft.cli.options import RunFolderArgument

_Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model's name on the hub.")]


def card(run: RunFolderArgument, name: _Name) -> None:
    """Print the model card that `push` would upload: data, results beside the rivals, circuit, how to load it."""
    from qllmft.run import Predictor
    from qllmft.run.card import model_card

    sys.stdout.write(model_card(Predictor.load(run).model, name, run))


def push(
    run: RunFolderArgument,
    name: _Name,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository a private one.")] = False,
) -> None:
    """Upload a run's model and its card to the Hugging Face hub.

    The token is that of `hf auth login`, or HF_TOKEN's; it reaches no file and no message. Texts are not uploaded.
    """
    from qllmft.run import Predictor

    typer.echo(Predictor.load(run).push_to_hub(name, private=private))
