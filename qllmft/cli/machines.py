"""Commands `qllmft backends`, `qllmft jobs` and `qllmft ionq-sandbox`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from qllmft.cli.console import PlainConsole, plain_table, say, say_json, say_lines
from qllmft.cli.options import Json
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft_backends.remote import IonQConnection, Job

_ACTIONS = ("list", "wait", "cancel")


def backends(json: Json = False) -> None:
    """List the backends with their availability, device, noise, limits and price class."""
    from qllmft_backends.plugins import BUILT_IN
    from qllmft_backends.registry import describe

    rows = describe()
    if json:
        say_json([asdict(row) for row in rows])
        return
    console = PlainConsole()
    for row in rows:
        state = "available" if row.available else "not available"
        console.print(Text.assemble((row.name, "bold"), f"  {state}, {row.price}"))
        for line in (
            row.summary,
            "" if row.source == BUILT_IN else f"from: {row.source}",
            f"runs on: {row.device}",
            f"noise: {row.noise}",
            f"limits: {row.limits}",
            row.note,
        ):
            if line:
                say(f"  {line}", console)


def jobs(
    action: Annotated[
        str,
        typer.Argument(
            metavar="[list|wait|cancel]",
            help="list: show the jobs with their states and prices; wait: collect the jobs that are still running "
            "remotely; cancel: cancel them and the duplicates that the server accepted late. A run alone is listed.",
            show_default="list",
        ),
    ] = "list",
    run: Annotated[
        Path | None, typer.Argument(help="Folder of the run that sent the jobs.")
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(help="Folder of the ledger, instead of a run.")
    ] = None,
    server: Annotated[
        bool, typer.Option("--server", help="List the jobs that the server knows.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Read only the ledger: the states are those of the last call."
        ),
    ] = False,
    job: Annotated[
        list[str] | None,
        typer.Option("--job", metavar="ID", help="Cancel only this job; may be repeated."),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Greatest number of jobs that --server lists.")
    ] = 25,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the API key.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Address of the API.", show_default="the environment's")
    ] = None,
    json: Json = False,
) -> None:
    """Report jobs that are still running remotely, wait for them, or cancel them.

    The prices are charges or, with '~', estimates; the last line is their total. '50+1' circuits are 50 circuits
    after one with a known answer.
    """
    from qllmft_backends.remote import cancel, cancel_ledger, ledgers_in, server_jobs

    if action not in _ACTIONS:
        if run is not None or not Path(action).is_dir():
            raise UserError(
                f"got {action!r}, expected {', '.join(_ACTIONS)}, or the folder of a run to list."
            )
        action, run = "list", Path(action)
    if server and action != "list":
        raise UserError(f"--server lists; to {action} jobs name a run or a --ledger.")
    if offline and (server or action != "list"):
        raise UserError("--offline lists a ledger's jobs without asking the server. Omit it.")
    if job and action != "cancel":
        raise UserError(f"--job names jobs to cancel; to {action} jobs omit it.")
    connection = _connection(token_file, url)
    ledger = ledger or (run / "ledger" if run else None)
    folders = [] if ledger is None else ledgers_in(ledger) or [ledger]
    if job:
        say_lines(cancel(job, connection))
        return
    if server:
        rows = server_jobs(connection, limit=limit)
    elif not folders:
        raise UserError("name a run's folder, or --ledger FOLDER, or --server.")
    elif action == "cancel":
        for folder in folders:
            say_lines(cancel_ledger(folder, connection))
        return
    else:
        rows = [
            row
            for folder in folders
            for row in _jobs_of(folder, action, connection, offline=offline)
        ]
    if json:
        say_json([asdict(row) for row in rows])
    else:
        _show_jobs(rows, total=not server)


def _jobs_of(folder: Path, action: str, connection: IonQConnection, *, offline: bool) -> list[Job]:
    """Return the jobs of one ledger, after waiting for them if that is the action."""
    from qllmft_backends.remote import RemoteError, ledger_jobs, wait

    if action == "wait":
        return wait(folder, connection)
    try:
        return ledger_jobs(folder, ask=None if offline else connection)
    except RemoteError as error:
        raise UserError(f"{error} --offline lists the jobs of the ledger.") from None


def _connection(token_file: Path | None, url: str | None) -> IonQConnection:
    """Return the server's address and key. A refused address is not repeated, because it may hold a password."""
    from pydantic import ValidationError

    from qllmft_backends.remote import IonQConnection
    from qllmft_backends.validation import faults

    try:
        return IonQConnection(token_file=token_file, url=url)
    except ValidationError as error:
        raise UserError(f"--url: {faults(error)[0].message}.") from None


def _show_jobs(rows: Sequence[Job], *, total: bool) -> None:
    """Print one row per job, the notes below, and, if ``total``, their prices and the sum."""
    from qllmft_backends.remote import job_total

    table = plain_table()
    table.padding, table.show_edge = (0, 0, 0, 0), False  # fits into 80 characters
    for column in ("job", "state", "machine", "circuits", "shots", *(["price"] if total else [])):
        table.add_column(column, no_wrap=column != "machine", overflow="fold")
    for row in rows:
        cells = (
            row.job_id,
            row.state,
            row.machine,
            row.circuits_text,
            row.shots,
            *([row.amount_text] if total else []),
        )
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console = PlainConsole()
    console.print(table)
    for row in rows:
        if row.note:  # as long as a server's message, and so not a column
            say(f"{row.job_id or row.chunk}: {row.note}", console)
    if total:
        for line in [*_energy_lines(rows), f"total: {job_total(rows)}"]:
            say(line, console)


def _energy_lines(rows: Sequence[Job]) -> list[str]:
    """Return the energy that the server measured per paid circuit, beside that of the formula."""
    from qllmft.energy.formula import formula_kj

    measured = [row for row in rows if row.kwh is not None]
    if not measured:
        return []
    circuits = sum(row.circuits + row.known_circuits for row in measured)
    kilojoules = 3600 * sum(row.kwh or 0.0 for row in measured)
    billed = [row.billed_us for row in measured if row.billed_us is not None]
    each = kilojoules / circuits
    mock = "mock " * any(row.mock for row in measured)
    line = f"energy measured by the {mock}server: {kilojoules:.4g} kJ for {circuits} circuits, {each:.4g} kJ each"
    line += f"; billed time: {sum(billed) / 1e6:.3g} s" if billed else ""
    powers = sorted({row.machine_kw for row in measured if row.machine_kw is not None})
    lines = [
        line
        + (f"; power of the machine: {', '.join(f'{kw:g}' for kw in powers)} kW" if powers else "")
    ]
    formula = [kj for row in measured if (kj := formula_kj(row)) is not None]
    if len(formula) == len(measured):
        mean = sum(kj * row.circuits for kj, row in zip(formula, measured, strict=True))
        mean /= sum(row.circuits for row in measured)
        lines.append(
            f"energy by formula, with Forte's gate times and the gates as sent: {mean:.4g} kJ per circuit"
        )
    return lines


def ionq_sandbox(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the server; 0: any free one.")
    ] = 8765,
    noise: Annotated[
        Literal["ideal", "forte-1", "aria-1", "aria-2"],
        typer.Option(help="Noise of the simulated machines."),
    ] = "forte-1",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random shots.")] = 0,
    latency: Annotated[
        float, typer.Option(min=0.0, help="Seconds that a job stays in each state.")
    ] = 0.5,
    state_file: Annotated[
        Path | None, typer.Option(help="File that keeps the jobs across restarts.")
    ] = None,
    results_form: Annotated[
        Literal["url", "artifacts", "v2"],
        typer.Option(
            help="Form in which jobs name their results: url as qiskit-ionq 1.1 reads them, artifacts as published in "
            "2026, v2 the same with bits by register."
        ),
    ] = "url",
) -> None:
    """Serve a mock of IonQ's API on this machine, for trials without an account. Every answer is marked as a mock."""
    from qllmft_backends.sandbox import serve

    serve(port, noise, seed, latency, state_file, results_form)
