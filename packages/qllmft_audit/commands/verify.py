"""`qllmft verify`: whether the files of a run belong together."""

from __future__ import annotations

import typer

from qllmft.cli.console import say
from qllmft.cli.options import Run


def verify(run: Run) -> None:
    """Verify a run's folder: compare its files, and compute its test scores and its model's logits again.

    The differences of the models, with p and intervals, are computed again, too. Validation scores are not.
    Prints a line per part. The exit code is 0 if all parts are sound, else 2.
    """
    from qllmft_audit.verification import verify_run

    sound = True
    for check in verify_run(run):
        say(f"{'ok   ' if check.sound else 'FAULT'}  {check.name}: {check.finding}")
        sound &= check.sound
    if not sound:
        raise typer.Exit(2)
