"""`qllmft study`: experiments of several runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from qllmft.cli.options import Data, Settings, parse_settings


class Kind(StrEnum):
    """What is studied."""

    NOISE = "noise"


def study(
    kind: Annotated[Kind, typer.Argument(help="noise: figure 11, accuracy with and without noise.")],
    preset: Annotated[str, typer.Option(help="fig11-small (10 and 12 qubits, 300 epochs) or fig11.")] = "fig11-small",
    data: Data = None,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder of the runs, the table and the figure.")] = Path("studies/noise"),
) -> None:
    """Train a series of heads and draw how they compare; a call that was interrupted goes on where it was."""
    from qllmft.cli.console import ConsoleReporter
    from qllmft.studies import noise

    del kind
    console = Console()
    given = parse_settings(settings or [])
    if data is not None:
        given["data.source"] = data
    points = noise.run_study(noise.study(preset), out, given, ConsoleReporter(console))
    noise.draw(points, out / "noise.svg")
    console.print(noise.table(points), markup=False, highlight=False, soft_wrap=True)
    console.print(f"The figure is {out / 'noise.svg'}.", soft_wrap=True)
