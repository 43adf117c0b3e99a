"""Commands `qllmft backends`, `qllmft jobs` and `qllmft ionq-sandbox`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from qllmft.cli.console import PlainConsole, say, say_json, table
from qllmft.cli.options import Count, Json, Natural, Port
from qllmft_base.errors import UserError
from qllmft_base.text import format_count
from qllmft_machines.bounds import MAX_LATENCY_S

if TYPE_CHECKING:
    from rich.table import Table

    from qllmft_machines import IonQConnection, Job

_JOB_ACTIONS = ("list", "wait", "cancel")


def backends(*, json: Json = False) -> None:
    """List the backends with their availability, device, noise, limits and price class."""
    from qllmft_backends.registry import describe
    from qllmft_base.plugins import BUILT_IN

    rows = describe(imports=False)
    if json:
        say_json([asdict(row) for row in rows])
        return
    console = PlainConsole()
    for row in rows:
        state = "available" if row.available else "not available"
        console.print(Text.assemble((row.name, "bold"), f"  {state}, {row.price}"))
        lines = (
            row.summary,
            "" if row.source == BUILT_IN else f"from: {row.source}",
            f"runs on: {row.device}",
            f"noise: {row.noise}",
            f"limits: {row.limits}",
            row.note,
        )
        say(*(f"  {line}" for line in lines if line), console=console)


def jobs(
    action: Annotated[str, typer.Argument(metavar="[list|wait|cancel]")] = "list",
    run: Path | None = None,
    *,
    ledger: Path | None = None,
    server: bool = False,
    offline: bool = False,
    job: Annotated[list[str] | None, typer.Option(metavar="ID")] = None,
    limit: Count = None,
    token_file: Path | None = None,
    url: str | None = None,
    json: Json = False,
) -> None:
    """Report jobs that are still running remotely, wait for them, or cancel them.

    A price with '~' is an estimate, the others are charges. The last line is the total. '50+1' circuits are 50 circuits
    after a check circuit.

    Args:
        action: list: show the jobs with their states and prices. wait: collect the jobs that are still running. cancel:
            cancel the running jobs and the duplicates that the server accepted late. [default: list]
        run: Folder of the run that sent the jobs.
        ledger: Folder of the ledger, instead of a run.
        server: List the jobs that the server knows.
        offline: Read only the ledger: the states are those of the last call.
        job: Cancel only this job, at IonQ if no run or ledger is named. May be repeated.
        limit: Greatest number of jobs that --server lists. [default: 25]
        token_file: File that holds the API key.
        url: Address of the API. [default: the environment's]
    """
    from pydantic import ValidationError

    import qllmft_machines as remote
    from qllmft_base.validation import faults
    from qllmft_machines.errors import RemoteError

    if action not in _JOB_ACTIONS:
        if run is not None or not Path(action).is_dir():
            raise UserError(
                f"got {action!r}, expected {', '.join(_JOB_ACTIONS)}, or the folder of a run to list."
            )
        run = Path(action)
        action = "list"
    _check_action(action, server=server, offline=offline, names_jobs=bool(job))
    if (server and (run or ledger)) or (run and ledger):
        raise UserError("a run, --ledger and --server are three places of jobs. Name one of them.")
    if limit is not None and not server:
        raise UserError("--limit bounds the jobs that --server lists. Omit it.")
    try:
        connection = remote.IonQConnection(token_file=token_file, url=url)
    except ValidationError as error:  # an address is not repeated, because it may hold a password
        raise UserError(f"--url: {faults(error)[0].message}.") from None
    ledger = ledger or (run / "ledger" if run else None)
    folders = [] if ledger is None else remote.ledgers_in(ledger) or [ledger]
    if action == "cancel" and (job or folders):
        _cancel(folders, job or [], connection)
        return
    if server:
        rows = remote.server_jobs(connection, limit=limit or 25)
    elif not folders:
        raise UserError("name a run's folder, or --ledger FOLDER, or --server.")
    elif action == "wait":
        rows = [row for folder in folders for row in remote.wait(folder, connection)]
    else:
        queried_connection = None if offline else connection
        try:
            rows = [
                row
                for folder in folders
                for row in remote.ledger_jobs(folder, ask=queried_connection)
            ]
        except RemoteError as error:
            if offline or not any(map(remote.ledgers_in, folders)):
                raise
            raise UserError(f"{error} --offline lists the jobs of the ledger.") from None
    if json:
        say_json([asdict(row) for row in rows])
        return
    say(*_jobs_table(rows, priced=not server))
    if not server:
        say(*_energy_lines(rows), f"total: {remote.job_total(rows)}")


def _check_action(action: str, *, server: bool, offline: bool, names_jobs: bool) -> None:
    """Raise UserError for an option that an action does not have."""
    if server and action != "list":
        raise UserError(f"--server is for list. With {action}, name a run or a --ledger.")
    if offline and (server or action != "list"):
        raise UserError("--offline lists a ledger's jobs without asking the server. Omit it.")
    if names_jobs and action != "cancel":
        raise UserError(f"--job is for cancel. With {action}, omit --job.")


def _cancel(folders: Sequence[Path], only: Sequence[str], connection: IonQConnection) -> None:
    """Cancel the jobs of ledgers, only those named if any are; without a ledger the named ones are IonQ's.

    The exit code is 2 if one of them is not canceled.
    """
    import qllmft_machines as remote

    if not folders:
        lines = remote.cancel(only, connection)
        say(*lines)
    else:
        _check_jobs(folders, only, connection)
        lines = []
        for folder in folders:
            folder_lines = remote.cancel_ledger(folder, connection, only)
            say(*folder_lines)  # an error in the next folder must not hide them
            lines += folder_lines
        if not lines:
            say("nothing to cancel")
    if any("not canceled" in line for line in lines):
        raise typer.Exit(2)


def _check_jobs(
    folders: Sequence[Path], job_ids: Sequence[str], connection: IonQConnection
) -> None:
    """Raise `UserError` for a job that neither the ledgers name nor the server, which may have accepted it late."""
    import qllmft_machines as remote

    unknown_job_ids = list(job_ids)
    for server in (None, connection):
        if not unknown_job_ids:
            return
        known_job_ids = {
            row.job_id for folder in folders for row in remote.ledger_jobs(folder, server)
        }
        unknown_job_ids = [job_id for job_id in unknown_job_ids if job_id not in known_job_ids]
    if unknown_job_ids:
        raise UserError(
            f"{', '.join(map(str, folders))}: no job {', '.join(unknown_job_ids)} in this ledger. Without a "
            "folder --job names a job of IonQ."
        )


def _jobs_table(rows: Sequence[Job], *, priced: bool) -> Iterator[str | Table]:
    """Yield a table of jobs and their notes; a note is as long as a server's message, and so not a column."""
    jobs_table = table()
    price = ["price"] if priced else []
    jobs_table.padding = (0, 0, 0, 0)  # fits into 80 characters
    jobs_table.show_edge = False
    for column in ("job", "state", "machine", "circuits", "shots", *price):
        jobs_table.add_column(column, no_wrap=column != "machine", overflow="fold")
    for row in rows:
        cells = [row.job_id, row.state, row.machine, row.circuits_text, row.shots]
        cells += [row.amount_text] if price else []
        jobs_table.add_row(*("" if cell is None else str(cell) for cell in cells))
    yield jobs_table
    yield from (f"{row.job_id or row.chunk}: {row.note}" for row in rows if row.note)


def _energy_lines(rows: Sequence[Job]) -> Iterator[str]:
    """Yield the energy that the server measured per paid circuit, that of the formula, and their difference."""
    if not (measured_jobs := [row for row in rows if row.kwh is not None]):
        return
    from qllmft.energy.formula import FORTE  # it imports Qiskit
    from qllmft_machines.paid_jobs import formula_kj

    circuits = sum(row.circuits + row.known_circuits for row in measured_jobs)
    kilojoules = 3600 * sum(row.kwh or 0.0 for row in measured_jobs)
    billed_us = [row.billed_us for row in measured_jobs if row.billed_us is not None]
    powers = sorted({row.machine_kw for row in measured_jobs if row.machine_kw is not None})
    server = "mock server" if any(row.mock for row in measured_jobs) else "server"
    yield (
        f"energy measured by the {server}: {kilojoules:.4g} kJ for {format_count(circuits, 'circuit')}, "
        f"{kilojoules / circuits:.4g} kJ each"
        + (f", billed time {sum(billed_us) / 1e6:.3g} s" if billed_us else "")
        + (f", power of the device {', '.join(f'{kw:g}' for kw in powers)} kW" if powers else "")
    )
    formula_energies_kj = [
        kj * row.circuits for row in measured_jobs if (kj := formula_kj(row)) is not None
    ]
    if len(formula_energies_kj) == len(measured_jobs):
        mean = sum(formula_energies_kj) / sum(row.circuits for row in measured_jobs)
        yield f"energy by formula, with Forte's gate times and the gates as sent: {mean:.4g} kJ per circuit"
        power_kw = FORTE.qpu_power_w / 1000
        yield f"The {server} counts the whole device. The formula counts {power_kw:g} kW per qubit of the circuit."


def ionq_sandbox(
    *,
    port: Port = 8765,
    noise: Literal["ideal", "forte-1", "aria-1", "aria-2"] = "forte-1",
    seed: Natural = 0,
    latency: Annotated[float, typer.Option(min=0.0, max=MAX_LATENCY_S)] = 0.5,
    state_file: Path | None = None,
    results_form: Literal["url", "artifacts", "v2"] = "url",
) -> None:
    """Serve a mock of IonQ's API on this machine, for trials without an account. Every answer is marked as a mock.

    It runs circuits on Qiskit Aer, which the extra aer installs.

    Args:
        port: Port of the server. 0 takes a free one.
        noise: Noise of the simulated machines.
        seed: Seed of the random shots.
        latency: Seconds that a job stays in each state.
        state_file: File that keeps the jobs across restarts.
        results_form: Form in which jobs name their results: url as qiskit-ionq 1.1 reads them, artifacts as published
            in 2026, v2 the same with bits by register.
    """
    from qllmft_machines.sandbox import serve

    serve(port, noise, seed, latency, state_file, results_form)
