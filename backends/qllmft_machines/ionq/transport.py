"""HTTP with own deadlines and retries: reads are repeated, a POST never is.

The strings of an answer may reach a terminal, a ledger or an error, so that they are cleaned here.
"""

from __future__ import annotations

import json
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from qllmft_base.text import unique_fields
from qllmft_machines.bounds import MAX_FAILURE_BYTES, MAX_FAILURE_CHARACTERS
from qllmft_machines.errors import (
    IonQAuthError,
    IonQQuotaError,
    NoAnswerWarning,
    RemoteError,
    RemoteRequestError,
    RemoteTransientError,
)
from qllmft_machines.ionq.library import get_user_agent
from qllmft_machines.ionq.options import MOCK_HEADER, IonQConnection
from qllmft_machines.ionq.token import TOKEN_VARIABLES, ApiToken
from qllmft_machines.ledger.payload import value_at_path
from qllmft_machines.options import Deadline, DeadlineMixin
from qllmft_machines.silence import Silence

_MAX_WAIT_S = 30.0
_READ_BYTES = 1 << 16  # bytes read at a time
_BAD_ADDRESS_ERRORS = (  # checks of an address, before anything is sent
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
_HEADERS = {"Content-Type": "application/json", "User-Agent": get_user_agent()}
_UNCONNECTED_ERRORS = (requests.ConnectTimeout, requests.exceptions.SSLError)


_SLOW_S = 8.0  # without an answer to one request, after which its address is named
_BAD_KEY_TEXT = (
    "The API key was not accepted: this request had no effect. Check the key "
    f"({', '.join(TOKEN_VARIABLES)} or token_file) and that it belongs to this server."
)
_NO_CREDIT_TEXT = "No credit is left: this request had no effect. Add credit, then run again."
_BUSY_TEXT = (
    "The server takes no more requests for now. Accepted jobs are in the ledger. Wait, then run again, or set a larger "
    "retry_s."
)
_SERVER_FAILED_TEXT = (
    "The server failed. Accepted jobs are in the ledger. Run again later. Outages are reported at "
    "https://status.ionq.co."
)
_REFUSED_TEXT = "The server refuses the request: check the option url and the options of the call."
_NO_JSON_TEXT = "A proxy or a login page may be in between. Check the option url."


class Transport(DeadlineMixin):
    """Requests to one server with one key.

    Attributes:
        mock_server: whether the server's latest answer says that it is the mock server.
    """

    def __init__(self, connection: IonQConnection, token: ApiToken) -> None:
        self._connection = connection
        self._token = token
        self.mock_server = False
        self._clock: tuple[float, float] | None = None  # the server's time, and ours at that moment

    def send_repeatedly(
        self, method: str, url: str, *, params: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the JSON value of the answer to a GET or PUT. Repeat the request while the server is busy or away.

        Raises:
            IonQAuthError, IonQQuotaError, RemoteRequestError, RemoteTransientError: as `send`, after the last
                repetition.
        """
        seconds = min(self._connection.retry_s, self.deadline.seconds_left())
        backoff = tenacity.wait_random_exponential(
            multiplier=min(1.0, self._connection.poll_interval_s), max=_MAX_WAIT_S
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            requested_wait_s = error.retry_after_s if isinstance(error, RemoteError) else None
            return max(backoff(state), requested_wait_s or 0.0)

        silence = Silence(seconds)

        def name_server(state: tenacity.RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            status = error.status if isinstance(error, RemoteError) else None
            fault = "does not answer" if status is None else f"answers {status}"
            pause_s = state.next_action.sleep if state.next_action else 0.0
            silence.warn_before_pause(pause_s, f"{self.scrub(url)} {fault}")

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, RemoteError) and e.transient),
            wait=wait,
            stop=tenacity.stop_before_delay(seconds),
            before_sleep=name_server,
            reraise=True,
        )(self.send, method, url, params=params)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> Any:
        """Send one request once, and return the JSON value of the answer.

        It takes ``request_timeout_s`` at most, even if the server answers byte by byte.

        Args:
            method: any.
            url: absolute address.
            params: query of the address.
            body: JSON text.

        Raises:
            IonQAuthError: 401, 403.
            IonQQuotaError: 402; 429 (transient).
            RemoteRequestError: any other 4xx, a body that is too long, and 3xx: an address that redirects is not
                trusted with the key.
            RemoteTransientError: no answer, 5xx, or a body that is not JSON; ``ambiguous`` if it may have had effect.
        """
        seconds = min(self._connection.request_timeout_s, max(0.05, self.deadline.seconds_left()))
        outcome: list[Answer | RemoteError] = []

        def read_answer() -> None:
            # A failure is kept as a text: an exception would keep the frames of requests alive, and
            # with them the header that holds the key.
            try:
                outcome.append(self._read_answer(method, url, seconds, params=params, data=body))
            except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
                outcome.append(self._no_answer_error(method, url, error))

        # In a thread, because no timeout of a socket bounds a server that sends a byte now and
        # then.
        thread = threading.Thread(target=read_answer, name="ionq-request", daemon=True)
        thread.start()
        thread.join(min(seconds, _SLOW_S))
        if thread.is_alive() and seconds > _SLOW_S:
            warnings.warn(
                f"{self.scrub(url)} has not answered for {_SLOW_S:.0f} s. The request waits for up to {seconds:.0f} s.",
                NoAnswerWarning,
                stacklevel=2,
            )
            thread.join(seconds - _SLOW_S)
        result: Any = outcome[0] if outcome else self._late_answer_error(method, url, seconds)
        if isinstance(result, Answer):
            self.mock_server = MOCK_HEADER in result.headers
            if (moment := _http_date(result.headers.get("Date"))) is not None:
                self._clock = (moment.timestamp(), time.monotonic())
            result = result.value()
        if isinstance(result, RemoteError):
            raise result
        return result

    def server_time(self) -> float | None:
        """Return the time by the server's clock, in seconds since 1970, from its latest answer, or None if unknown."""
        return None if self._clock is None else self._clock[0] + time.monotonic() - self._clock[1]

    def scrub(self, text: str) -> str:
        """Return ``text`` shortened, without the key and without terminal codes."""
        return shorten(self._token.scrub(text))

    def _read_answer(
        self, method: str, url: str, seconds: float, **request_options: Any
    ) -> Answer | RemoteError:
        deadline = Deadline(seconds)
        max_bytes = self._connection.max_answer_bytes
        with requests.Session() as session:
            # http is this machine's own: past any proxy
            session.trust_env = urlsplit(url).scheme == "https"
            request_options |= {
                "auth": _KeyAuth(self._token),
                "headers": _HEADERS,
                "timeout": seconds,
                "allow_redirects": False,
                "stream": True,
            }
            with session.request(method, url, **request_options) as response:
                content = bytearray()
                while piece := response.raw.read1(_READ_BYTES, decode_content=True):
                    content += piece
                    if len(content) > max_bytes:
                        return RemoteRequestError(
                            f"{method} {self.scrub(response.url)} answered more than {max_bytes:,} bytes: they were "
                            "not read. Nothing is lost at the server. Raise max_answer_bytes, or send fewer circuits a "
                            "job.",
                            ambiguous=True,
                        )
                    if deadline.seconds_left() == 0:
                        return self._late_answer_error(method, url, seconds)
                request = f"{method} {self._token.scrub(response.url)}"
                status = response.status_code
                reason = response.reason or ""
                body = bytes(content)
                return Answer(request, status, reason, response.headers, body, self._token.scrub)

    def _late_answer_error(self, method: str, url: str, seconds: float) -> RemoteError:
        return RemoteTransientError(
            f"{method} {self.scrub(url)} was not answered whole within {seconds:.3g} s. Check the network, or raise "
            "request_timeout_s, then run again.",
            transient=True,
            ambiguous=True,
        )

    def _no_answer_error(self, method: str, url: str, error: Exception) -> RemoteError:
        request = f"{method} {self.scrub(url)}"
        text = self.scrub(f"{type(error).__name__}: {error}")
        if isinstance(error, _BAD_ADDRESS_ERRORS):
            return RemoteRequestError(
                f"{request} cannot be sent: {text}. Nothing was sent. Check the option url.",
                unsent=True,
            )
        reason = getattr(error.args[0], "reason", None) if error.args else None
        refused = isinstance(reason, urllib3.exceptions.NewConnectionError)
        unsent = refused or isinstance(error, _UNCONNECTED_ERRORS)
        return RemoteTransientError(
            f"{request} got no answer: {text}. {'The server was not reached' if unsent else 'The connection was lost'}."
            " Check the network and the option url, then run again.",
            transient=True,
            ambiguous=not unsent,
            unsent=unsent,
        )


class _KeyAuth(requests.auth.AuthBase):
    """Key in the header of a request, and nowhere else. Its presence also keeps ``.netrc`` out."""

    def __init__(self, token: ApiToken) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token.header()
        return request


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
        text = f"{self.request} answered {self.status}"
        code = self.status
        scrubbed_text = self.scrub(
            self.content[:MAX_FAILURE_BYTES].decode("utf-8", errors="replace")
        )
        message = scrubbed_text or self.scrub(self.reason) or "no message"
        try:
            body = self._scrub_strings(json.loads(self.content, object_pairs_hook=unique_fields))
        except (ValueError, RecursionError):
            if 200 <= code < 300:
                text = f"{text} with a body that is not JSON: {shorten(scrubbed_text)!r}. {_NO_JSON_TEXT}"
                return RemoteTransientError(text, transient=True, ambiguous=True, status=code)
        else:
            if 200 <= code < 300:
                return body
            nested_message = value_at_path(body, "error", "message") or value_at_path(body, "error")
            message = str(value_at_path(body, "message") or nested_message or body)
        return self._refusal_error(f"{text}: {shorten(message)}.")

    def _refusal_error(self, message: str) -> RemoteError:
        code = self.status
        wait_s = retry_after_s(self.headers.get("Retry-After"), self.headers.get("Date"))
        wait_text = f" The server asks to wait {wait_s:,.0f} s." if wait_s else ""
        if code in (401, 403):
            return IonQAuthError(f"{message} {_BAD_KEY_TEXT}", status=code)
        if code == 402:
            return IonQQuotaError(f"{message} {_NO_CREDIT_TEXT}", status=code)
        if code == 429:
            text = f"{message} {_BUSY_TEXT}{wait_text}"
            return IonQQuotaError(text, retry_after_s=wait_s, transient=True, status=code)
        if code >= 500 or code in (408, 409):
            return RemoteTransientError(
                f"{message} {_SERVER_FAILED_TEXT}{wait_text}",
                retry_after_s=wait_s,
                transient=True,
                ambiguous=True,
                status=code,
            )
        # below 400: after a success it may redirect
        return RemoteRequestError(f"{message} {_REFUSED_TEXT}", ambiguous=code < 400, status=code)

    def _scrub_strings(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value.isdecimal() else self.scrub(value)
        if isinstance(value, list):
            return [self._scrub_strings(item) for item in value]
        if isinstance(value, dict):
            return {
                self._scrub_strings(key): self._scrub_strings(item) for key, item in value.items()
            }
        return value


def shorten(text: str) -> str:
    """Return ``text`` cut to the length of an error."""
    return text if len(text) <= MAX_FAILURE_CHARACTERS else text[:MAX_FAILURE_CHARACTERS] + "..."


def retry_after_s(text: str | None, sent_at: str | None = None) -> float | None:
    """Return the seconds of the header ``Retry-After``, which is a number or a date.

    Args:
        text: the header.
        sent_at: header ``Date`` of the same answer, by the same clock; without it this machine's clock counts.
    """
    if not text:
        return None
    try:
        seconds = float(text)
        return max(0.0, seconds) if seconds < float("inf") else None
    except ValueError:
        pass
    if (moment := _http_date(text)) is None:
        return None
    now = _http_date(sent_at) or datetime.now(UTC)
    return max(0.0, (moment - now).total_seconds())


def _http_date(text: str | None) -> datetime | None:
    """Return the moment of a date in a header, or None if it is none. A date without a zone is in UTC."""
    try:
        moment = parsedate_to_datetime(text or "")
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
