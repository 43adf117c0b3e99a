"""The server's list of jobs, read for what this side needs to know: which jobs carry which client token.

Asked before every new sending and after every answer that is not a plain acceptance: a job may have been accepted
although no answer said so, or long after the request was given up.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from qllmft_backends.ionq.errors import DuplicateJobWarning, IonQError, LedgerError
from qllmft_backends.ionq.ledger import Chunk, Ledger

if TYPE_CHECKING:
    from qllmft_backends.ionq.client import Client

_SERVER_CLOCKS_S = 600.0  # by which the clocks of the server's own machines may differ
ENDED_FREE = ("failed", "canceled")  # not charged by IonQ


@dataclass(frozen=True)
class Listed:
    """A job of the list: its id, the ledger that sent it (None: another program), and its status."""

    job_id: str
    ledger: str | None
    status: str


class Roster:
    """The jobs of one machine that carry client tokens, by token.

    All times are the server's: this machine's clock may be wrong. The API does not say in which order it lists jobs;
    where those seen so far run from new to old, a reading ends at a job that was submitted before anything could have
    been missed, else it goes through all.

    Args:
        client: of the server.
        ledger: whose jobs are looked for.
        backend: the API's name of the machine.
    """

    def __init__(self, client: Client, ledger: Ledger, backend: str) -> None:
        self._client, self._ledger, self._backend = client, ledger, backend
        self._by_token: dict[str, dict[str, Listed]] = defaultdict(dict)
        self._read_at: float | None = None  # by the server's clock, when the list was last read to its end

    def refresh(self) -> None:
        """Ask the server.

        Raises:
            IonQError: where it cannot be asked.
        """
        began = self._client.transport.server_time()
        bound = self._bound()
        newest_first, last = True, float("inf")
        for job in self._client.jobs(self._backend):
            self._note(job)
            at = _timestamp(job.get("submitted_at"))
            newest_first = newest_first and at is not None and at <= last
            if at is not None:
                last = at
                if newest_first and bound is not None and at < bound - _SERVER_CLOCKS_S:
                    break
        self._read_at = began

    def find(self, tokens: Iterable[str], known: Iterable[str] = ()) -> list[Listed]:
        """Jobs that carry one of ``tokens``, but for the ids in ``known``; those that ended uncharged come last."""
        known = set(known)
        found = [job for token in tokens for job in self._by_token.get(token, {}).values() if job.job_id not in known]
        return sorted(found, key=lambda job: job.status in ENDED_FREE)

    def reconcile(self) -> None:
        """Write into the ledger what the list knows and the ledger does not.

        A chunk that counted as never accepted, and was: it is submitted. A second job of a chunk: a duplicate, told by
        a `DuplicateJobWarning`.
        """
        for chunk in list(self._ledger.chunks.values()):
            known = [chunk.job_id, *chunk.duplicates]
            found = self.find(chunk.tokens, [k for k in known if k])
            if found and chunk.job_id is None:
                self.adopt(chunk, found.pop(0))
            for job in self.find(chunk.tokens):
                if job.job_id in chunk.duplicates and job.status in ENDED_FREE:
                    self._ledger.duplicate(chunk, job.job_id, charged=False)
            for job in found:
                if job.status not in ENDED_FREE:
                    self._ledger.duplicate(chunk, job.job_id)
                    warnings.warn(duplicate_text(chunk, job.job_id), DuplicateJobWarning, stacklevel=2)

    def tell_of_duplicates(self) -> None:
        """Ask the server, and write down what it holds twice; where it cannot be asked, that is told by a warning."""
        try:
            self.refresh()
        except IonQError as error:  # the answers are in the ledger all the same
            warnings.warn(f"not looked for jobs that were accepted late: {error}", DuplicateJobWarning, stacklevel=5)
        else:
            self.reconcile()

    def adopt(self, chunk: Chunk, job: Listed) -> None:
        """Job ``job`` is the chunk's."""
        self._ledger.submitted(chunk, job.job_id, found_by="client token", sandbox=self._client.transport.sandbox)

    def check_orphans(self, planned: Iterable[str]) -> None:
        """Refuse to send while the server holds jobs of this ledger that neither it nor ``planned`` (tokens) knows.

        Raises:
            LedgerError: names them.
        """
        known = set(planned).union(*(chunk.tokens for chunk in self._ledger.chunks.values()))
        orphans = [
            job.job_id
            for token, jobs in self._by_token.items()
            for job in jobs.values()
            if token not in known and job.ledger == self._ledger.identity.id and job.status not in ENDED_FREE
        ]
        if orphans:
            raise LedgerError(
                f"the server holds {len(orphans)} job(s) of the ledger {self._ledger.folder} that are not in it: "
                f"{', '.join(orphans[:5])}{', ...' if len(orphans) > 5 else ''}. Their circuits may be those of this "
                "call, and would be paid again: nothing was sent. Restore ledger.jsonl; make the calls that sent them "
                "again, each as it was: they are found. Or start another ledger in another folder (which pays anew)."
            )

    def _bound(self) -> float | None:
        """The earliest time, by the server's clock, of a job that may be of interest and was not seen; None: any."""
        if self._read_at is None:
            return self._ledger.identity.born
        doubtful = [a.server_at for c in self._ledger.chunks.values() if c.doubtful or not c.job_id for a in c.attempts]
        times = [self._read_at, *doubtful]
        return None if None in times else min(t for t in times if t is not None)

    def _note(self, job: dict[str, Any]) -> None:
        metadata = job.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        token = metadata.get("client_token")
        if isinstance(token, str):
            ledger = metadata.get("ledger")
            self._by_token[token][job["id"]] = Listed(
                job["id"], ledger if isinstance(ledger, str) else None, str(job.get("status"))
            )


def duplicate_text(chunk: Chunk, job_id: str) -> str:
    """What a person should know of a duplicate."""
    price = "" if chunk.estimate is None else f", about {chunk.estimate:.2f} {chunk.unit or ''}"
    return (
        f"job {job_id} holds the {chunk.circuits} circuits of {chunk.label} again: the server accepted a request "
        f"late. Both are paid{price.rstrip()} each, unless it is canceled before it runs: qllmft jobs cancel --job "
        f"{job_id}; in Python `qllmft_backends.ionq.cancel([{job_id!r}], IonQConnection())`."
    )


def _timestamp(text: Any) -> float | None:
    """Seconds since 1970 of an ISO time; None where it cannot be read."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
