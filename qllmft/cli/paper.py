"""`qllmft paper`: every published number held against ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def paper(
    runs: Annotated[
        list[Path] | None,
        typer.Option(
            help="The folder that holds the runs, at any depth, or a .json file that --records wrote. May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The Markdown file to write the page into; without it the page is printed.")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="A small .json file to keep the runs in; --runs reads it again.")
    ] = None,
) -> None:
    """Hold every number that the paper prints against ours: accuracies from runs, the rest counted on the spot."""
    from qllmft.cli.console import say
    from qllmft.errors import UserError
    from qllmft.experiments.records import read_finished_runs, write_finished_runs
    from qllmft.files import write_text
    from qllmft.paper.page import of_the_paper, render_page

    if records is not None and records.suffix != ".json":
        raise UserError(f"--records is {records.name!r}; expected a name that ends in .json.")
    found, with_curves = of_the_paper(read_finished_runs(runs or []))
    page = render_page(found)
    if records is not None:
        write_finished_runs(found, records, with_curves)
    if out is None:
        typer.echo(page, nl=False)
        return
    try:
        write_text(out, page)
    except OSError as error:
        raise UserError(f"the page {out} cannot be written: {error.strerror}.") from error
    files = f"{out}, {records}" if records else f"{out}"
    say(f"{len(found)} runs: {files}")
