"""Jobs of a ledger as people see them: rows of a list, their total, and those that Ctrl-C leaves behind."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qllmft_backends.protocol import MOCK_UNIT
from qllmft_base.text import format_count
from qllmft_machines.cost import amount_text, number_text
from qllmft_machines.ledger.chunk import (
    OBJECT_PREFIX,
    PROVIDERS_URL,
    UNDER_WAY_STATES,
    Chunk,
)
from qllmft_machines.ledger.ledger import Ledger

UNCHARGED_STATES = ("failed", "canceled")  # not charged by IonQ
_CHUNK_FIELDS = (  # fields of a row that are those of its chunk
    *("job_id", "state", "known_circuits", "cost", "unit"),
    *("one_qubit_gates", "two_qubit_gates", "kwh", "billed_us", "machine_kw"),
)


@dataclass(frozen=True)
class Job:
    """Job in a list for people.

    Attributes:
        job_id: the server's id; None: never accepted, or not known yet.
        state: from the ledger (planned, sent, submitted, collected, failed, duplicate: see `Ledger`), or from the
            server (submitted, ready, started, completed, failed, canceled; missing: it does not list the job).
        backend: the API's name of the machine.
        circuits: number, without those of ``known_circuits``.
        shots: measurements of one circuit.
        chunk: name in the ledger; None: listed by the server.
        url: address of the server.
        submitted_at: ISO time; None if unknown.
        note: reason of a failure, or a remedy.
        price: estimate for all its circuits, in ``unit``; 0 if it failed without results and is not charged; None if
            unknown.
        cost: the server's charge, in ``unit``; None: not reported, or not yet.
        unit: unit of price and cost.
        known_circuits: circuits with a known answer that go first in the job: 0 or 1.
        qubits, one_qubit_gates, two_qubit_gates: of one circuit as sent; None if unknown.
        kwh, billed_us, machine_kw: measured by the server, see `Chunk`; None: not reported.
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
    qubits: int | None = None
    one_qubit_gates: int | None = None
    two_qubit_gates: int | None = None
    kwh: float | None = None
    billed_us: float | None = None
    machine_kw: float | None = None

    @property
    def amount_text(self) -> str:
        """Return the charge, or the estimate after a tilde, without its unit; "" if both are unknown."""
        if self.cost is not None:
            return number_text(self.cost)
        return "" if self.price is None else f"{'~' * bool(self.price)}{number_text(self.price)}"

    @property
    def mock(self) -> bool:
        """Return whether the server is the mock server, known from its unit."""
        return self.unit == MOCK_UNIT

    @property
    def machine(self) -> str:
        """Return the name of the machine, with a mark if the mock server simulates it."""
        return f"{self.backend} (mock server)" if self.mock else self.backend

    @property
    def circuits_text(self) -> str:
        """Return the number of circuits, with that of a known answer after a plus."""
        return f"{self.circuits:,}" + (f"+{self.known_circuits}" if self.known_circuits else "")


@dataclass(frozen=True)
class Total:
    """Sum of the prices of jobs. Jobs that were never accepted cost nothing, nor do those that end without results.

    A failed job is charged if some of its circuits have results, or if its provider may charge it: it has a price then.

    Attributes:
        jobs: number of jobs that cost something, or are free.
        circuits: their circuits.
        charged: by unit, the server's charges.
        estimated: by unit, the estimates for jobs without a charge yet.
        unknown: number of jobs without either.
        unanswered: number of jobs that were sent without an answer; the others are the server's.
        checks: number of check circuits in the jobs, whose answers are known.
    """

    jobs: int
    circuits: int
    charged: dict[str, float]
    estimated: dict[str, float]
    unknown: int
    unanswered: int = 0
    checks: int = 0

    def __str__(self) -> str:
        parts = [f"{amount_text(amount, unit)} charged" for unit, amount in self.charged.items()]
        parts += [
            f"{amount_text(amount, unit)} estimated" for unit, amount in self.estimated.items()
        ]
        parts += [f"{self.unknown} without a price"] if self.unknown else []
        counts = f"{format_count(self.jobs, 'job')}, {format_count(self.circuits, 'circuit')}"
        if self.checks:
            counts += f" and {format_count(self.checks, 'check circuit')}"
        text = f"{counts}: {', '.join(parts) or 'free'}"
        if self.unanswered:
            text += f". {format_count(self.unanswered, 'job', ('has', 'have'))} no answer yet"
        return text


def job_total(jobs: Iterable[Job]) -> Total:
    """Return the sum of the prices of ``jobs``."""
    rows = [
        job
        for job in jobs
        if job.state != "planned" and (job.state not in UNCHARGED_STATES or job.cost or job.price)
    ]
    total = Total(len(rows), sum(job.circuits for job in rows), {}, {}, 0)
    for job in rows:
        amount = job.price if job.cost is None else job.cost
        unit = job.unit or ""
        sums = total.estimated if job.cost is None else total.charged
        if amount:
            sums[unit] = sums.get(unit, 0.0) + amount
    return replace(
        total,
        unknown=sum(job.cost is None and job.price is None for job in rows),
        unanswered=sum(job.state == "sent" for job in rows),
        checks=sum(job.known_circuits for job in rows),
    )


class JobsInterrupt(KeyboardInterrupt):
    """Ctrl-C while jobs are under way. Its text lists them with their prices and the commands that collect them."""

    def __init__(self, jobs: Sequence[Job], folder: Path) -> None:
        self.jobs = list(jobs)
        self.folder = folder
        verbs = ("continues at the server, and is paid", "continue at the server, and are paid")
        lines = [f"interrupted. {format_count(len(self.jobs), 'job', verbs)}:"]
        for job in self.jobs:
            name = job.job_id
            price = "price unknown"
            if name is None:
                name = f"chunk {job.chunk} (perhaps accepted: the server is asked by the next call)"
            if job.price is not None:
                price = f"about {amount_text(job.price, job.unit)}"
            lines.append(f"  {name}: {format_count(job.circuits, 'circuit')}, {price}")
        path = shlex.quote(str(folder))
        if any(job.backend.startswith(OBJECT_PREFIX) for job in self.jobs):
            lines.append("collect them: the same call with the same object of Python")
        else:
            lines += [
                f"collect them: qllmft jobs wait --ledger {path}",
                f"stop them: qllmft jobs cancel --ledger {path}",
            ]
        super().__init__("\n".join(lines))


def unfinished_jobs(ledger: Ledger) -> list[Job]:
    """Return the jobs of ``ledger`` that were sent and have not ended as far as it is known."""
    return [row for row in job_rows(ledger) if row.state in UNDER_WAY_STATES]


def job_rows(ledger: Ledger) -> list[Job]:
    """Return the jobs of a ledger, each followed by its duplicates."""
    rows = []
    for chunk in ledger.chunks.values():
        row = Job(
            backend=chunk.setup.backend,
            circuits=len(chunk.values),
            shots=chunk.setup.shots,
            chunk=chunk.id,
            url=chunk.setup.url,
            note=". ".join(filter(None, (chunk.failure, chunk.integrity_error))),
            price=chunk.price if chunk.state == "failed" else _job_price(chunk),
            qubits=chunk.setup.n_qubits,
            **{name: getattr(chunk, name) for name in _CHUNK_FIELDS},
        )
        rows += [row, *(duplicate_row(row, chunk, job_id) for job_id in chunk.duplicates)]
    return rows


def duplicate_row(row: Job, chunk: Chunk, job_id: str) -> Job:
    """Return a row for a second job of a chunk."""
    note = duplicate_text(chunk, job_id)
    row = replace(row, cost=None, kwh=None, billed_us=None)
    return replace(row, job_id=job_id, state="duplicate", note=note, price=_job_price(chunk))


def _job_price(chunk: Chunk) -> float | None:
    """Return the estimated price of one job of a chunk, or None if unknown."""
    return 0.0 if chunk.setup.free else chunk.estimated_price


def duplicate_text(chunk: Chunk, job_id: str) -> str:
    """Return a note about a duplicate, with the command that cancels it."""
    price = (
        ""
        if chunk.estimated_price is None
        else f", about {amount_text(chunk.estimated_price, chunk.unit)}"
    )
    cancel = (
        "cancel it with the provider's own tools"
        if chunk.setup.url == PROVIDERS_URL
        else f"qllmft jobs cancel --job {job_id}, or in Python "
        f"`qllmft_machines.cancel([{job_id!r}], IonQConnection())`"
    )
    return (
        f"job {job_id} holds the {chunk.circuits} circuits of {chunk.label} again: the server accepted a request "
        f"late. Both are paid{price} each, unless it is canceled before it runs: {cancel}."
    )
