"""Jobs, from a ledger and from the server: list, wait, cancel. What `qllmft jobs` shows and does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft_backends.errors import MissingExtraError
from qllmft_backends.ionq.errors import IonQError, IonQRequestError
from qllmft_backends.ionq.ledger import Chunk, Ledger
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.roster import duplicate_text

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client
    from qllmft_backends.ionq.collector import Progress


@dataclass(frozen=True)
class Job:
    """A job, for people.

    Attributes:
        job_id: the server's id; None: never accepted, or not known yet.
        state: of the ledger (planned, sent, submitted, collected, failed), or of the server (submitted, ready, started,
            completed, failed, canceled).
        backend: the API's name of the machine.
        circuits: number.
        shots: of one circuit.
        chunk: name in the ledger; None: listed by the server.
        url: address of the server.
        submitted_at: ISO; None: unknown.
        note: why it failed.
    """

    job_id: str | None
    state: str
    backend: str
    circuits: int
    shots: int | None
    chunk: str | None = None
    url: str | None = None
    submitted_at: str | None = None
    note: str = ""


def ledger_jobs(folder: Path) -> list[Job]:
    """The jobs of the ledger in ``folder``, oldest first; from the disk alone, also while another process writes.

    Raises:
        LedgerError: where the ledger cannot be read.
        IonQRequestError: where ``folder`` holds none.
    """
    return _rows(_open(folder))


def server_jobs(connection: IonQConnection, backend: str | None = None, limit: int = 25) -> list[Job]:
    """The jobs that the server lists for this key's project, whoever sent them.

    Args:
        connection: address, key and patience.
        backend: the API's name, ``simulator`` or ``qpu.forte-1``; None: all.
        limit: at most so many.
    """
    client = _client(connection)
    return [_from_server(job, connection.address()) for job in client.jobs(backend, limit)]


def wait(folder: Path, connection: IonQConnection, progress: Progress | None = None) -> list[Job]:
    """Collect every job of the ledger that is under way into the ledger; settle the doubtful ones. Nothing is sent.

    Raises:
        IonQTimeoutError: at ``connection.deadline_s``; what ended before is in the ledger.
        IonQError: see `qllmft_backends.ionq.errors`.
    """
    ledger = _open(folder)
    with ledger.lock():
        chunks = [c for c in ledger.chunks.values() if c.state in ("sent", "submitted")]
        _check_server(chunks, connection)
        if chunks:
            from qllmft_backends.ionq.collector import collect
            from qllmft_backends.ionq.roster import Roster
            from qllmft_backends.ionq.sender import settle

            client = _client(connection)
            for chunk in chunks:
                if chunk.state == "sent":
                    roster = Roster(client, ledger, chunk.setup.backend)
                    settle(ledger, roster, chunk, connection, connection.settle_s)
            collect(client, ledger, chunks, connection, progress)
        return _rows(ledger)


def cancel(job_ids: Iterable[str], connection: IonQConnection) -> list[str]:
    """Cancel jobs at the server; one line a job about what happened. A job that has ended stays as it is."""
    client = _client(connection)
    told = []
    for job_id in job_ids:
        try:
            answer = client.cancel_job(job_id)
        except IonQError as error:
            told.append(f"{job_id}: not canceled: {error}")
        else:
            told.append(f"{job_id}: {answer.get('status', 'canceled')}")
    return told


def cancel_ledger(folder: Path, connection: IonQConnection) -> list[str]:
    """Cancel every job of the ledger that is under way. A process that waits for them, or `wait`, records it."""
    chunks = [c for c in _open(folder).chunks.values() if c.state == "submitted"]
    _check_server(chunks, connection)
    return cancel([str(c.job_id) for c in chunks], connection) if chunks else []


def _open(folder: Path) -> Ledger:
    ledger = Ledger(folder)
    if not ledger.path.exists():
        raise IonQRequestError(f"{ledger.folder} holds no ledger (no {ledger.path.name} in it). Name a run's ledger.")
    ledger.refresh()
    return ledger


def _check_server(chunks: Iterable[Chunk], connection: IonQConnection) -> None:
    """The key goes to the server that the options name, never to one that a file names."""
    for chunk in chunks:
        if chunk.setup.url != connection.address():
            raise IonQRequestError(
                f"{chunk.label} was sent to {chunk.setup.url}, and the options name {connection.address()}. "
                "Name that server: option url, or the environment variable QISKIT_IONQ_API_URL."
            )


def _client(connection: IonQConnection) -> Client:
    try:
        from qllmft_backends.ionq.client import Client
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"IonQ's jobs need the package {error.name!r}, which is not installed: pip install 'qllmft[ionq]'."
        ) from error
    return Client(connection)


def _rows(ledger: Ledger) -> list[Job]:
    """A job a chunk, and one for each duplicate."""
    rows = []
    for chunk in ledger.chunks.values():
        row = Job(
            job_id=chunk.job_id,
            state=chunk.state,
            backend=chunk.setup.backend,
            circuits=len(chunk.values),
            shots=chunk.setup.shots,
            chunk=chunk.id,
            url=chunk.setup.url,
            note=chunk.failure or "",
        )
        rows.append(row)
        rows += [
            replace(row, job_id=job, state="duplicate", note=duplicate_text(chunk, job)) for job in chunk.duplicates
        ]
    return rows


def _from_server(job: dict[str, Any], url: str) -> Job:
    failure = job.get("failure") or {}
    return Job(
        job_id=str(job.get("id")),
        state=str(job.get("status")),
        backend=str(job.get("backend")),
        circuits=int((job.get("stats") or {}).get("circuits") or 1),
        shots=job.get("shots"),
        url=url,
        submitted_at=job.get("submitted_at"),
        note=str(failure.get("message") or failure.get("error") or ""),
    )
