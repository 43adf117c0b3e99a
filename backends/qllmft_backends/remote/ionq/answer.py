"""Answers of the service, and errors for those other than a success.

Their strings may reach a terminal, a ledger or an error, so that they are cleaned here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any

from qllmft_backends.remote.errors import (
    IonQAuthError,
    IonQQuotaError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_backends.remote.ionq.token import TOKEN_VARIABLES

_TEXT_BYTES = 1 << 14
_MAX_TEXT = 300  # characters of a server's message that go into an error
_FREE_REFUSALS: dict[int, tuple[type[RemoteError], str]] = {
    401: (
        IonQAuthError,
        "The API key was not accepted: this request had no effect. Check the key "
        f"({', '.join(TOKEN_VARIABLES)} or token_file) and that it belongs to this server.",
    ),
    402: (
        IonQQuotaError,
        "No credit is left: this request had no effect. Add credit, then run again.",
    ),
}
_BUSY = (
    "The server takes no more requests for now. Accepted jobs are in the ledger: wait, then run again; a larger "
    "retry_s waits here."
)
_FAILED = "The server failed. Accepted jobs are in the ledger: run again later; https://status.ionq.co reports outages."
_REFUSED = "The server refuses the request: check the option url and the options of the call."
_NO_JSON = "A proxy or a login page may be in between; check the option url."


@dataclass(frozen=True, repr=False)  # the content may repeat the key
class Answer:
    """HTTP answer, with the names of `requests.Response` that qiskit-ionq reads.

    Attributes:
        method, url: of the request.
        status_code: HTTP status.
        reason: its text.
        headers: of the answer.
        content: the body.
        scrub: returns a string without secrets.
    """

    method: str
    url: str
    status_code: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    scrub: Callable[[str], str]

    @property
    def text(self) -> str:
        """Return the beginning of the body, for people."""
        return self.scrub(self.content[:_TEXT_BYTES].decode("utf-8", errors="replace"))

    def json(self) -> Any:
        """Return the body's JSON value with every string scrubbed.

        Raises:
            ValueError: if it is no JSON, has a key twice, or is nested too deeply to be the API's.
        """
        return self._value

    @cached_property
    def _value(self) -> Any:
        try:
            return self._scrubbed(json.loads(self.content, object_pairs_hook=_unique))
        except RecursionError:
            raise ValueError("nested too deeply") from None

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


def refusal(answer: Answer) -> RemoteError | None:
    """Return the error of an answer, or None if it is a success."""
    code = answer.status_code
    request = f"{answer.method} {answer.scrub(answer.url)} answered {code}"
    if 200 <= code < 300:
        try:
            answer.json()
        except ValueError:
            text = f"{request} with a body that is not JSON: {shortened(answer.text)!r}. {_NO_JSON}"
            return RemoteTransientError(text, transient=True, ambiguous=True, status=code)
        return None
    message = f"{request}: {shortened(_message(answer))}."
    wait_s = retry_after_s(answer.headers.get("Retry-After"))
    if code in (401, 402, 403):
        kind, remedy = _FREE_REFUSALS[402 if code == 402 else 401]
        return kind(f"{message} {remedy}", status=code)
    if code == 429:
        return IonQQuotaError(
            f"{message} {_BUSY}", retry_after_s=wait_s, transient=True, status=code
        )
    if code >= 500 or code in (408, 409):
        return RemoteTransientError(
            f"{message} {_FAILED}",
            retry_after_s=wait_s,
            transient=True,
            ambiguous=True,
            status=code,
        )
    return RemoteRequestError(
        f"{message} {_REFUSED}", ambiguous=code < 400, status=code
    )  # after a success it may redirect


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


def _message(answer: Answer) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text or answer.scrub(answer.reason) or "no message"
    if isinstance(body, dict):
        error = body.get("error")
        nested = error.get("message") if isinstance(error, dict) else error
        return str(body.get("message") or nested or body)
    return str(body)
