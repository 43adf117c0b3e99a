"""Requests to IonQ's API, the JSON of its answers, and the list of jobs by the client tokens of this package."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from qllmft_backends.errors import LedgerError
from qllmft_base.text import format_count
from qllmft_machines.errors import RemoteError, RemoteTransientError
from qllmft_machines.ionq.options import IonQConnection
from qllmft_machines.ionq.token import load_token
from qllmft_machines.ionq.transport import Transport
from qllmft_machines.ledger.chunk import TOKEN_IN_NAME
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.ledger.payload import value_at_path
from qllmft_machines.route import JobIndex, ListedJob, Route
from qllmft_machines.rows import UNCHARGED_STATES

_PAGE_SIZE = 25  # jobs per page, the API's maximum
_SERVER_CLOCKS_S = 600.0  # possible difference between the clocks of the server's own machines


class Client:
    """Client of one server with one key, which `Transport` alone holds. Parts of a ``path`` come after the version."""

    def __init__(self, connection: IonQConnection) -> None:
        self.url = connection.address()
        self.transport = Transport(connection, load_token(connection.token_file))

    def address(self, *path: str) -> str:
        """Return the address of a path."""
        return "/".join((self.url, *path))

    def get(self, *path: str, **query: Any) -> Any:
        """Return the answer to a GET, repeated while the server is busy or away (see `Transport.send_repeatedly`)."""
        return self.transport.send_repeatedly("GET", self.address(*path), params=query)

    def get_object(self, *path: str, **query: Any) -> dict[str, Any]:
        """Return the answer to a GET, or raise `RemoteTransientError` if it is no JSON object."""
        answer = self.get(*path, **query)
        if not isinstance(answer, dict):
            raise RemoteTransientError(
                f"GET {self.address(*path)} answered {self.transport.scrub(json.dumps(answer))}, expected a JSON "
                "object. Check the option url."
            )
        return answer

    def get_once(self, *path: str) -> Any:
        """Return the answer to a GET, None if there is none at once: results do not wait for it."""
        try:
            return self.transport.send("GET", self.address(*path))
        except RemoteError:
            return None

    def send(self, *path: str, body: str | None = None) -> Any:
        """Send a JSON text by a POST, once, and return the answer (see `Transport.send`)."""
        return self.transport.send("POST", self.address(*path), body=body)

    def send_job(self, body: str) -> str:
        """Send a job once, and return its id (see `Transport.send`)."""
        answer = self.send("jobs", body=body)
        job_id = value_at_path(answer, "id")
        if not isinstance(job_id, str) or not job_id:
            raise RemoteTransientError(
                f"POST {self.address('jobs')} answered without a job's id: {self.transport.scrub(json.dumps(answer))}.",
                transient=True,
                ambiguous=True,
            )
        return job_id

    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status. Repeating it does no harm."""
        answer = self.transport.send_repeatedly(
            "PUT", self.address("jobs", job_id, "status", "cancel")
        )
        return str(value_at_path(answer, "status") or "canceled")

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the server's description of a job."""
        job = self.get_object("jobs", job_id)
        if job.get("id") != job_id:
            raise RemoteTransientError(
                f"GET {self.address('jobs', job_id)} answered job {str(job.get('id'))[:80]!r} instead. Run again later."
            )
        return job

    def jobs(self, backend: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the jobs of this key's project, page by page, without children of multi-circuit jobs."""
        query: dict[str, Any] = {"limit": _PAGE_SIZE} | ({"target": backend} if backend else {})
        seen_pages = set()
        while True:
            page = self.get_object("jobs", **query)
            jobs = page.get("jobs") or []
            next_page = page.get("next")
            if not isinstance(jobs, list) or not all(
                isinstance(value_at_path(job, "id"), str) for job in jobs
            ):
                raise RemoteTransientError(
                    f"GET {self.address('jobs')} answered a list of jobs that cannot be read. Run again later."
                )
            yield from (job for job in jobs if not job.get("parent_job_id"))
            if not next_page:
                return
            if str(next_page) in seen_pages or self.transport.deadline.seconds_left() == 0:
                raise RemoteTransientError(
                    "the server's list of jobs does not come to an end. Run again later."
                )
            seen_pages.add(str(next_page))
            query["next"] = next_page


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
        started_at = self.route.server_time()
        earliest_unseen = None if complete else self._earliest_unseen_time()
        newest_first = True
        last_moment = float("inf")
        for job in self._client.jobs():
            if not {"metadata", "name"} & job.keys():
                raise RemoteTransientError(
                    f"the server lists job {job['id']} without metadata and name, so that jobs of this ledger cannot "
                    "be recognised. Nothing was sent. Run again later."
                )
            token = find_client_token(job)
            ledger = value_at_path(job, "metadata", "ledger")
            if token is not None:
                ledger = ledger if isinstance(ledger, str) else None
                listed_job = ListedJob(job["id"], token, ledger, str(job.get("status")))
                self._by_token[token[:TOKEN_IN_NAME]][job["id"]] = listed_job
            moment = _timestamp(job.get("submitted_at"))
            newest_first = newest_first and moment is not None and moment <= last_moment
            if moment is not None:
                last_moment = moment
                if (
                    newest_first
                    and earliest_unseen is not None
                    and moment < earliest_unseen - _SERVER_CLOCKS_S
                ):
                    break
        self._read_at = started_at

    def with_tokens(self, tokens: Iterable[str]) -> list[ListedJob]:
        """Return the jobs that carry one of ``tokens``."""
        return [
            job
            for token in tokens
            for job in self._by_token.get(token[:TOKEN_IN_NAME], {}).values()
            if token.startswith(job.token)
        ]

    def check_orphans(self, planned_tokens: Iterable[str]) -> None:
        """Refuse to send while the server has jobs of this ledger that are neither in it nor in ``planned_tokens``."""
        known_tokens = set(planned_tokens).union(
            *(chunk.tokens for chunk in self.ledger.chunks.values())
        )
        orphans = [
            job.job_id
            for jobs in self._by_token.values()
            for job in jobs.values()
            if job.token not in known_tokens
            and job.ledger == self.ledger.identity.id
            and job.status not in UNCHARGED_STATES
        ]
        if orphans:
            raise LedgerError(
                f"the server holds {format_count(len(orphans), 'job')} of the ledger {self.ledger.folder}, not "
                f"recorded in it: {', '.join(orphans[:5])}{', ...' if len(orphans) > 5 else ''}. Their circuits may be "
                "those of this call, and would be paid again: nothing was sent. Restore ledger.jsonl. Make the calls "
                "that sent them again, each as it was (if jobs had a check circuit, with known_answer_shots): they are "
                "found. Or start another ledger in another folder (which pays anew)."
            )

    def _earliest_unseen_time(self) -> float | None:
        """Return the earliest possible time of a job that was not seen, by the server's clock, or None if unknown."""
        if self._read_at is None:
            return self.ledger.identity.created_at
        times = [self._read_at]
        for chunk in self.ledger.chunks.values():
            if chunk.may_have_duplicate or not chunk.job_id:
                for attempt in chunk.attempts:
                    if attempt.server_at is None:
                        return None
                    times.append(attempt.server_at)
        return min(times)


def find_client_token(job: Mapping[str, Any]) -> str | None:
    """Return the client token in a job's metadata, or its beginning in the job's name, or None."""
    token = value_at_path(job, "metadata", "client_token")
    if isinstance(token, str) and len(token) >= TOKEN_IN_NAME:
        return token
    name_match = re.fullmatch(rf"qllmft ([0-9a-f]{{{TOKEN_IN_NAME}}})", str(job.get("name")))
    return name_match[1] if name_match and token is None else None


def _timestamp(text: Any) -> float | None:
    """Return an ISO time in seconds since 1970, or None if it cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
