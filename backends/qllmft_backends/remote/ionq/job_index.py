"""Index of the server's jobs by client token.

It is read before every new sending and after every answer other than a plain acceptance: a job may have been accepted
although no answer confirmed it, or long after the request timed out.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qllmft_backends.errors import LedgerError
from qllmft_backends.remote.ionq.cost import amount_text
from qllmft_backends.remote.ionq.errors import DuplicateJobWarning, IonQError, IonQTransientError
from qllmft_backends.remote.ledger.chunk import Chunk
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import mapping

if TYPE_CHECKING:
    from qllmft_backends.remote.ionq.client import Client

TOKEN_IN_NAME = 12  # characters of the client token in a job's name
_SERVER_CLOCKS_S = 600.0  # possible difference between the clocks of the server's own machines
ENDED_FREE = ("failed", "canceled")  # not charged by IonQ


@dataclass(frozen=True)
class ListedJob:
    """Job in the server's list: id, client token or its beginning, ledger (None: unknown), and status."""

    job_id: str
    token: str
    ledger: str | None
    status: str


class JobIndex:
    """Jobs of the server that carry client tokens, by token.

    All times are the server's: this machine's clock may be wrong. The API does not state the order of its list. If the
    jobs seen so far run from new to old, reading stops at a job that was submitted before anything could have been
    missed; otherwise it continues to the end.
    """

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self.client, self.ledger = client, ledger
        # by the token's beginning
        self._by_token: dict[str, dict[str, ListedJob]] = defaultdict(dict)
        self._read_at: float | None = None  # server's time of the last complete reading

    def refresh(self, *, complete: bool = False) -> None:
        """Read the list, or raise `IonQError` if the server cannot be asked.

        If it is not ``complete``, reading stops as described above. Before a second POST it has to be complete: the
        times in the list may differ from the server's clock.
        """
        began, bound = self.server_time(), None if complete else self._bound()
        newest_first, last = True, float("inf")
        for job in self.client.jobs():
            self._add(job)
            at = _timestamp(job.get("submitted_at"))
            newest_first = newest_first and at is not None and at <= last
            if at is not None:
                last = at
                if newest_first and bound is not None and at < bound - _SERVER_CLOCKS_S:
                    break
        self._read_at = began

    def server_time(self) -> float | None:
        """Return the time by the server's clock (see `Transport.server_time`)."""
        return self.client.transport.server_time()

    def find(self, tokens: Iterable[str], known: Iterable[str | None] = ()) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens`` except for the ids in ``known``. Uncharged ones come last."""
        excluded = set(known)
        found = [
            job
            for token in tokens
            for job in self._by_token.get(token[:TOKEN_IN_NAME], {}).values()
            if job.job_id not in excluded and token.startswith(job.token)
        ]
        return sorted(found, key=lambda job: job.status in ENDED_FREE)

    def reconcile(self) -> bool:
        """Record the jobs that the list has and the ledger lacks, and return whether a chunk was adopted.

        A chunk that counted as never accepted becomes submitted. A second job of a chunk becomes a duplicate, with a
        `DuplicateJobWarning`.
        """
        adopted = False
        for chunk in list(self.ledger.chunks.values()):
            found = self.find(chunk.tokens, [chunk.job_id, *chunk.duplicates])
            if found and chunk.job_id is None:
                self.adopt(chunk, found.pop(0))
                adopted = True
            for job in self.find(chunk.tokens):
                if job.job_id in chunk.duplicates and job.status in ENDED_FREE:
                    self.ledger.duplicate(chunk, job.job_id, charged=False)
            for job in found:
                if job.status not in ENDED_FREE:
                    self.ledger.duplicate(chunk, job.job_id)
                    warnings.warn(
                        duplicate_text(chunk, job.job_id), DuplicateJobWarning, stacklevel=2
                    )
        return adopted

    def warn_of_duplicates(self) -> None:
        """Read the list and record duplicates. If the server cannot be asked, warn of that instead."""
        try:
            self.refresh()
        except IonQError as error:  # the results are in the ledger all the same
            warnings.warn(
                f"not looked for jobs that were accepted late: {error}",
                DuplicateJobWarning,
                stacklevel=5,
            )
        else:
            self.reconcile()

    def adopt(self, chunk: Chunk, job: ListedJob) -> None:
        """Record ``job`` as the chunk's."""
        mock = self.client.transport.mock_server
        token = next(token for token in chunk.tokens if token.startswith(job.token))
        self.ledger.submitted(chunk, job.job_id, token, found_by="client token", sandbox=mock)

    def check_orphans(self, planned: Iterable[str]) -> None:
        """Refuse to send while the server holds jobs of this ledger that are neither in it nor ``planned`` (tokens)."""
        known = set(planned).union(*(chunk.tokens for chunk in self.ledger.chunks.values()))
        orphans = [
            job.job_id
            for jobs in self._by_token.values()
            for job in jobs.values()
            if job.token not in known
            and job.ledger == self.ledger.identity.id
            and job.status not in ENDED_FREE
        ]
        if orphans:
            raise LedgerError(
                f"the server holds {len(orphans)} job(s) of the ledger {self.ledger.folder} that are not in it: "
                f"{', '.join(orphans[:5])}{', ...' if len(orphans) > 5 else ''}. Their circuits may be those of this "
                "call, and would be paid again: nothing was sent. Restore ledger.jsonl; make the calls that sent them "
                "again, each as it was (if jobs had a circuit with a known answer, with known_answer_shots): they are "
                "found. Or start another ledger in another folder (which pays anew)."
            )

    def _bound(self) -> float | None:
        """Return the earliest possible time of a job that was not seen, by the server's clock, or None if unknown."""
        chunks = self.ledger.chunks.values()
        if self._read_at is None:
            return self.ledger.identity.created_at
        doubtful = [
            a.server_at
            for chunk in chunks
            if chunk.doubtful or not chunk.job_id
            for a in chunk.attempts
        ]
        times = [self._read_at, *doubtful]
        return None if None in times else min(t for t in times if t is not None)

    def _add(self, job: dict[str, Any]) -> None:
        if not {"metadata", "name"} & job.keys():
            raise IonQTransientError(
                f"the server lists job {job['id']} without metadata and name, so that jobs of this ledger cannot be "
                "recognised. Nothing was sent. Run again later."
            )
        token, ledger = token_of(job), mapping(job.get("metadata")).get("ledger")
        if token is not None:
            listed = ListedJob(
                job["id"],
                token,
                ledger if isinstance(ledger, str) else None,
                str(job.get("status")),
            )
            self._by_token[token[:TOKEN_IN_NAME]][job["id"]] = listed


def token_of(job: Mapping[str, Any]) -> str | None:
    """Return the client token in a job's metadata, or its beginning in the job's name, or None."""
    token = mapping(job.get("metadata")).get("client_token")
    if isinstance(token, str) and len(token) >= TOKEN_IN_NAME:
        return token
    found = re.fullmatch(rf"qllmft ([0-9a-f]{{{TOKEN_IN_NAME}}})", str(job.get("name")))
    return found[1] if found and token is None else None


def duplicate_text(chunk: Chunk, job_id: str) -> str:
    """Return a note about a duplicate, with the command that cancels it."""
    price = "" if chunk.estimate is None else f", about {amount_text(chunk.estimate, chunk.unit)}"
    return (
        f"job {job_id} holds the {chunk.circuits} circuits of {chunk.label} again: the server accepted a request "
        f"late. Both are paid{price} each, unless it is canceled before it runs: qllmft jobs cancel --job "
        f"{job_id}; in Python `qllmft_backends.remote.ionq.cancel([{job_id!r}], IonQConnection())`."
    )


def _timestamp(text: Any) -> float | None:
    """Return an ISO time in seconds since 1970, or None if it cannot be read."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
