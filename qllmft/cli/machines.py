"""`qllmft backends`, `qllmft jobs`, `qllmft ionq-sandbox`: where circuits run, what was sent, and where to try it."""

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
    from qllmft_backends.ionq import IonQConnection, Job


def backends(json: Json = False) -> None:
    """List the backends: available or why not, device, noise, limits, price class."""
    from qllmft_backends.listing import describe

    rows = describe()
    if json:
        say_json([asdict(row) for row in rows])
        return
    console = PlainConsole()
    for row in rows:
        state = "available" if row.available else "not available"
        console.print(Text.assemble((row.name, "bold"), f"  {state}, {row.price}"))
        for line in (row.summary, f"runs on: {row.device}", f"noise: {row.noise}", f"limits: {row.limits}", row.note):
            if line:
                say(f"  {line}", console)


def jobs(
    action: Annotated[
        Literal["list", "wait", "cancel"],
        typer.Argument(
            help="What to do: list the jobs with their states and prices, wait for all that are under way, or cancel "
            "them and those that the server took twice."
        ),
    ],
    run: Annotated[Path | None, typer.Argument(help="Folder of the run whose jobs are meant.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="Folder of the ledger, instead of a run.")] = None,
    server: Annotated[bool, typer.Option("--server", help="List the jobs that the server knows.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="List from the ledger alone: the states are those of the last call.")
    ] = False,
    job: Annotated[
        list[str] | None, typer.Option("--job", metavar="ID", help="Cancel this job only; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most jobs that --server lists.")] = 25,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the API key.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of the API.", show_default="the environment's")] = None,
    json: Json = False,
) -> None:
    """List the jobs of a run's ledger with their states at the server, wait for them, or cancel them.

    Prices: as charged or, with '~', as estimated before; the last line is their total. '50+1' circuits: a
    circuit with a known answer goes before 50.
    """
    from qllmft_backends.ionq import cancel, cancel_ledger, ledger_jobs, server_jobs, wait

    if server and action != "list":
        raise UserError(f"--server lists; to {action} jobs name a run or a --ledger.")
    if offline and (server or action != "list"):
        raise UserError("--offline lists a ledger's jobs without asking the server. Leave it out.")
    if job and action != "cancel":
        raise UserError(f"--job names jobs to cancel; to {action} jobs leave it out.")
    connection = _connection(token_file, url)
    folder = ledger or (run / "ledger" if run else None)
    if job:
        say_lines(cancel(job, connection))
        return
    if server:
        rows = server_jobs(connection, limit=limit)
    elif folder is None:
        raise UserError("name a run's folder, or --ledger FOLDER, or --server.")
    elif action == "cancel":
        say_lines(cancel_ledger(folder, connection))
        return
    elif action == "wait":
        rows = wait(folder, connection)
    else:
        rows = ledger_jobs(folder) if offline else _asked(folder, connection)
    if json:
        say_json([asdict(row) for row in rows])
    else:
        _show_jobs(rows, total=not server)


def _connection(token_file: Path | None, url: str | None) -> IonQConnection:
    """The server's address and key; an address that is refused is not repeated, because it may hold a password."""
    from pydantic import ValidationError

    from qllmft_backends.ionq import IonQConnection
    from qllmft_backends.validation import faults

    try:
        return IonQConnection(token_file=token_file, url=url)
    except ValidationError as error:
        raise UserError(f"--url: {faults(error)[0].message}.") from None


def _asked(folder: Path, connection: IonQConnection) -> list[Job]:
    """The jobs of a ledger, their states from the server; where it cannot be asked, the error says what is left."""
    from qllmft_backends.ionq import IonQError, LedgerError, ledger_jobs

    try:
        return ledger_jobs(folder, ask=connection)
    except LedgerError:
        raise
    except IonQError as error:
        raise UserError(f"{error} --offline lists what the ledger holds.") from None


def _show_jobs(rows: Sequence[Job], *, total: bool) -> None:
    """A row a job, the notes below, and, for ``total``, what each costs and all of them together."""
    from qllmft_backends.ionq import job_total

    table = plain_table()
    table.padding, table.show_edge = (0, 0, 0, 0), False  # fits into 80 characters
    for column in ("job", "state", "machine", "circuits", "shots", *(["price"] if total else [])):
        table.add_column(column, no_wrap=column != "machine", overflow="fold")
    for row in rows:
        circuits = f"{row.circuits}{f'+{row.known_circuits}' if row.known_circuits else ''}"
        cells = (row.job_id, row.state, row.backend, circuits, row.shots, *([_price(row)] if total else []))
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console = PlainConsole()
    console.print(table)
    for row in rows:
        if row.note:  # as long as a server's words are, and so no column
            say(f"{row.job_id or row.chunk}: {row.note}", console)
    if total:
        say(f"total: {job_total(rows)}", console)


def _price(row: Job) -> str:
    """What a job cost, or about how much it will; empty where that is not known."""
    amount = row.price if row.cost is None else row.cost
    if amount is None:
        return ""
    return ("~" if row.cost is None and amount else "") + (f"{amount:.2f}" if amount < 100 else f"{amount:,.0f}")


def ionq_sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the service; 0: any free one.")] = 8765,
    noise: Annotated[
        str, typer.Option(help="Noise of the pretended machines: ideal, forte-1, aria-1, aria-2.")
    ] = "forte-1",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random shots.")] = 0,
    latency: Annotated[float, typer.Option(min=0.0, help="Seconds that a job stays in each state.")] = 0.5,
    state_file: Annotated[Path | None, typer.Option(help="File that keeps the jobs across restarts.")] = None,
) -> None:
    """Serve a pretended IonQ service on this machine, to try everything with no account; every answer says so."""
    from qllmft_backends.ionq.sandbox.command import serve
    from qllmft_backends.ionq.sandbox.simulator import NOISE

    if noise not in NOISE:
        raise UserError(f"--noise is {noise!r}, expected one of {', '.join(NOISE)}.")
    serve(port, noise, seed, latency, state_file)
