"""HTTP with own deadlines and own patience: reads are repeated, a POST never is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from qllmft_backends.ionq.errors import (
    IonQAuthError,
    IonQError,
    IonQQuotaError,
    IonQRequestError,
    IonQTransientError,
)
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.token import TOKEN_VARIABLES, ApiToken

SANDBOX_HEADER = "X-QLLMFT-Sandbox"
_MAX_TEXT = 300  # characters of a server's message that go into an error
_MAX_WAIT_S = 30.0


@dataclass
class Deadline:
    """A moment, ``seconds`` after it was made."""

    seconds: float
    _start: float = field(default_factory=time.monotonic)

    def left(self) -> float:
        """Seconds that are left; 0 once it has passed."""
        return max(0.0, self._start + self.seconds - time.monotonic())


class Transport:
    """Requests to one server with one key.

    Attributes:
        sandbox: the server said that it is the sandbox; None before the first answer.
    """

    def __init__(self, connection: IonQConnection, token: ApiToken) -> None:
        self._connection = connection
        self._token = token
        self._deadline: Deadline | None = None
        self.sandbox: bool | None = None

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Inside, no read is repeated past ``deadline``."""
        outer, self._deadline = self._deadline, deadline
        try:
            yield
        finally:
            self._deadline = outer

    def get(self, url: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        """A `requests.Response` with a JSON body; repeated while the server is busy or away.

        Raises:
            IonQAuthError, IonQQuotaError, IonQRequestError, IonQTransientError: as `once`, at the end of the patience.
        """
        return self._patiently(lambda: self.once("GET", url, params=params, headers=headers))

    def put(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """As `get`, for a PUT that may be repeated."""
        return self._patiently(lambda: self.once("PUT", url, headers=headers))

    def once(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One request, sent once.

        Raises:
            IonQAuthError: 401, 403.
            IonQQuotaError: 402; 429 (transient).
            IonQRequestError: any other 4xx, and 3xx: an address that redirects is not trusted with the key.
            IonQTransientError: no answer, 5xx, or a body that is not JSON; ``ambiguous`` where it may have had effect.
        """
        failure: IonQError
        # The failure is raised outside the except clause: a chained exception would keep the frames of requests alive,
        # and with them the header that holds the key.
        try:
            with requests.Session() as session:
                session.trust_env = urlsplit(url).scheme == "https"  # http is this machine's own: past any proxy
                response = session.request(
                    method,
                    url,
                    params=params,
                    data=body,
                    headers=headers,
                    auth=_KeyAuth(self._token),
                    timeout=self._timeout(),
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            failure = self._no_answer(method, url, error)
        else:
            self.sandbox = SANDBOX_HEADER in response.headers
            refusal = self._refusal(method, response)
            if refusal is None:
                return response
            failure = refusal
        raise failure

    def scrub(self, text: str) -> str:
        """``text`` without the key, and not too long."""
        text = self._token.scrub(text)
        return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "..."

    def _timeout(self) -> float:
        seconds = self._connection.request_timeout_s
        return seconds if self._deadline is None else max(0.05, min(seconds, self._deadline.left()))

    def _patiently(self, request: Callable[[], Any]) -> Any:
        seconds = self._connection.retry_s
        if self._deadline is not None:
            seconds = min(seconds, self._deadline.left())
        backoff = tenacity.wait_random_exponential(
            multiplier=min(1.0, self._connection.poll_interval_s), max=_MAX_WAIT_S
        )

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after_s if isinstance(error, IonQError) else None
            return max(backoff(state), asked or 0.0)

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda e: isinstance(e, IonQError) and e.transient),
            wait=wait,
            stop=tenacity.stop_before_delay(seconds),
            reraise=True,
        )(request)

    def _no_answer(self, method: str, url: str, error: requests.RequestException) -> IonQError:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        unsent = isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError) or isinstance(
            reason, urllib3.exceptions.NewConnectionError
        )
        text = self.scrub(f"{type(error).__name__}: {error}")
        if isinstance(error, ValueError):  # requests' own checks of an address
            return IonQRequestError(f"{method} {url} cannot be sent: {text}. Nothing was sent; check the option url.")
        return IonQTransientError(
            f"{method} {url} got no answer: {text}. "
            + ("The server was not reached." if unsent else "The connection was lost.")
            + " Check the network and the option url, then run again.",
            transient=True,
            ambiguous=not unsent,
        )

    def _refusal(self, method: str, response: requests.Response) -> IonQError | None:
        """What is wrong with an answer; None: nothing."""
        code = response.status_code
        where = f"{method} {response.url}"
        if 200 <= code < 300:
            try:
                response.json()
            except ValueError:
                return IonQTransientError(
                    f"{where} answered {code} with a body that is not JSON: {self.scrub(response.text)!r}. "
                    "A proxy or a login page may stand between; check the option url.",
                    transient=True,
                    ambiguous=True,
                )
            return None
        said = f"{where} answered {code}: {self._message(response)}"
        if code in (401, 403):
            return IonQAuthError(
                f"{said}. The API key was not accepted: this request had no effect. Check the key "
                f"({', '.join(TOKEN_VARIABLES)} or token_file) and that it belongs to this server."
            )
        if code == 402:
            return IonQQuotaError(f"{said}. No credit is left: this request had no effect. Add credit, then run again.")
        if code == 429:
            return IonQQuotaError(
                f"{said}. The server takes no more requests for now. What was accepted is in the ledger: wait, then "
                "run again; a larger retry_s waits here.",
                retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
                transient=True,
            )
        if code >= 500 or code in (408, 409):
            return IonQTransientError(
                f"{said}. The server failed. What was accepted is in the ledger: run again later; "
                "https://status.ionq.co tells of outages.",
                retry_after_s=_retry_after_s(response.headers.get("Retry-After")),
                transient=True,
                ambiguous=True,
            )
        return IonQRequestError(f"{said}. The server refuses the request: check the option url and what was asked.")

    def _message(self, response: requests.Response) -> str:
        """What a refusal says, from the shapes that the API has."""
        try:
            body = response.json()
        except ValueError:
            return self.scrub(response.text or response.reason or "no message")
        if isinstance(body, dict):
            error = body.get("error")
            nested = error.get("message") if isinstance(error, dict) else error
            return self.scrub(str(body.get("message") or nested or body))
        return self.scrub(str(body))


class _KeyAuth(requests.auth.AuthBase):
    """Puts the key into the request and nowhere else. Being there, it also keeps ``.netrc`` out."""

    def __init__(self, token: ApiToken) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token.header()
        return request


def _retry_after_s(text: str | None) -> float | None:
    """Seconds from the header ``Retry-After``: a number, or a date."""
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
