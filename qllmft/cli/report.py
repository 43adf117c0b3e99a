"""`qllmft report`: a run, or a study, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
