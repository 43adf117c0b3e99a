"""`qllmft report`: a run on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
) -> None:
    """Write report.html into a run's folder: one page without network, readable on a phone."""
    from qllmft.report import write_report

    typer.echo(write_report(run))
