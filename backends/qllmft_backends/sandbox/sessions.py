"""Sessions of the mock server: jobs that are counted together, and refused past a cap."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from qllmft_backends.remote.rows import ENDED_FREE
from qllmft_backends.sandbox.job import (
    ACCOUNT,
    PRICE_UNIT,
    StoredJob,
    job_price,
)
from qllmft_backends.sandbox.request import RefusedError, iso_time

_CAPS = ("duration_limit_min", "cost_limit", "job_count_limit")


@dataclass
class Session:
    """Session of jobs on one machine."""

    id: str
    backend: str
    caps: dict[str, Any]  # ``settings`` of the request that opened it
    created_at: float  # by the server's clock, in seconds since 1970
    ended_at: float | None = None  # by a request
    jobs: int = 0

    @property
    def ended(self) -> bool:
        """Return whether a request ended it."""
        return self.ended_at is not None

    def over(self, now: float) -> bool:
        """Return whether it was ended, or its time is up."""
        minutes = self.caps.get("duration_limit_min")
        return self.ended or (minutes is not None and now >= self.created_at + 60 * minutes)

    def describe(self, now: float) -> dict[str, Any]:
        """Return the answer of POST /sessions and GET /sessions/{id}."""
        over = self.over(now)
        ended_at = self.ended_at
        if over and ended_at is None:
            ended_at = self.created_at + 60 * self.caps["duration_limit_min"]
        return {
            "id": self.id,
            "backend": self.backend,
            "active": not over,
            "status": "ended" if over else "started" if self.jobs else "created",
            "organization_id": ACCOUNT,
            "project_id": ACCOUNT,
            "creator_id": None,
            "ender_id": None,
            "created_at": iso_time(self.created_at),
            "started_at": iso_time(self.created_at) if self.jobs else None,
            "ended_at": None if ended_at is None else iso_time(ended_at),
            "settings": self.caps,
        }

    def end(self, now: float) -> None:
        """End the session."""
        self.ended_at = now if self.ended_at is None else self.ended_at


@dataclass
class Sessions:
    """All sessions, by id."""

    known: dict[str, Session] = field(default_factory=dict)

    def open(self, body: dict[str, Any], machines: Collection[str], now: float) -> Session:
        """Open a session, or raise `RefusedError`."""
        backend, caps = body.get("backend"), body.get("settings") or {}
        if not isinstance(backend, str) or backend not in machines:
            raise RefusedError(
                400, f"no sessions on {backend!r}, expected one of {', '.join(machines)}"
            )
        if not isinstance(caps, dict) or set(caps) - set(_CAPS):
            raise RefusedError(400, f"settings {caps!r}")
        unit = (caps.get("cost_limit") or {}).get("unit", PRICE_UNIT)
        if unit != PRICE_UNIT:
            raise RefusedError(
                400, f"cost_limit in {unit!r}; the mock server counts in {PRICE_UNIT}"
            )
        session = Session(str(uuid.uuid4()), backend, caps, now)
        self.known[session.id] = session
        return session

    def get(self, session_id: str) -> Session:
        """Return a session, or raise `RefusedError`."""
        if session_id not in self.known:
            raise RefusedError(404, f"no session {session_id}")
        return self.known[session_id]

    def admit(self, job: StoredJob, jobs: Iterable[StoredJob], now: float) -> None:
        """Admit ``job``, which is not among ``jobs`` yet, to its session if it names one, or raise `RefusedError`."""
        session_id = job.payload.get("session_id")
        if session_id is None:
            return
        session = self.get(session_id)
        if session.over(now) or session.backend != job.backend:
            raise RefusedError(400, f"session {session_id} is over, or of another machine")
        others = [
            other
            for other in jobs
            if not other.parent
            and other.payload.get("session_id") == session_id
            and other.status not in ENDED_FREE
        ]
        if len(others) >= session.caps.get("job_count_limit", float("inf")):
            raise RefusedError(400, f"session {session_id} has its {len(others)} jobs")
        session.jobs += 1
        cap = session.caps.get("cost_limit")
        if cap is not None and sum(map(job_price, [*others, job])) > cap["value"]:
            raise RefusedError(
                400, f"session {session_id} would cost more than {cap['value']:g} {cap['unit']}"
            )
