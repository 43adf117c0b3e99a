"""`qllmft figure` and `qllmft paper`: the paper's figures and numbers compared with runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from qllmft.cli.console import say, say_json
from qllmft.cli.options import Json
from qllmft.errors import UserError

_Runs = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of the runs, at any depth, or a .json file by `qllmft paper --records`; may be repeated."
    ),
]


def figure(
    name: Annotated[
        str, typer.Argument(help="Number of the figure: 5, 6, 7, 8a, 8b, 9, 10, 11 or 12.")
    ],
    runs: _Runs = None,
    out: Annotated[
        Path | None,
        typer.Option(help="File to draw into, .svg, .png or .pdf.", show_default="figure-NAME.svg"),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Setting that the runs must have: train.epochs=100; may be repeated.",
        ),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Draw what there is if runs are missing.")
    ] = False,
    preset: Annotated[
        str | None, typer.Option(help="Preset in figure 12.", show_default="multi-18q")
    ] = None,
    json: Json = False,
) -> None:
    """Draw a figure of the paper from runs: mean ± 95 % over seeds, printed numbers as hollow markers.

    The runs are those in the folder runs unless --runs is given.
    """
    from qllmft.campaign.records import read_finished_runs
    from qllmft.config.settings import parse_settings
    from qllmft.paper.figures.catalogue import find_figure
    from qllmft.paper.figures.selection import FigureRequest
    from qllmft.paper.figures.selection import where as having
    from qllmft.report.style import check_format, save_figure

    chosen = find_figure(name)
    file = out or Path(f"figure-{name}.svg")
    check_format(file)
    given = parse_settings(where or [], "--where")
    if not chosen.needs_runs and (runs or given or partial):
        raise UserError(
            f"figure {name} is computed without runs; omit --runs, --where and --partial."
        )
    if preset is not None and name != "12":
        raise UserError(
            f"--preset is for figure 12, which shows one training; omit it for figure {name}."
        )
    folders = runs or [Path("runs")]
    found = having(read_finished_runs(folders), given) if chosen.needs_runs else []
    data = chosen.data(FigureRequest(name, found, folders[0], partial, preset))
    save_figure(chosen.draw(data), file)
    if json:
        say_json(data.as_dict() if hasattr(data, "as_dict") else asdict(data))
        return
    missing = getattr(data, "missing", ())
    if missing:
        say(f"Left out, because runs are missing: {', '.join(missing)}.")
    say(f"Figure {name}, {chosen.title}: {file}")


def paper(
    runs: _Runs = None,
    out: Annotated[
        Path | None, typer.Option(help="Markdown file to write.", show_default="standard output")
    ] = None,
    records: Annotated[
        Path | None, typer.Option(help="Small .json file for the runs, which --runs reads.")
    ] = None,
    study: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder with the study.json of the study paper-size, budget, figure8, which-part or epochs, "
            "whose results the page then has too; may be repeated."
        ),
    ] = None,
) -> None:
    """Compare every number in the paper with ours: accuracies from runs, counts and energies computed."""
    from qllmft.campaign.record import read_record
    from qllmft.campaign.records import read_finished_runs, write_finished_runs
    from qllmft.files import write_text, writing
    from qllmft.paper.page import of_the_paper, render_page

    if records is not None and records.suffix != ".json":
        raise UserError(f"--records is {records.name!r}; expected a file name that ends in .json.")
    found, with_curves = of_the_paper(read_finished_runs(runs or []))
    page = render_page(found, [read_record(folder) for folder in study or []])
    if records is not None:
        write_finished_runs(found, records, with_curves)
    if out is None:
        typer.echo(page, nl=False)
        return
    with writing(f"the page {out}"):
        write_text(out, page)
    files = f"{out}, {records}" if records else f"{out}"
    say(f"{len(found)} runs: {files}")
