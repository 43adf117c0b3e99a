"""Jobs from a ledger and from the server: list, wait, cancel. The command `qllmft jobs` is built on these functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from qllmft_backends.errors import BackendError, MissingExtraError
from qllmft_machines.errors import NOT_FOUND, RemoteError, RemoteRequestError
from qllmft_machines.ionq.options import IonQConnection
from qllmft_machines.ledger.chunk import (
    PROVIDERS_URL,
    UNDER_WAY_STATES,
    Chunk,
    sessions_under_way,
)
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import value_at_path
from qllmft_machines.rows import UNCHARGED_STATES, Job, duplicate_row, job_rows

if TYPE_CHECKING:
    from qllmft_machines.collect import OnProgress
    from qllmft_machines.ionq.route import IonQRoute
    from qllmft_machines.route import JobIndex, Route


def ledger_jobs(folder: Path, ask: IonQConnection | None = None) -> list[Job]:
    """Return the jobs of the ledger in ``folder``, oldest first, also while another process writes.

    IonQ's server ``ask``, if given, is asked for the states of jobs under way, and for jobs that were accepted late;
    nothing is written. The states of other providers' jobs are those of the last call.

    Raises:
        LedgerError: if the ledger cannot be read.
        RemoteRequestError: if ``folder`` holds none.
        RemoteError: if the server cannot be asked.
    """
    ledger = _open_ledger(folder)
    open_chunks = [chunk for chunk in ledger.chunks.values() if chunk.may_change_at_server]
    if ask is None or not open_chunks or open_chunks[0].setup.url == PROVIDERS_URL:
        return job_rows(ledger)
    open_chunks, elsewhere = _split_by_server(open_chunks, ask)
    if not open_chunks:
        raise RemoteRequestError(_other_server_text(elsewhere[0], ask))
    index = _open_route(ledger, open_chunks[0], ask).index(ledger)
    index.refresh()
    chunk_by_id = {chunk.id: chunk for chunk in open_chunks}
    rows = []
    for row in job_rows(ledger):
        chunk = chunk_by_id.get(row.chunk or "")
        if chunk is None or row.state == "duplicate":
            rows.append(row)
            continue
        status_by_job = {job.job_id: job.status for job in index.find(chunk.tokens)}
        chunk_job_id = chunk.job_id or next(iter(status_by_job), None)
        if chunk_job_id is not None and row.state in ("planned", *UNDER_WAY_STATES):
            row = replace(row, job_id=chunk_job_id)
            try:
                state = status_by_job.get(chunk_job_id) or index.route.describe(chunk_job_id).status
                price = 0.0 if state in UNCHARGED_STATES else row.price
                row = replace(row, state=state, price=price)
            except RemoteError as error:
                if error.status != NOT_FOUND:
                    raise
                row = replace(row, state="missing", note=str(error))
        known_job_ids = (chunk_job_id, *chunk.duplicates)
        late_job_ids = [
            job
            for job, state in status_by_job.items()
            if job not in known_job_ids and state not in UNCHARGED_STATES
        ]
        rows += [row, *(duplicate_row(row, chunk, job_id) for job_id in late_job_ids)]
    return _with_other_servers(rows, elsewhere, ask)


def server_jobs(
    connection: IonQConnection, backend: str | None = None, limit: int = 25
) -> list[Job]:
    """Return up to ``limit`` jobs that the server lists for this key's project, including those of other programs.

    ``backend`` is the API's name of a machine, ``simulator`` or ``qpu.forte-1``; None: all.
    """
    rows = []
    for job in islice(_open_ionq_route(connection).client.jobs(backend), limit):
        failure, shots, submitted_at = (job.get(k) for k in ("failure", "shots", "submitted_at"))
        if isinstance(failure, dict):
            failure = failure.get("message") or failure.get("error")
        circuits = value_at_path(job, "stats", "circuits")
        row = Job(
            job_id=str(job.get("id")),
            state=str(job.get("status")),
            backend=str(job.get("backend")),
            circuits=circuits if isinstance(circuits, int) and circuits > 0 else 1,
            shots=shots if isinstance(shots, int) else None,
            url=connection.address(),
            submitted_at=submitted_at if isinstance(submitted_at, str) else None,
            note=str(failure or ""),
        )
        rows.append(row)
    return rows


def wait(
    folder: Path, connection: IonQConnection, on_progress: OnProgress | None = None
) -> list[Job]:
    """Collect every job of the ledger that is under way, and settle the doubtful ones. Nothing is sent.

    A job that the server does not list, or whose result cannot be read, stays in the list with a note, and so does one
    of another server; the others are collected. Jobs that were accepted late are recorded, with a
    `DuplicateJobWarning`.

    Raises:
        JobTimeoutError: at ``connection.deadline_s``; jobs that ended before are in the ledger.
        RemoteError: see `qllmft_machines.errors`.
    """
    ledger = _open_ledger(folder)
    with ledger.lock():
        open_chunks = [chunk for chunk in ledger.chunks.values() if chunk.may_change_at_server]
        chunks, elsewhere = _split_by_server(open_chunks, connection)
        problems: dict[str, RemoteError] = {}
        if elsewhere and not chunks:
            raise RemoteRequestError(_other_server_text(elsewhere[0], connection))
        if chunks:
            from qllmft_machines.collect import collect
            from qllmft_machines.send import resolve_doubtful_chunk

            route = _open_route(ledger, chunks[0], connection)
            index = route.index(ledger)
            sessions = sessions_under_way(chunks)
            if not index.searches:  # a doubtful job then is an error
                problems = collect(index, chunks, on_progress)
            for chunk in chunks:
                resolve_doubtful_chunk(index, chunk)
            if index.searches and any(chunk.may_have_duplicate for chunk in chunks):
                index.refresh()
                index.reconcile()
            problems |= collect(index, chunks, on_progress)
            route.end_sessions(ledger, sessions)
        rows = []
        for row in job_rows(ledger):
            problem = problems.get(row.chunk or "")
            if problem is not None and row.state == "submitted":
                state = "missing" if problem.status == NOT_FOUND else row.state
                row = replace(row, state=state, note=str(problem))
            rows.append(row)
        return _with_other_servers(rows, elsewhere, connection)


def cancel(job_ids: Iterable[str], connection: IonQConnection) -> list[str]:
    """Cancel jobs at IonQ's server and return one line per job. A job that has ended stays as it is."""
    return _cancel_jobs(_open_ionq_route(connection), job_ids)


def cancel_ledger(
    folder: Path, connection: IonQConnection, only: Collection[str] = ()
) -> list[str]:
    """Cancel every job of the ledger that is under way, and every duplicate. End their sessions.

    Jobs that were accepted without an answer or late are found at the server. Those of another server are left alone.
    Nothing is written: a process that waits for the jobs, or `wait`, records it.

    Args:
        folder: of the ledger.
        connection: to IonQ's server, for jobs that were sent there.
        only: ids of the jobs to cancel, whose sessions go on; empty: all.

    Returns:
        one line for each job, each session, and each chunk that may still be accepted or is another server's.

    Raises:
        LedgerError: if the ledger cannot be read.
        RemoteRequestError: if ``folder`` holds none.
        RemoteError: if the server cannot be asked, and the ledger names no job to cancel.
    """
    ledger = _open_ledger(folder)
    chunks, elsewhere = _split_by_server(ledger.chunks.values(), connection)
    elsewhere = [c for c in elsewhere if _may_be_canceled(c, only)]
    if elsewhere and not any(_may_be_canceled(c, only) for c in chunks):
        raise RemoteRequestError(_other_server_text(elsewhere[0], connection))
    if only:
        sent_job_ids = (job for c in chunks for job in (c.job_id, *c.duplicates))
        job_ids = [job for job in sent_job_ids if job and job in only]
        sessions = []
    else:
        chunks = [c for c in chunks if c.may_change_at_server or c.duplicates]
        job_ids = [str(c.job_id) for c in chunks if c.state == "submitted"]
        job_ids += [job for c in chunks for job in c.duplicates]
        sessions = sorted(sessions_under_way(chunks))
    open_chunks = [chunk for chunk in chunks if chunk.may_change_at_server]
    if only and set(only) <= set(job_ids):
        open_chunks = []
    if not job_ids and not open_chunks:
        return []
    route = _open_route(ledger, chunks[0], connection)
    lines = [f"not canceled: {_other_server_text(c, connection)}" for c in elsewhere]
    lines += _cancel_jobs(route, job_ids)
    lines += [f"session {session}: ended" for session in sessions if route.end_session(session)]
    try:
        return lines + _cancel_unrecorded_jobs(route.index(ledger), open_chunks, only)
    except RemoteError as error:
        text = (
            f"{route.name} did not list its jobs: {error} Jobs that the ledger lacks were not looked for. Run the "
            "command again later."
        )
        if not lines:
            raise error.with_message(text) from None
        return [*lines, text]


def _cancel_unrecorded_jobs(
    index: JobIndex, chunks: Sequence[Chunk], only: Collection[str]
) -> list[str]:
    """Cancel the jobs of ``chunks`` that the server lists and the ledger lacks, and return lines as `cancel_ledger`.

    Raises:
        RemoteError: if the server does not list its jobs. Nothing was canceled.
    """
    if chunks:
        index.refresh()
    found_jobs = [index.find(c.tokens, [c.job_id, *c.duplicates]) for c in chunks]
    lines = []
    for chunk, jobs in zip(chunks, found_jobs, strict=True):
        charged_job_ids = [job.job_id for job in jobs if job.status not in UNCHARGED_STATES]
        lines += _cancel_jobs(
            index.route, [job for job in charged_job_ids if not only or job in only]
        )
        if chunk.state == "sent" and not jobs and not only:
            lines.append(f"{chunk.label}: sent without an answer. {_doubt_text(index)}")
    return lines


def _doubt_text(index: JobIndex) -> str:
    """Return sentences on a job that was sent without an answer and is not found."""
    name = index.route.name
    if index.searches:
        return f"{name} does not list its job, which may still be accepted. Run the command again later."
    return f"{name} has no search by tags. Look for the job in the provider's list, and cancel it there."


def _cancel_jobs(route: Route, job_ids: Iterable[str]) -> list[str]:
    lines = []
    for job_id in job_ids:
        try:
            lines.append(f"{job_id}: {route.cancel(job_id)}")
        except BackendError as error:
            lines.append(f"{job_id}: not canceled: {error}")
    return lines


def _open_ledger(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    if not ledger.path.exists():
        raise RemoteRequestError(
            f"{ledger.folder} holds no ledger (no {ledger.path.name} in it). Name a run's ledger."
        )
    ledger.refresh()
    return ledger


def _split_by_server(
    chunks: Iterable[Chunk], connection: IonQConnection
) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that the connection's server or a provider has, and those of other servers."""
    reached: list[Chunk] = []
    elsewhere: list[Chunk] = []
    for chunk in chunks:
        is_reached = chunk.setup.url == PROVIDERS_URL or chunk.setup.url == connection.address()
        (reached if is_reached else elsewhere).append(chunk)
    return reached, elsewhere


def _may_be_canceled(chunk: Chunk, only: Collection[str]) -> bool:
    """Return whether a chunk has a job to cancel, or may have one: one of ``only`` if any are named."""
    if only:
        return not {chunk.job_id, *chunk.duplicates}.isdisjoint(only)
    return chunk.may_change_at_server or bool(chunk.duplicates)


def _other_server_text(chunk: Chunk, connection: IonQConnection) -> str:
    """Return the message about a chunk of a server that the options do not name. The key goes to no such server."""
    return (
        f"{chunk.label} was sent to {chunk.setup.url}, and the options name {connection.address()}. "
        "Name that server: option url, or the environment variable QISKIT_IONQ_API_URL."
    )


def _with_other_servers(
    rows: Iterable[Job], elsewhere: Iterable[Chunk], connection: IonQConnection
) -> list[Job]:
    """Return rows with a note at the jobs under way at other servers, which were not asked."""
    text_by_chunk = {
        chunk.id: _other_server_text(chunk, connection)
        for chunk in elsewhere
        if chunk.state in UNDER_WAY_STATES
    }
    return [
        replace(row, note=text_by_chunk[row.chunk])
        if row.chunk in text_by_chunk and row.state in UNDER_WAY_STATES
        else row
        for row in rows
    ]


def _open_route(ledger: Ledger, chunk: Chunk, connection: IonQConnection) -> Route:
    """Return the route to the machine of a ledger's chunk, which is not of another server than the connection's."""
    if chunk.setup.url == PROVIDERS_URL:
        from qllmft_machines.qiskit_machines.backend import open_route

        return open_route(ledger, chunk)
    return _open_ionq_route(connection)


def _open_ionq_route(connection: IonQConnection) -> IonQRoute:
    try:
        from qllmft_machines.ionq.route import IonQRoute
    except ModuleNotFoundError as error:
        raise MissingExtraError.from_import_error("a job of IonQ", error, "ionq") from error
    return IonQRoute(connection)
