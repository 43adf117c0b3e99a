"""List of IonQ's jobs, by the client tokens that this package gives them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from qllmft_backends.errors import LedgerError
from qllmft_backends.remote.errors import RemoteTransientError
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ledger.chunk import TOKEN_IN_NAME
from qllmft_backends.remote.ledger.ledger import Ledger
from qllmft_backends.remote.ledger.payload import at
from qllmft_backends.remote.route import JobIndex, ListedJob, Route
from qllmft_backends.remote.rows import ENDED_FREE

_SERVER_CLOCKS_S = 600.0  # possible difference between the clocks of the server's own machines


class IonQJobs(JobIndex):
    """List of the server's jobs, by client token.

    All times are the server's: this machine's clock may be wrong. The API does not state the order of its list. If the
    jobs seen so far run from new to old, reading stops at a job that was submitted before anything could have been
    missed; otherwise it continues to the end.
    """

    searches = True

    def __init__(self, route: Route, client: Client, ledger: Ledger) -> None:
        super().__init__(route, ledger)
        self._client = client
        # by the token's beginning
        self._by_token: dict[str, dict[str, ListedJob]] = defaultdict(dict)
        self._read_at: float | None = None  # server's time of the last complete reading

    def refresh(self, *, complete: bool = False) -> None:
        """Read the list, or raise `RemoteError` if the server cannot be asked.

        If it is not ``complete``, reading stops as described above. Before a second POST it has to be complete: the
        times in the list may differ from the server's clock.
        """
        began, bound = self.route.server_time(), None if complete else self._bound()
        newest_first, last = True, float("inf")
        for job in self._client.jobs():
            if not {"metadata", "name"} & job.keys():
                raise RemoteTransientError(
                    f"the server lists job {job['id']} without metadata and name, so that jobs of this ledger cannot "
                    "be recognised. Nothing was sent. Run again later."
                )
            token, ledger = token_of(job), at(job, "metadata", "ledger")
            if token is not None:
                ledger = ledger if isinstance(ledger, str) else None
                listed = ListedJob(job["id"], token, ledger, str(job.get("status")))
                self._by_token[token[:TOKEN_IN_NAME]][job["id"]] = listed
            moment = _timestamp(job.get("submitted_at"))
            newest_first = newest_first and moment is not None and moment <= last
            if moment is not None:
                last = moment
                if newest_first and bound is not None and moment < bound - _SERVER_CLOCKS_S:
                    break
        self._read_at = began

    def with_tokens(self, tokens: Iterable[str]) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens``."""
        return [
            job
            for token in tokens
            for job in self._by_token.get(token[:TOKEN_IN_NAME], {}).values()
            if token.startswith(job.token)
        ]

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
        if self._read_at is None:
            return self.ledger.identity.created_at
        times = [self._read_at]
        for chunk in self.ledger.chunks.values():
            if chunk.doubtful or not chunk.job_id:
                for attempt in chunk.attempts:
                    if attempt.server_at is None:
                        return None
                    times.append(attempt.server_at)
        return min(times)


def token_of(job: Mapping[str, Any]) -> str | None:
    """Return the client token in a job's metadata, or its beginning in the job's name, or None."""
    token = at(job, "metadata", "client_token")
    if isinstance(token, str) and len(token) >= TOKEN_IN_NAME:
        return token
    found = re.fullmatch(rf"qllmft ([0-9a-f]{{{TOKEN_IN_NAME}}})", str(job.get("name")))
    return found[1] if found and token is None else None


def _timestamp(text: Any) -> float | None:
    """Return an ISO time in seconds since 1970, or None if it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
