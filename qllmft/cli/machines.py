"""`qllmft backends`, `qllmft jobs`, `qllmft ionq-sandbox`: where circuits run, what was sent, and where to try it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from qllmft.cli.console import PlainConsole, plain_table, say
from qllmft.cli.options import Json
from qllmft.errors import UserError


def backends(json: Json = False) -> None:
    """List the backends: available or why not, device, noise, limits, price class."""
    from json import dumps

    from qllmft_backends.listing import describe

    rows = describe()
    if json:
        typer.echo(dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    console = PlainConsole()
    for row in rows:
        state = "available" if row.available else "not available"
        console.print(Text.assemble((row.name, "bold"), f"  {state}, {row.price}"))
        for line in (row.summary, f"runs on: {row.device}", f"noise: {row.noise}", f"limits: {row.limits}", row.note):
            if line:
                say(f"  {line}", console)


class Action(StrEnum):
    """What to do with jobs."""

    LIST = "list"
    WAIT = "wait"
    CANCEL = "cancel"


def jobs(
    action: Annotated[
        Action, typer.Argument(help="What to do: list the jobs, wait for all that are under way, or cancel them.")
    ],
    run: Annotated[Path | None, typer.Argument(help="Folder of the run whose jobs are meant.")] = None,
    ledger: Annotated[Path | None, typer.Option(help="Folder of the ledger, instead of a run.")] = None,
    server: Annotated[bool, typer.Option("--server", help="List the jobs that the server knows.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most jobs that --server lists.")] = 25,
    token_file: Annotated[Path | None, typer.Option(help="File that holds the API key.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of the API.", show_default="the environment's")] = None,
    json: Json = False,
) -> None:
    """List paid jobs from the ledger of a run, wait for them, or cancel them."""
    from json import dumps

    from pydantic import ValidationError

    from qllmft_backends.ionq import IonQConnection, cancel_ledger, ledger_jobs, server_jobs, wait

    try:
        connection = IonQConnection(token_file=token_file, url=url)
    except ValidationError as error:  # the address itself may hold a password
        raise UserError(f"--url: {error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None
    if server:
        if action is not Action.LIST:
            raise UserError(f"--server lists; to {action} jobs name a run or a --ledger.")
        rows = server_jobs(connection, limit=limit)
    else:
        folder = ledger or (run / "ledger" if run else None)
        if folder is None:
            raise UserError("name a run's folder, or --ledger FOLDER, or --server.")
        if action is Action.CANCEL:
            for line in cancel_ledger(folder, connection):
                typer.echo(line)
            return
        rows = wait(folder, connection) if action is Action.WAIT else ledger_jobs(folder)
    if json:
        typer.echo(dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return
    table = plain_table()
    for column in ("job", "state", "machine", "circuits", "shots"):
        table.add_column(column, no_wrap=column != "machine", overflow="fold")
    for row in rows:
        cells = (row.job_id, row.state, row.backend, row.circuits, row.shots)
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    console = PlainConsole()
    console.print(table)
    for row in rows:
        if row.note:  # as long as a server's words are, and so no column
            say(f"{row.job_id or row.chunk}: {row.note}", console)


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
