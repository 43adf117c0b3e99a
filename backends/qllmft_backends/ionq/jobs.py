"""Jobs, from a ledger and from the server: list, wait, cancel. What `qllmft jobs` shows and does."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qllmft_backends.errors import MissingExtraError
from qllmft_backends.ionq.errors import IonQError, IonQRequestError
from qllmft_backends.ionq.ledger import Chunk, Ledger
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.roster import ENDED_FREE, Roster, duplicate_text

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client
    from qllmft_backends.ionq.collector import Progress

_NOT_FOUND = 404


@dataclass(frozen=True)
class Job:
    """A job, for people.

    Attributes:
        job_id: the server's id; None: never accepted, or not known yet.
        state: of the ledger (planned, sent, submitted, collected, failed, duplicate: see `Ledger`), or of the server
            (submitted, ready, started, completed, failed, canceled; missing: it does not know the job).
        backend: the API's name of the machine.
        circuits: number, without those of ``known_circuits``.
        shots: of one circuit.
        chunk: name in the ledger; None: listed by the server.
        url: address of the server.
        submitted_at: ISO; None: unknown.
        note: why it failed, or what to do about it.
        price: the estimate of all its circuits, in ``unit``; None: unknown.
        cost: what the server charged, in ``unit``; None: not told, or not yet.
        unit: of price and cost.
        known_circuits: circuits with a known answer that go first in the job: 0 or 1.
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
    price: float | None = None
    cost: float | None = None
    unit: str | None = None
    known_circuits: int = 0


@dataclass(frozen=True)
class Total:
    """What jobs cost together. Those that were never accepted, failed or were canceled cost nothing.

    Attributes:
        jobs: that cost something, or nothing because they are free.
        circuits: of these.
        charged: by unit, what the server charged.
        estimated: by unit, the estimates of those that it has not charged yet.
        unknown: jobs without either.
    """

    jobs: int
    circuits: int
    charged: dict[str, float]
    estimated: dict[str, float]
    unknown: int

    def __str__(self) -> str:
        told = [f"{amount:.2f} {unit}".rstrip() + " charged" for unit, amount in self.charged.items()]
        told += [f"{amount:.2f} {unit}".rstrip() + " estimated" for unit, amount in self.estimated.items()]
        told += [f"{self.unknown} without a price"] if self.unknown else []
        return f"{self.jobs} jobs, {self.circuits} circuits: {', '.join(told) or 'free'}"


def job_total(jobs: Iterable[Job]) -> Total:
    """What ``jobs`` cost together."""
    rows = [job for job in jobs if job.state not in ("planned", "sent", *ENDED_FREE) or job.cost]
    charged: Counter[str] = Counter()
    estimated: Counter[str] = Counter()
    for job in rows:
        if job.cost:
            charged[job.unit or ""] += job.cost  # type: ignore[assignment]
        elif job.cost is None and job.price:
            estimated[job.unit or ""] += job.price  # type: ignore[assignment]
    unknown = sum(job.cost is None and job.price is None for job in rows)
    return Total(len(rows), sum(job.circuits for job in rows), dict(charged), dict(estimated), unknown)


class JobsInterrupt(KeyboardInterrupt):
    """Ctrl-C while jobs are under way. Its text says which, what they cost, and how to collect them.

    Attributes:
        jobs: that are under way, or may be.
        folder: of the ledger.
    """

    def __init__(self, jobs: Sequence[Job], folder: Path) -> None:
        self.jobs, self.folder = list(jobs), folder
        lines = [f"interrupted. {len(self.jobs)} job(s) go on at the server, and are paid:"]
        for job in self.jobs:
            price = f", about {job.price:.2f} {job.unit or ''}".rstrip() if job.price is not None else ", price unknown"
            name = job.job_id or f"chunk {job.chunk} (perhaps accepted: the server is asked by the next call)"
            lines.append(f"  {name}: {job.circuits} circuits{price}")
        where = shlex.quote(str(folder))
        lines += [f"collect them: qllmft jobs wait --ledger {where}", f"stop them: qllmft jobs cancel --ledger {where}"]
        super().__init__("\n".join(lines))


def under_way(ledger: Ledger) -> list[Job]:
    """The jobs of ``ledger`` that were sent and whose end it does not know."""
    return [row for row in _rows(ledger) if row.state in ("sent", "submitted")]


def jobs_under_way(folder: Path) -> list[Job]:
    """As `under_way`, from the disk; none where ``folder`` holds no ledger."""
    ledger = Ledger(folder)
    ledger.refresh()
    return under_way(ledger)


def ledger_jobs(folder: Path, ask: IonQConnection | None = None) -> list[Job]:
    """The jobs of the ledger in ``folder``, oldest first; also while another process writes.

    Args:
        folder: of the ledger.
        ask: where to ask for the states of jobs that are under way, and for jobs that were accepted late; nothing is
            written. None: from the disk alone.

    Raises:
        LedgerError: where the ledger cannot be read.
        IonQRequestError: where ``folder`` holds none.
        IonQError: where the server cannot be asked.
    """
    ledger = _open(folder)
    return _rows(ledger) if ask is None else _asked(ledger, ask)


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

    A job that the server does not know, or whose result cannot be read, stays in the list with a note; the others are
    collected. Jobs that were accepted late are looked for, and told by a `DuplicateJobWarning`.

    Raises:
        IonQTimeoutError: at ``connection.deadline_s``; what ended before is in the ledger.
        IonQError: see `qllmft_backends.ionq.errors`.
    """
    ledger = _open(folder)
    with ledger.lock():
        chunks = [c for c in ledger.chunks.values() if c.state in ("sent", "submitted") or c.doubtful]
        _check_server(chunks, connection)
        problems: dict[str, IonQError] = {}
        if chunks:
            from qllmft_backends.ionq.collector import collect
            from qllmft_backends.ionq.sender import settle
            from qllmft_backends.ionq.sessions import end_sessions

            client = _client(connection)
            rosters = _rosters(client, ledger, chunks)
            for chunk in chunks:
                if chunk.state == "sent":
                    settle(ledger, rosters[chunk.setup.backend], chunk, connection, connection.settle_s)
            for backend in {chunk.setup.backend for chunk in chunks if chunk.doubtful}:
                rosters[backend].refresh()
                rosters[backend].reconcile()
            sessions = {chunk.session for chunk in chunks if chunk.state == "submitted"}
            problems = collect(client, ledger, chunks, connection, progress)
            end_sessions(client, ledger, sessions)
        return [_with_problem(row, problems.get(row.chunk or "")) for row in _rows(ledger)]


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
    """Cancel every job of the ledger that is under way, and every duplicate; end their sessions.

    A process that waits for them, or `wait`, records it.
    """
    chunks = [c for c in _open(folder).chunks.values() if c.state == "submitted" or c.duplicates]
    _check_server(chunks, connection)
    jobs = [str(c.job_id) for c in chunks if c.state == "submitted"] + [job for c in chunks for job in c.duplicates]
    told = cancel(jobs, connection) if jobs else []
    for session in sorted({c.session for c in chunks if c.session and c.state == "submitted"}):
        from qllmft_backends.ionq.sessions import end_session

        if end_session(_client(connection), session):
            told.append(f"session {session}: ended")
    return told


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


def _rosters(client: Client, ledger: Ledger, chunks: Iterable[Chunk]) -> dict[str, Roster]:
    """A list of jobs for each machine of ``chunks``; none is read yet."""
    return {backend: Roster(client, ledger, backend) for backend in {chunk.setup.backend for chunk in chunks}}


def _rows(ledger: Ledger) -> list[Job]:
    """A job a chunk, and one for each duplicate."""
    rows = []
    for chunk in ledger.chunks.values():
        free = chunk.setup.backend == "simulator"
        row = Job(
            job_id=chunk.job_id,
            state=chunk.state,
            backend=chunk.setup.backend,
            circuits=len(chunk.values),
            shots=chunk.setup.shots,
            chunk=chunk.id,
            url=chunk.setup.url,
            known_circuits=chunk.known_circuits,
            note="; ".join(filter(None, (chunk.failure, chunk.suspicion))),
            price=0.0 if free else chunk.estimate,
            cost=chunk.cost,
            unit=chunk.unit,
        )
        rows += [row, *(_duplicate(row, chunk, job_id) for job_id in chunk.duplicates)]
    return rows


def _duplicate(row: Job, chunk: Chunk, job_id: str, state: str = "duplicate") -> Job:
    note = duplicate_text(chunk, job_id) if state == "duplicate" else ""
    return replace(row, job_id=job_id, state=state, note=note, cost=None)


def _asked(ledger: Ledger, connection: IonQConnection) -> list[Job]:
    """As `_rows`, with what the server says of jobs whose end the ledger does not know."""
    chunks = [c for c in ledger.chunks.values() if c.state in ("sent", "submitted") or (c.attempts and c.doubtful)]
    if not chunks:
        return _rows(ledger)
    _check_server(chunks, connection)
    client = _client(connection)
    rosters = _rosters(client, ledger, chunks)
    for roster in rosters.values():
        roster.refresh()
    asked, rows = {chunk.id for chunk in chunks}, []
    for row in _rows(ledger):
        if row.chunk not in asked or row.state == "duplicate":
            rows.append(row)
            continue
        chunk = ledger.chunks[row.chunk]
        listed = rosters[row.backend].find(chunk.tokens)
        mine = chunk.job_id or (listed[0].job_id if listed else None)
        states = {job.job_id: job.status for job in listed}
        if mine is not None and row.state in ("sent", "planned", "submitted"):
            row = replace(row, job_id=mine, **_state(client, mine, states.get(mine)))
        rows.append(row)
        late = [job for job in listed if job.job_id not in (mine, *chunk.duplicates) and job.status not in ENDED_FREE]
        rows += [_duplicate(row, chunk, job.job_id) for job in late]
    return rows


def _state(client: Client, job_id: str, listed: str | None) -> dict[str, Any]:
    """State and note of a job at the server: as ``listed``, else asked for."""
    if listed is not None:
        return {"state": listed}
    try:
        return {"state": str(client.job(job_id).get("status"))}
    except IonQError as error:
        if error.status != _NOT_FOUND:
            raise
        return {"state": "missing", "note": str(error)}


def _with_problem(row: Job, problem: IonQError | None) -> Job:
    if problem is None or row.state != "submitted":
        return row
    return replace(row, state="missing" if problem.status == _NOT_FOUND else row.state, note=str(problem))


def _from_server(job: dict[str, Any], url: str) -> Job:
    failure, stats, shots = job.get("failure"), job.get("stats"), job.get("shots")
    circuits = stats.get("circuits") if isinstance(stats, dict) else None
    words = failure.get("message") or failure.get("error") if isinstance(failure, dict) else failure
    submitted_at = job.get("submitted_at")
    return Job(
        job_id=str(job.get("id")),
        state=str(job.get("status")),
        backend=str(job.get("backend")),
        circuits=circuits if isinstance(circuits, int) and circuits > 0 else 1,
        shots=shots if isinstance(shots, int) else None,
        url=url,
        submitted_at=submitted_at if isinstance(submitted_at, str) else None,
        note=str(words or ""),
    )
