"""`qllmft verify`: whether a run's folder is whole."""

from __future__ import annotations

import typer

from qllmft.cli.console import say
from qllmft.cli.options import RunFolderArgument


def verify(run: RunFolderArgument) -> None:
    """Check a run's folder: its files against each other, its accuracies and its model's logits computed again.

    One line a part. The exit code is 0 where all is sound, else 2.
    """
    from qllmft.run.verification import verify_run

    sound = True
    for check in verify_run(run):
        say(f"{'ok   ' if check.sound else 'FAULT'}  {check.name}: {check.words}")
        sound &= check.sound
    if not sound:
        raise typer.Exit(2)
