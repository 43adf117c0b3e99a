"""Route to the machines of one provider: how jobs are sent, found, described and read there."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from qllmft_machines.batch import Circuits, Template
from qllmft_machines.errors import DuplicateJobWarning
from qllmft_machines.ledger.chunk import Chunk, Setup, sessions_under_way
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import Probabilities
from qllmft_machines.options import DeadlineMixin, Waits
from qllmft_machines.rows import UNCHARGED_STATES, duplicate_text


@dataclass(frozen=True)
class ListedJob:
    """Job in the server's list: id, client token or its beginning, ledger (None: unknown), and status."""

    job_id: str
    token: str
    ledger: str | None
    status: str


@dataclass(frozen=True)
class RemoteJob:
    """Job as the server describes it.

    Attributes:
        status: in the server's words.
        ended: whether it has ended, well or badly.
        completed: whether it has ended well.
        reason: why it failed; else "".
        token: client token or its beginning; None: the job carries none.
        content: the server's description.
    """

    status: str
    ended: bool
    completed: bool
    reason: str
    token: str | None
    content: Any


class JobIndex:
    """Jobs of a ledger at the server, by client token. Of this base no job is found: a provider without a search.

    It is read before every new sending and after every answer other than a plain acceptance: a job may have been
    accepted although no answer confirmed it, or long after the request timed out.

    Attributes:
        searches: whether the server can be asked for jobs by their tokens.
    """

    searches = False

    def __init__(self, route: Route, ledger: Ledger) -> None:
        self.route = route
        self.ledger = ledger

    def refresh(self, *, complete: bool = False) -> None:
        """Ask the server, or raise `RemoteError`. Before a second sending the answer has to be ``complete``."""

    def with_tokens(self, tokens: Iterable[str]) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens``."""
        del tokens
        return []

    def check_orphans(self, planned_tokens: Iterable[str]) -> None:
        """Raise `LedgerError` if jobs of this ledger are neither in it nor ``planned_tokens`` (tokens)."""

    def find(
        self, tokens: Iterable[str], known_job_ids: Iterable[str | None] = ()
    ) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens``, without ``known_job_ids``. Uncharged ones come last."""
        excluded_job_ids = set(known_job_ids)
        matching_jobs = [
            job for job in self.with_tokens(tokens) if job.job_id not in excluded_job_ids
        ]
        return sorted(matching_jobs, key=lambda job: job.status in UNCHARGED_STATES)

    def chunks_to_reconcile(self) -> list[Chunk]:
        """Return the chunks for which the server may hold a job that the ledger lacks."""
        return list(self.ledger.chunks.values())

    def reconcile(self) -> bool:
        """Record the jobs that the server has and the ledger lacks, and return whether a chunk was adopted.

        A chunk that counted as never accepted becomes submitted. A second job of a chunk becomes a duplicate, with a
        `DuplicateJobWarning`.
        """
        has_adopted = False
        for chunk in self.chunks_to_reconcile():
            unrecorded_jobs = self.find(chunk.tokens, [chunk.job_id, *chunk.duplicates])
            if unrecorded_jobs and chunk.job_id is None:
                self.adopt(chunk, unrecorded_jobs.pop(0))
                has_adopted = True
            for job in self.find(chunk.tokens):
                if job.job_id in chunk.duplicates and job.status in UNCHARGED_STATES:
                    self.ledger.record("duplicate", chunk.id, job_id=job.job_id, charged=False)
            for job in unrecorded_jobs:
                if job.status not in UNCHARGED_STATES:
                    self.ledger.record("duplicate", chunk.id, job_id=job.job_id, charged=True)
                    warnings.warn(
                        duplicate_text(chunk, job.job_id), DuplicateJobWarning, stacklevel=2
                    )
        return has_adopted

    def adopt(self, chunk: Chunk, job: ListedJob) -> None:
        """Record ``job``, which carries a token of the chunk, as the chunk's.

        If the server answered another chunk with the id of this job, that chunk gets the job with its own token first.
        """
        holder = self.ledger.find_holder(job.job_id)
        if holder is not None and holder is not chunk and holder.state == "submitted":
            holder_job = next(iter(self.find(holder.tokens, [job.job_id])), None)
            if (
                holder_job is not None and holder_job.job_id in holder.duplicates
            ):  # it counted as one before
                self.ledger.record("duplicate", holder.id, job_id=holder_job.job_id, charged=False)
            if holder_job is not None and self.ledger.find_holder(holder_job.job_id) is None:
                self._record(holder, holder_job)
        self._record(chunk, job)

    def _record(self, chunk: Chunk, job: ListedJob) -> None:
        token = next(token for token in chunk.tokens if token.startswith(job.token))
        mock = self.route.is_mock
        self.ledger.record_submission(
            chunk, job.job_id, token, found_by="client token", sandbox=mock
        )


class Route(DeadlineMixin, ABC):
    """Route to the machines of one provider. Reads are repeated until the deadline of `until`.

    Attributes:
        waits: limits on waiting.
        name: of the machine or its server, for messages.
        packages: whose versions are recorded.
        carries_tokens: whether descriptions of jobs have the client token.
        resends_doubtful: without a search, whether doubtful jobs are sent again.
    """

    waits: Waits
    name: str
    packages: tuple[str, ...] = ("qiskit",)
    carries_tokens: bool = False
    resends_doubtful: bool = False

    @property
    def is_mock(self) -> bool:
        """Return whether the server is the mock server, which charges nothing."""
        return False

    def index(self, ledger: Ledger) -> JobIndex:
        """Return the jobs of a ledger at the server."""
        return JobIndex(self, ledger)

    @abstractmethod
    def price(self, setup: Setup, template: Template) -> dict[str, Any]:
        """Return the price of one circuit as fields of `CostEstimate`, ``price_each`` among them."""

    @abstractmethod
    def send(
        self, circuits: Circuits, setup: Setup, token: str, ledger: str, session: str | None
    ) -> str:
        """Send bound, measured circuits as one job, once, and return the job's id.

        Args:
            circuits: in the job's order.
            setup: settings that they share.
            token: client token of the job.
            ledger: name of the ledger.
            session: id of the session to send it in; None: without one.

        Raises:
            RemoteError: ``unsent``, ``ambiguous`` and ``transient`` say what may have become of the job.
        """

    @abstractmethod
    def describe(self, job_id: str) -> RemoteJob:
        """Return a job as the server describes it, or raise `RemoteError`."""

    @abstractmethod
    def read_results(self, chunk: Chunk, job: RemoteJob) -> Sequence[Probabilities | None]:
        """Return the results of a job that has ended in the order of its circuits; None: a circuit has none."""

    @abstractmethod
    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status."""

    def check(self, setup: Setup) -> None:
        """Raise `RemoteRequestError` if the machine cannot run circuits of ``setup``."""
        del setup

    def charges(self, chunk: Chunk, job: RemoteJob) -> dict[str, Any]:
        """Return charges and measurements of a completed job as fields of its record."""
        del chunk, job
        return {}

    def server_time(self) -> float | None:
        """Return the time by the server's clock, in seconds since 1970, or None if unknown."""
        return None

    def open_session(self, backend: str, unit: str | None) -> str | None:
        """Open a session for jobs on ``backend``, capped in ``unit``, and return its id, or None without one.

        It stays open as long as a job is under way in it, see `end_sessions`.
        """
        del backend, unit
        return None

    def end_session(self, session: str) -> bool:
        """End a session, also with jobs under way, and return whether the server did."""
        del session
        return False

    def end_sessions(self, ledger: Ledger, sessions: Iterable[str | None]) -> None:
        """End each of ``sessions`` (ids. None is passed over) in which no job is under way."""
        running = sessions_under_way(ledger.chunks.values())
        for session in sorted({s for s in sessions if s} - running):
            self.end_session(session)
