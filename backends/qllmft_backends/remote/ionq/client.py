"""Requests to IonQ's API and the JSON of its answers: jobs one by one, and their list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from qllmft_backends.remote.errors import RemoteError, RemoteTransientError
from qllmft_backends.remote.ionq.options import IonQConnection
from qllmft_backends.remote.ionq.token import load_token
from qllmft_backends.remote.ionq.transport import Transport
from qllmft_backends.remote.ledger.payload import at

_PAGE = 25  # jobs per page, the API's maximum


class Client:
    """Client of one server with one key, which `Transport` alone holds. Parts of a ``path`` come after the version."""

    def __init__(self, connection: IonQConnection) -> None:
        self.connection, self.url = connection, connection.address()
        self.transport = Transport(connection, load_token(connection.token_file))

    def address(self, *path: str) -> str:
        """Return the address of a path."""
        return "/".join((self.url, *path))

    def get(self, *path: str, **query: Any) -> Any:
        """Return the answer to a GET, repeated while the server is busy or away (see `Transport.repeated`)."""
        return self.transport.repeated("GET", self.address(*path), params=query)

    def get_object(self, *path: str, **query: Any) -> dict[str, Any]:
        """Return the answer to a GET, or raise `RemoteTransientError` if it is no JSON object."""
        answer = self.get(*path, **query)
        if not isinstance(answer, dict):
            raise RemoteTransientError(
                f"GET {self.address(*path)} answered {self.transport.scrub(json.dumps(answer))}; expected a JSON "
                "object. Check the option url."
            )
        return answer

    def get_once(self, *path: str) -> Any:
        """Return the answer to a GET, None if there is none at once: results do not wait for it."""
        try:
            return self.transport.once("GET", self.address(*path))
        except RemoteError:
            return None

    def post(self, *path: str, body: str | None = None) -> Any:
        """Return the answer to a POST of a JSON text, sent once (see `Transport.once`)."""
        return self.transport.once("POST", self.address(*path), body=body)

    def cancel(self, job_id: str) -> str:
        """Cancel a job, and return its status. Repeating it does no harm."""
        answer = self.transport.repeated("PUT", self.address("jobs", job_id, "status", "cancel"))
        return str(at(answer, "status") or "canceled")

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
        query: dict[str, Any] = {"limit": _PAGE} | ({"target": backend} if backend else {})
        seen = set()
        while True:
            page = self.get_object("jobs", **query)
            jobs, following = page.get("jobs") or [], page.get("next")
            if not isinstance(jobs, list) or not all(
                isinstance(at(job, "id"), str) for job in jobs
            ):
                raise RemoteTransientError(
                    f"GET {self.address('jobs')} answered a list of jobs that cannot be read. Run again later."
                )
            yield from (job for job in jobs if not job.get("parent_job_id"))
            if not following:
                return
            if str(following) in seen or self.transport.expired:
                raise RemoteTransientError(
                    "the server's list of jobs does not come to an end. Run again later."
                )
            seen.add(str(following))
            query["next"] = following
