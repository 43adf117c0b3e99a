"""Answers of the service: the JSON of a success, and errors for the others.

Their strings may reach a terminal, a ledger or an error, so that they are cleaned here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from qllmft_backends.remote.errors import (
    IonQAuthError,
    IonQQuotaError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_backends.remote.ionq.token import TOKEN_VARIABLES
from qllmft_backends.remote.ledger.payload import at

_TEXT_BYTES = 1 << 14
_MAX_TEXT = 300  # characters of a server's message that go into an error
_NO_KEY = (
    "The API key was not accepted: this request had no effect. Check the key "
    f"({', '.join(TOKEN_VARIABLES)} or token_file) and that it belongs to this server."
)
_NO_CREDIT = "No credit is left: this request had no effect. Add credit, then run again."
_BUSY = (
    "The server takes no more requests for now. Accepted jobs are in the ledger: wait, then run again; a larger "
    "retry_s waits here."
)
_FAILED = "The server failed. Accepted jobs are in the ledger: run again later; https://status.ionq.co reports outages."
_REFUSED = "The server refuses the request: check the option url and the options of the call."
_NO_JSON = "A proxy or a login page may be in between; check the option url."


@dataclass(frozen=True, repr=False)  # the content may repeat the key
class Answer:
    """HTTP answer.

    Attributes:
        request: method and address, scrubbed.
        status: HTTP status.
        reason: its text.
        headers: of the answer.
        content: the body.
        scrub: returns a string without secrets.
    """

    request: str
    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    scrub: Callable[[str], str]

    def value(self) -> Any:
        """Return the JSON value with every string scrubbed, or the error of an answer other than a success.

        A body with a key twice is no JSON, nor one that is nested too deeply to be the API's.
        """
        text, code = f"{self.request} answered {self.status}", self.status
        words = self.scrub(self.content[:_TEXT_BYTES].decode("utf-8", errors="replace"))
        message = words or self.scrub(self.reason) or "no message"
        try:
            body = self._scrubbed(json.loads(self.content, object_pairs_hook=_unique))
        except (ValueError, RecursionError):
            if 200 <= code < 300:
                text = f"{text} with a body that is not JSON: {shortened(words)!r}. {_NO_JSON}"
                return RemoteTransientError(text, transient=True, ambiguous=True, status=code)
        else:
            if 200 <= code < 300:
                return body
            nested = at(body, "error", "message") or at(body, "error")
            message = str(at(body, "message") or nested or body)
        return self._refusal(f"{text}: {shortened(message)}.")

    def _refusal(self, message: str) -> RemoteError:
        code, wait_s = self.status, retry_after_s(self.headers.get("Retry-After"))
        if code in (401, 403):
            return IonQAuthError(f"{message} {_NO_KEY}", status=code)
        if code == 402:
            return IonQQuotaError(f"{message} {_NO_CREDIT}", status=code)
        if code == 429:
            text = f"{message} {_BUSY}"
            return IonQQuotaError(text, retry_after_s=wait_s, transient=True, status=code)
        if code >= 500 or code in (408, 409):
            return RemoteTransientError(
                f"{message} {_FAILED}",
                retry_after_s=wait_s,
                transient=True,
                ambiguous=True,
                status=code,
            )
        # below 400: after a success it may redirect
        return RemoteRequestError(f"{message} {_REFUSED}", ambiguous=code < 400, status=code)

    def _scrubbed(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value.isdecimal() else self.scrub(value)
        if isinstance(value, list):
            return [self._scrubbed(item) for item in value]
        if isinstance(value, dict):
            return {self._scrubbed(key): self._scrubbed(item) for key, item in value.items()}
        return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def shortened(text: str) -> str:
    """Return ``text`` cut to the length of an error."""
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."


def retry_after_s(text: str | None) -> float | None:
    """Return the seconds of the header ``Retry-After``, which is a number or a date."""
    if not text:
        return None
    try:
        seconds = float(text)
        return max(0.0, seconds) if seconds < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
