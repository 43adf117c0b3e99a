"""Errors for answers other than a success, and whether the request may have had effect."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from qllmft_backends.remote.errors import (
    IonQAuthError,
    IonQQuotaError,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_backends.remote.ionq.answer import Answer
from qllmft_backends.remote.ionq.token import TOKEN_VARIABLES

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
