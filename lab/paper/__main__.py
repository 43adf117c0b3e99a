"""`python -m lab.paper`: the paper's page, its figures, and maps of studies."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from qllmft import UserError, read_study

_Runs = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of the runs, at any depth, or a .json file by `page --records`; may be repeated."
    ),
]

app = typer.Typer(
    help="Compare the paper with runs and studies.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command()
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
        str | None,
        typer.Option(
            help="Preset of the head in figures 9, 10 and 12.",
            show_default="single-14q, multi-18q in figure 12",
        ),
    ] = None,
    study: Annotated[
        Path | None,
        typer.Option(help="Folder of `qllmft study noise`, whose rows figure 11 then shows."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figure's data as JSON.")
    ] = False,
) -> None:
    """Draw a figure of the paper from runs: mean ± 95 % over seeds, printed numbers as hollow markers.

    The runs are those in the folder runs unless --runs is given.
    """
    from lab.paper.catalogue import find_figure
    from lab.paper.selection import FigureRequest, filter_runs
    from qllmft.config import parse_settings
    from qllmft.report import style

    paper_figure = find_figure(name)
    file = out or Path(f"figure-{name}.svg")
    style.check_format(file)
    conditions = parse_settings(where or [], "--where")
    if (not paper_figure.needs_runs or study) and (runs or conditions or partial):
        source = "without runs" if study is None else f"from {study}"
        raise UserError(f"figure {name} is computed {source}. Omit --runs, --where and --partial.")
    if preset is not None and name not in ("9", "10", "12"):
        raise UserError(
            f"--preset is for figures 9, 10 and 12, which have one head. Omit it for figure {name}."
        )
    folders = runs or [Path("runs")]
    if study is not None:
        data = _figure_of_study(name, study)
    else:
        selected_runs = (
            filter_runs(_read_runs(folders), conditions) if paper_figure.needs_runs else []
        )
        data = paper_figure.data(FigureRequest(name, selected_runs, folders[0], partial, preset))
    style.save_figure(paper_figure.draw(data), file)
    if as_json:
        values = data.as_dict() if hasattr(data, "as_dict") else asdict(data)
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    missing = getattr(data, "missing", ())
    if missing:
        typer.echo(f"Left out, because runs are missing: {', '.join(missing)}.")
    typer.echo(f"Figure {name}, {paper_figure.title}: {file}")


def _figure_of_study(name: str, folder: Path) -> Any:
    from lab.paper.accuracy import noise_figure

    if name != "11":
        raise UserError(f"--study is for figure 11. Omit it for figure {name}.")
    return noise_figure(read_study(folder))


@app.command()
def page(
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
            help="Folder of the study paper-size, budget, figure8, which-part or epochs, whose results the page then "
            "has too; may be repeated."
        ),
    ] = None,
    measured: Annotated[
        bool,
        typer.Option("--measured", help="Leave out accuracies of the paper that no run has."),
    ] = False,
) -> None:
    """Compare every number in the paper with ours: accuracies from runs, counts and energies computed."""
    from lab.paper.page import render_page, select_paper_runs
    from lab.paper.runs import write_runs

    if records is not None and records.suffix != ".json":
        raise UserError(f"--records is {records.name!r}, expected a file name that ends in .json.")
    paper_runs, with_curves = select_paper_runs(_read_runs(runs or []))
    text = render_page(
        paper_runs, [read_study(folder) for folder in study or []], measured_only=measured
    )
    if records is not None:
        write_runs(paper_runs, records, with_curves)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    files = f"{out}, {records}" if records else f"{out}"
    typer.echo(f"{len(paper_runs)} runs: {files}")


@app.command()
def maps(
    folder: Annotated[Path, typer.Argument(help="Folder with the folders of studies of maps.")],
    out: Annotated[
        Path, typer.Option(help="Markdown file to write, with figures/ next to it.")
    ] = Path("where-it-pays.md"),
) -> None:
    """Compare quantum and classical heads along an axis: size, classes, texts, energy."""
    from lab.paper.maps import write_maps

    typer.echo(write_maps(folder, out))


@app.command()
def run(
    sst2: Annotated[
        str, typer.Option(help="Folder of SST-2, or its name on the hub.")
    ] = "SetFit/sst2",
    body: Annotated[
        str, typer.Option(help="Folder of the language model, or its name on the hub.")
    ] = "sentence-transformers/all-mpnet-base-v2",
    records: Annotated[
        Path | None,
        typer.Option(help="Folder of the records.", show_default="docs/records/paper-experiment"),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Trainings at a time.", min=1, show_default="one on each processor"),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="No training begins later.", min=0, show_default="no limit")
    ] = None,
    list_only: Annotated[
        bool, typer.Option("--list", help="Print the plan and what is finished, and train nothing.")
    ] = False,
) -> None:
    """Run the paper's experiment at its own size, or go on with it."""
    from lab.paper.experiment.plan import read_plan, trainings
    from lab.paper.experiment.records import FOLDER
    from lab.paper.experiment.runner import (
        Machine,
        count_processors,
        pending_trainings,
        plan_lines,
        run_trainings,
    )

    plan = read_plan()
    folder = records or FOLDER
    planned = trainings(plan)
    if list_only:
        for line in plan_lines(planned, folder):
            typer.echo(line)
        return
    pending = list(pending_trainings(planned, folder))
    machine = Machine(sst2, body, processes or count_processors(), minutes)
    done = run_trainings(plan, pending, machine, folder, typer.echo)
    typer.echo(f"{done} trainings done, {len(pending) - done} left. Records: {folder}")


@app.command()
def readings(
    out: Annotated[Path, typer.Argument(help="Markdown file to write.")],
    records: Annotated[
        Path | None,
        typer.Option(help="Folder of the records.", show_default="docs/records/paper-experiment"),
    ] = None,
) -> None:
    """Write the page of the paper's experiment: its runs, read in five ways, beside the printed numbers."""
    from lab.paper.accuracy import draw_accuracy
    from lab.paper.experiment.figure import draw_qubits
    from lab.paper.experiment.page import render_page
    from lab.paper.experiment.paper_figures import FIGURES, paper_figure
    from lab.paper.experiment.plan import read_plan
    from lab.paper.experiment.readings import BODIES, read_rows
    from lab.paper.experiment.records import FOLDER, read_records
    from qllmft.report import style

    finished = read_records(records or FOLDER)
    plan = read_plan()
    out.write_text(render_page(plan, finished), encoding="utf-8")
    drawn = out.parent / "figures" / f"{out.stem}.svg"
    drawn.parent.mkdir(exist_ok=True)
    style.save_figure(
        draw_qubits({body: read_rows(plan, finished, body) for body in BODIES}), drawn
    )
    for name in FIGURES:
        if data := paper_figure(plan, finished, name):
            style.save_figure(draw_accuracy(data), drawn.with_name(f"{out.stem}-{name}.svg"))
    typer.echo(f"{len(finished)} trainings: {out}, {drawn}")


def _read_runs(paths: Sequence[Path]) -> Any:
    from lab.paper.runs import read_runs

    return read_runs(paths)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and exit with 2 and a message for bad input."""
    try:
        app(
            args=None if arguments is None else list(arguments),
            prog_name="python -m lab.paper",
        )
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
