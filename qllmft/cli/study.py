"""`qllmft study`: several heads, several seeds, one honest table."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from qllmft.cli.options import Data, Settings
from qllmft.errors import UserError
from qllmft.settings import parse_settings

if TYPE_CHECKING:
    from qllmft.experiments.compare import Study, StudyRecord


class Kind(StrEnum):
    """What is studied."""

    TABLE2 = "table2"
    TABLE3 = "table3"
    TABLE4 = "table4"
    FIGURE8 = "figure8"
    ABLATIONS = "ablations"
    NOISE = "noise"


def study(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="table2: quantum and classical heads. table3: the encoder replaced. table4: no final linear layer. "
            "figure8: number of qubits. ablations: all that is replaced or left out, and the rivals. noise: figure 11."
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="Of noise: fig11-small (10 and 12 qubits, 300 epochs) or fig11.", show_default="fig11-small"),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="The same shape in minutes on two cores: 40 epochs, up to 14 qubits.")
    ] = False,
    data: Data = None,
    body: Annotated[
        str | None,
        typer.Option(
            help="The frozen language model: a sentence-transformers name on the hub, a local folder, or 'minilm' "
            "(offline).",
            show_default="the presets'",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="How many; each draws its own split and initial weights.", show_default="5; 3 of noise"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of each run.", show_default="800 (fig11-small: 300); 40 with --quick")
    ] = None,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of runs, record, table and page.", show_default="studies/<study>"),
    ] = None,
) -> None:
    """Train rows of heads over several seeds, compare them on the same splits, and say what the numbers imply.

    A call that was interrupted or killed goes on where it was: no finished run is done twice.
    """
    from qllmft.cli.study_progress import StudyConsole
    from qllmft.experiments.compare import run_study, verdict
    from qllmft.report import finish_study

    plan = _plan(kind, preset, quick=quick, seeds=seeds)
    named = {"data.source": data, "body.model": body, "train.epochs": epochs}
    given: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    given |= parse_settings(settings or [])
    folder = out or Path("studies") / kind.value
    words = ["qllmft", "study", kind.value, *(["--preset", preset] if preset else []), *(["--quick"] if quick else [])]
    for option, value in (("--data", data), ("--body", body), ("--seeds", seeds), ("--epochs", epochs)):
        words += [option, str(value)] if value is not None else []
    for pair in settings or []:
        words += ["--set", pair]
    console = Console()
    try:
        with StudyConsole(console) as watcher:
            record = run_study(plan, folder, given, shlex.join([*words, "--out", str(folder)]), watcher)
    except KeyboardInterrupt:
        console.print(f"Interrupted. The same command goes on; the runs are in {folder / 'runs'}.", soft_wrap=True)
        raise typer.Exit(130) from None
    page = finish_study(folder, record)
    if kind is Kind.NOISE:
        from qllmft.paper.figures.accuracy import draw_accuracy, noise_figure
        from qllmft.report.style import save_figure

        save_figure(draw_accuracy(noise_figure(record)), folder / "noise.svg")
    console.print(study_table(record))
    console.print(verdict(record), markup=False, highlight=False)
    console.print(f"\nThe report is {page}; every comparison is in {folder / 'table.md'}.", soft_wrap=True)
    if kind is Kind.NOISE:
        console.print(f"The figure is {folder / 'noise.svg'}.", soft_wrap=True)


def _plan(kind: Kind, preset: str | None, *, quick: bool, seeds: int | None) -> Study:
    """The study as the options change it.

    Raises:
        UserError: where they do not go together.
    """
    from dataclasses import replace

    from qllmft.experiments.compare import STUDIES
    from qllmft.experiments.compare import quick as reduced

    if kind is Kind.NOISE:
        name = preset or "fig11-small"
        if name not in ("fig11", "fig11-small"):
            raise UserError(f"there is no noise study {name!r}; expected one of fig11-small, fig11.")
    elif preset is not None:
        raise UserError(f"--preset is for the study noise; {kind.value} has presets of its own. Leave it out.")
    else:
        name = kind.value
    plan = reduced(STUDIES[name]) if quick else STUDIES[name]
    return plan if seeds is None else replace(plan, seeds=seeds)


def study_table(record: StudyRecord) -> Table:
    """The table at the end: means over the seeds, the paper's numbers beside them."""
    from qllmft.report import study_table as cells

    sizes, n = record.data.sizes, len(record.seeds)
    over = f"{n} seeds, mean ± 95 % interval" if n > 1 else "1 seed, no interval"
    shown = Table(
        title=f"{cells.about(record)}\n{record.data.source}: {sizes['train']} training, "
        f"{sizes['validation']} validation, {sizes['test']:,} test texts\n"
        f"body {record.body_name}, D = {record.body.dimension}; {record.epochs} epochs; {over}",
        title_justify="left",
        title_style="",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        caption=cells.published_note(record) or None,
        caption_justify="left",
    )
    shown.add_column("model", no_wrap=True)
    for column in ("parameters", "test, %", *(("paper, %", "paper's") if record.published else ())):
        shown.add_column(column, justify="right", no_wrap=True)
    for row in record.rows:
        count = cells.published_parameters(row)
        test = cells.accuracy(row.test_interval)
        paper = (cells.published(row, record), count) if record.published else ()
        shown.add_row(row.label, cells.parameters(row), test, *paper)
    return shown
