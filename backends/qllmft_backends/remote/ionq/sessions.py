"""Sessions: jobs that the server itself counts together, and stops at a price or after a time.

IonQ's API v0.4 (POST /sessions, POST /sessions/{id}/end, ``session_id`` of a job); in beta, for some customers.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from qllmft_backends.remote.errors import RemoteError, RemoteRequestError, SessionWarning
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.options import IonQForteOptions
from qllmft_backends.remote.ledger.payload import mapping
from qllmft_backends.remote.options import Waits

_UNAUTHORIZED = 401
_DEFAULT_UNIT = "usd"


def end_session(client: Client, session: str) -> bool:
    """End a session, also with jobs under way. Return False, with a `SessionWarning`, if the server did not."""
    try:
        client.transport.once(
            "POST", client.make_path("sessions", session, "end"), headers=client.api_headers
        )
    except RemoteError as error:
        warnings.warn(
            f"the session {session} could not be ended: {error} It ends by itself at its caps.",
            SessionWarning,
            stacklevel=4,
        )
        return False
    return True


def session_caps(options: Waits, unit: str | None = None) -> dict[str, Any]:
    """Return the caps of ``options`` as the field ``settings`` of a new session, empty without caps.

    ``unit`` is that of the server's prices; dollars are assumed if it is unknown.
    """
    caps: dict[str, Any] = {}
    if not isinstance(options, IonQForteOptions):
        return caps
    if options.session_max_cost is not None:
        caps["cost_limit"] = {"unit": unit or _DEFAULT_UNIT, "value": options.session_max_cost}
    if options.session_max_minutes is not None:
        caps["duration_limit_min"] = options.session_max_minutes
    return caps


def open_session(client: Client, backend: str, caps: Mapping[str, Any]) -> str:
    """Open a session with caps, and return its id.

    Raises:
        RemoteRequestError: if the server has no sessions, or confirms other caps. Nothing was sent.
        RemoteError: if it cannot be asked.
    """
    url, body = client.make_path("sessions"), json.dumps({"backend": backend, "settings": caps})
    try:
        answer = mapping(
            client.transport.once("POST", url, body=body, headers=client.api_headers).json()
        )
    except RemoteError as error:
        if error.status == _UNAUTHORIZED:
            raise
        kind = (
            RemoteRequestError if error.status is not None and error.status < 500 else type(error)
        )
        raise kind(
            f"no session was opened: {error} No circuit was sent. Sessions are in beta and IonQ opens them to some "
            "customers only: omit session_max_cost and session_max_minutes, and set max_cost, which is kept here.",
            status=error.status,
        ) from None
    session, kept = answer.get("id"), mapping(answer.get("settings"))
    if not isinstance(session, str) or not session or "/" in session:
        raise RemoteRequestError(
            f"POST {url} answered without a session's id. No circuit was sent. Run again later."
        )
    wrong = [name for name, cap in caps.items() if not _confirmed(kept.get(name), cap)]
    if wrong:
        end_session(client, session)
        raise RemoteRequestError(
            f"the server opened the session {session} without the caps that were asked for ({', '.join(wrong)}): "
            "no circuit was sent. Omit session_max_cost and session_max_minutes, and set max_cost, kept here."
        )
    return session


def _confirmed(kept: Any, cap: Any) -> bool:
    if isinstance(cap, dict):
        return all(_confirmed(mapping(kept).get(name), value) for name, value in cap.items())
    return bool(kept == cap)
