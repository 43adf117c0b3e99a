"""Jobs from a ledger and from the server: list, wait, cancel. The command `qllmft jobs` is built on these functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft_backends.errors import MissingExtraError
from qllmft_backends.remote.ionq.errors import NOT_FOUND, IonQError, IonQRequestError
from qllmft_backends.remote.ionq.job import Job, duplicate_of, rows_of
from qllmft_backends.remote.ionq.job_index import ENDED_FREE, JobIndex
from qllmft_backends.remote.ionq.options import IonQConnection
from qllmft_backends.remote.ledger.chunk import UNDER_WAY, Chunk, sessions_under_way
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import mapping

if TYPE_CHECKING:
    from qllmft_backends.remote.ionq.client import Client
    from qllmft_backends.remote.ionq.collect import OnProgress


def ledger_jobs(folder: Path, ask: IonQConnection | None = None) -> list[Job]:
    """Return the jobs of the ledger in ``folder``, oldest first, also while another process writes.

    The server ``ask``, if given, is asked for the states of jobs under way, and for jobs that were accepted late;
    nothing is written.

    Raises:
        LedgerError: if the ledger cannot be read.
        IonQRequestError: if ``folder`` holds none.
        IonQError: if the server cannot be asked.
    """
    ledger = _open(folder)
    return rows_of(ledger) if ask is None else _rows_with_server_states(ledger, ask)


def server_jobs(
    connection: IonQConnection, backend: str | None = None, limit: int = 25
) -> list[Job]:
    """Return up to ``limit`` jobs that the server lists for this key's project, including those of other programs.

    ``backend`` is the API's name of a machine, ``simulator`` or ``qpu.forte-1``; None: all.
    """
    client = _client(connection)
    return [_from_server(job, connection.address()) for job in client.jobs(backend, limit)]


def wait(
    folder: Path, connection: IonQConnection, on_progress: OnProgress | None = None
) -> list[Job]:
    """Collect every job of the ledger that is under way, and settle the doubtful ones. Nothing is sent.

    A job that the server does not list, or whose result cannot be read, stays in the list with a note; the others are
    collected. Jobs that were accepted late are recorded, with a `DuplicateJobWarning`.

    Raises:
        IonQTimeoutError: at ``connection.deadline_s``; jobs that ended before are in the ledger.
        IonQError: see `qllmft_backends.remote.ionq.errors`.
    """
    ledger = _open(folder)
    with ledger.lock():
        chunks = [c for c in ledger.chunks.values() if c.state in UNDER_WAY or c.doubtful]
        _check_server(chunks, connection)
        problems: dict[str, IonQError] = {}
        if chunks:
            from qllmft_backends.remote.ionq.collect import collect
            from qllmft_backends.remote.ionq.send import settle
            from qllmft_backends.remote.ionq.sessions import end_sessions

            client = _client(connection)
            index = JobIndex(client, ledger)
            for chunk in chunks:
                if chunk.state == "sent":
                    settle(index, chunk, connection.settle_s)
            if any(chunk.doubtful for chunk in chunks):
                index.refresh()
                index.reconcile()
            sessions = sessions_under_way(chunks)
            problems = collect(client, ledger, chunks, on_progress)
            end_sessions(client, ledger, sessions)
        return [_with_problem(row, problems.get(row.chunk or "")) for row in rows_of(ledger)]


def cancel(job_ids: Iterable[str], connection: IonQConnection) -> list[str]:
    """Cancel jobs at the server and return one line per job. A job that has ended stays as it is."""
    client = _client(connection)
    lines = []
    for job_id in job_ids:
        try:
            answer = client.cancel_job(job_id)
        except IonQError as error:
            lines.append(f"{job_id}: not canceled: {error}")
        else:
            lines.append(f"{job_id}: {answer.get('status', 'canceled')}")
    return lines


def cancel_ledger(folder: Path, connection: IonQConnection) -> list[str]:
    """Cancel every job of the ledger that is under way, and every duplicate. End their sessions.

    A process that waits for them, or `wait`, records it.
    """
    chunks = [c for c in _open(folder).chunks.values() if c.state == "submitted" or c.duplicates]
    _check_server(chunks, connection)
    jobs = [str(c.job_id) for c in chunks if c.state == "submitted"] + [
        job for c in chunks for job in c.duplicates
    ]
    lines = cancel(jobs, connection) if jobs else []
    for session in sorted(sessions_under_way(chunks)):
        from qllmft_backends.remote.ionq.sessions import end_session

        if end_session(_client(connection), session):
            lines.append(f"session {session}: ended")
    return lines


def _open(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    if not ledger.path.exists():
        raise IonQRequestError(
            f"{ledger.folder} holds no ledger (no {ledger.path.name} in it). Name a run's ledger."
        )
    ledger.refresh()
    return ledger


def _check_server(chunks: Iterable[Chunk], connection: IonQConnection) -> None:
    """Refuse chunks of another server than that of the options: the key goes to no server that a file names."""
    for chunk in chunks:
        if chunk.setup.url != connection.address():
            raise IonQRequestError(
                f"{chunk.label} was sent to {chunk.setup.url}, and the options name {connection.address()}. "
                "Name that server: option url, or the environment variable QISKIT_IONQ_API_URL."
            )


def _client(connection: IonQConnection) -> Client:
    try:
        from qllmft_backends.remote.ionq.client import Client
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"IonQ's jobs need the package {error.name!r}, which is not installed: pip install 'qllmft[ionq]'."
        ) from error
    return Client(connection)


def _rows_with_server_states(ledger: Ledger, connection: IonQConnection) -> list[Job]:
    chunks = {
        c.id: c
        for c in ledger.chunks.values()
        if c.state in UNDER_WAY or (c.attempts and c.doubtful)
    }
    if not chunks:
        return rows_of(ledger)
    _check_server(chunks.values(), connection)
    client = _client(connection)
    index = JobIndex(client, ledger)
    index.refresh()
    rows = []
    for row in rows_of(ledger):
        chunk = chunks.get(row.chunk or "")
        if chunk is None or row.state == "duplicate":
            rows.append(row)
            continue
        listed = index.find(chunk.tokens)
        own = chunk.job_id or (listed[0].job_id if listed else None)
        states = {job.job_id: job.status for job in listed}
        if own is not None and row.state in ("planned", *UNDER_WAY):
            row = replace(row, job_id=own, **_server_state(client, own, states.get(own)))
        rows.append(row)
        late = [
            job
            for job in listed
            if job.job_id not in (own, *chunk.duplicates) and job.status not in ENDED_FREE
        ]
        rows += [duplicate_of(row, chunk, job.job_id) for job in late]
    return rows


def _server_state(client: Client, job_id: str, listed: str | None) -> dict[str, Any]:
    if listed is not None:
        return {"state": listed}
    try:
        return {"state": str(client.job(job_id).get("status"))}
    except IonQError as error:
        if error.status != NOT_FOUND:
            raise
        return {"state": "missing", "note": str(error)}


def _with_problem(row: Job, problem: IonQError | None) -> Job:
    if problem is None or row.state != "submitted":
        return row
    return replace(
        row, state="missing" if problem.status == NOT_FOUND else row.state, note=str(problem)
    )


def _from_server(job: dict[str, Any], url: str) -> Job:
    failure, shots, submitted_at = job.get("failure"), job.get("shots"), job.get("submitted_at")
    circuits = mapping(job.get("stats")).get("circuits")
    reason = (
        failure.get("message") or failure.get("error") if isinstance(failure, dict) else failure
    )
    return Job(
        job_id=str(job.get("id")),
        state=str(job.get("status")),
        backend=str(job.get("backend")),
        circuits=circuits if isinstance(circuits, int) and circuits > 0 else 1,
        shots=shots if isinstance(shots, int) else None,
        url=url,
        submitted_at=submitted_at if isinstance(submitted_at, str) else None,
        note=str(reason or ""),
    )
