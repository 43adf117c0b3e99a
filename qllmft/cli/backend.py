"""Options about the backend, how they become one, and what is asked before money is spent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.prompt import Confirm
from rich.text import Text

from qllmft.cli.console import PlainConsole, printable, say
from qllmft.errors import UserError
from qllmft.settings import parse_settings

if TYPE_CHECKING:
    from qllmft_backends import Backend

Name = Annotated[
    str | None,
    typer.Option("--backend", help="What runs the head's circuit; `qllmft backends` lists them.", show_default="exact"),
]
Shots = Annotated[int | None, typer.Option("--shots", min=1, help="Measurements of each circuit.")]
Options = Annotated[
    list[str] | None,
    typer.Option("--backend-option", metavar="NAME=VALUE", help="Any option of the backend: noise=forte1."),
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many texts.")]
MaxCost = Annotated[
    float | None, typer.Option("--max-cost", min=0.0, help="Refuse to send what would cost more, in the server's unit.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Send paid circuits without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Compile, count and price; send nothing.")]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume", help="Go on with an interrupted call: what its ledger holds is collected, never paid again."
    ),
]
LedgerFolder = Annotated[
    Path | None,
    typer.Option("--ledger", help="Folder of the record of paid jobs.", show_default="ledger, in the run's folder"),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File that holds the API key.", show_default="the environment's key")
]


def make_backend(
    name: str | None,
    *,
    shots: int | None = None,
    options: list[str] | None = None,
    ledger: Path | None = None,
    max_cost: float | None = None,
    yes: bool = False,
    token_file: Path | None = None,
) -> Backend | None:
    """The backend of a command; None where none was named.

    Raises:
        UserError: for options of a backend where none was named.
        BackendError: for a name or an option that does not exist; lists those that do.
    """
    given: dict[str, Any] = {
        "shots": shots,
        "max_cost": max_cost,
        "yes": yes or None,
        "token_file": token_file,
        **parse_settings(options or [], "--backend-option"),
    }
    given = {key: value for key, value in given.items() if value is not None}
    if name is None:
        if given:
            raise UserError(
                f"{', '.join('--' + key.replace('_', '-') for key in given)} describe a backend, and none is named. "
                "Add --backend; `qllmft backends` lists them."
            )
        return None
    from qllmft_backends import BACKENDS, create

    if ledger is not None and name in BACKENDS and BACKENDS[name].keeps_ledger:
        given["ledger"] = ledger
    backend = create(name, given)
    if backend.capabilities.remote:
        _attend(backend)
    return backend


def _attend(backend: Any) -> None:
    """Show the jobs' states, and ask a person before paid circuits are sent."""
    console = PlainConsole(stderr=True)
    shown: dict[str, str] = {}

    def progress(chunk: Any, status: str) -> None:
        if shown.get(chunk.id) != status:
            shown[chunk.id] = status
            say(f"job {chunk.job_id}: {status}", console)

    backend.progress = progress
    if sys.stdin.isatty():
        # typer.confirm would write the last blank of its question to standard output, before the first answer
        backend.confirm = lambda estimate: Confirm.ask(
            Text(printable(f"{estimate}. Send?")), console=console, default=False
        )


def show_estimate(backend: Any, circuit: Any, parameters: Any) -> None:
    """Print what a call would send, for ``--dry-run``."""
    typer.echo(str(backend.estimate(circuit, parameters)))
    typer.echo("dry run: nothing was sent")


def ledger_of(run: Path, ledger: Path | None) -> Path:
    """The folder of the record of paid jobs: one a run, unless another was named."""
    return ledger or run / "ledger"


def check_flags(backend: Backend | None, ledger: Path, *, dry_run: bool, resume: bool) -> None:
    """Make sure that ``--dry-run`` and ``--resume`` have something to work on.

    Raises:
        UserError: where they do not.
    """
    if not dry_run and not resume:
        return
    flag = "--dry-run" if dry_run else "--resume"
    if backend is None or not backend.capabilities.remote:
        name = backend.name if backend else "no backend"
        raise UserError(f"{flag} is about circuits that are sent away, and {name} sends none. Leave it out.")
    from qllmft_backends.ionq import Ledger

    if resume and not Ledger(ledger).path.exists():  # a call that sent nothing leaves a folder too
        raise UserError(
            f"there is nothing to resume: no ledger in {ledger}. Leave --resume out, or name the folder with --ledger."
        )
