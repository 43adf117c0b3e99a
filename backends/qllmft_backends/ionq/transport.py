"""HTTP with own deadlines and own patience: reads are repeated, a POST never is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions

from qllmft_backends.ionq.answer import Answer
from qllmft_backends.ionq.errors import IonQError, IonQRequestError, IonQTransientError
from qllmft_backends.ionq.options import IonQConnection
from qllmft_backends.ionq.refusal import refusal, shortened
from qllmft_backends.ionq.token import ApiToken

SANDBOX_HEADER = "X-QLLMFT-Sandbox"
_MAX_WAIT_S = 30.0
_PIECE = 1 << 16  # bytes read at a time
_BAD_ADDRESS = (  # checks of an address, before anything is sent
    requests.exceptions.InvalidHeader,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)


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
        self._clock: tuple[float, float] | None = None  # the server's time, and ours when it was told

    @contextmanager
    def until(self, deadline: Deadline) -> Iterator[None]:
        """Inside, no read is repeated past ``deadline``."""
        outer, self._deadline = self._deadline, deadline
        try:
            yield
        finally:
            self._deadline = outer

    @property
    def expired(self) -> bool:
        """The deadline of `until` has passed."""
        return self._deadline is not None and self._deadline.left() == 0

    def get(
        self, url: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """An answer with a JSON body; repeated while the server is busy or away.

        Raises:
            IonQAuthError, IonQQuotaError, IonQRequestError, IonQTransientError: as `once`, at the end of the patience.
        """
        return self._patiently(lambda: self.once("GET", url, params=params, headers=headers))

    def put(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
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
    ) -> Answer:
        """One request, sent once. It takes ``request_timeout_s`` at most, whatever the server does.

        Raises:
            IonQAuthError: 401, 403.
            IonQQuotaError: 402; 429 (transient).
            IonQRequestError: any other 4xx, and 3xx: an address that redirects is not trusted with the key; a body that
                is too long.
            IonQTransientError: no answer, 5xx, or a body that is not JSON; ``ambiguous`` where it may have had effect.
        """
        seconds = self._timeout()
        outcome: list[Answer | IonQError] = []
        done = threading.Event()

        def exchange() -> None:
            # What failed is told as a text: an exception would keep the frames of requests alive, and with them the
            # header that holds the key.
            try:
                outcome.append(self._exchange(method, url, seconds, params=params, data=body, headers=headers))
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                outcome.append(self._no_answer(method, url, error))
            finally:
                done.set()

        # In a thread, because no timeout of a socket bounds a server that sends a byte now and then.
        threading.Thread(target=exchange, name="ionq-request", daemon=True).start()
        done.wait(seconds)
        result = outcome[0] if outcome else None
        if isinstance(result, Answer):
            self._note(result)
            result = refusal(result) or result
            if isinstance(result, Answer):
                return result
        raise result or self._late(method, url, seconds)

    def server_time(self) -> float | None:
        """Now by the server's clock, in seconds since 1970, from its latest answer; None: it never told."""
        return None if self._clock is None else self._clock[0] + time.monotonic() - self._clock[1]

    def _exchange(self, method: str, url: str, seconds: float, **sent: Any) -> Answer | IonQError:
        deadline = Deadline(seconds)
        with requests.Session() as session:
            session.trust_env = urlsplit(url).scheme == "https"  # http is this machine's own: past any proxy
            with session.request(
                method,
                url,
                **sent,
                auth=_KeyAuth(self._token),
                timeout=seconds,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = bytearray()
                while piece := response.raw.read1(_PIECE, decode_content=True):
                    content += piece
                    if len(content) > self._connection.max_answer_bytes:
                        return self._too_long(method, response.url)
                    if deadline.left() == 0:
                        return self._late(method, url, seconds)
                return Answer(
                    method,
                    response.url,
                    response.status_code,
                    response.reason or "",
                    response.headers,
                    bytes(content),
                    self._token.scrub,
                )

    def _late(self, method: str, url: str, seconds: float) -> IonQError:
        return IonQTransientError(
            f"{method} {self.scrub(url)} was not answered whole within {seconds:.3g} s. Check the network, or raise "
            "request_timeout_s, then run again.",
            transient=True,
            ambiguous=True,
        )

    def _too_long(self, method: str, url: str) -> IonQError:
        return IonQRequestError(
            f"{method} {self.scrub(url)} answered more than {self._connection.max_answer_bytes:,} bytes: they "
            "were not read. Nothing is lost at the server. Raise max_answer_bytes, or send fewer circuits a job.",
            ambiguous=True,
        )

    def _note(self, answer: Answer) -> None:
        """What every answer says of the server: whether it is the sandbox, and its clock."""
        self.sandbox = SANDBOX_HEADER in answer.headers
        with suppress(TypeError, ValueError):
            moment = parsedate_to_datetime(answer.headers.get("Date", ""))
            self._clock = (moment.timestamp(), time.monotonic())

    def scrub(self, text: str) -> str:
        """``text`` without the key, without what does not belong on a terminal, and not too long."""
        return shortened(self._token.scrub(text))

    def _timeout(self) -> float:
        seconds = self._connection.request_timeout_s
        return seconds if self._deadline is None else max(0.05, min(seconds, self._deadline.left()))

    def _patiently(self, request: Callable[[], Answer]) -> Answer:
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

    def _no_answer(self, method: str, url: str, error: Exception) -> IonQError:
        reason = getattr(error.args[0], "reason", None) if error.args else None
        unsent = isinstance(error, requests.ConnectTimeout | requests.exceptions.SSLError) or isinstance(
            reason, urllib3.exceptions.NewConnectionError
        )
        text = self.scrub(f"{type(error).__name__}: {error}")
        where = f"{method} {self.scrub(url)}"
        if isinstance(error, _BAD_ADDRESS):
            return IonQRequestError(
                f"{where} cannot be sent: {text}. Nothing was sent; check the option url.", unsent=True
            )
        return IonQTransientError(
            f"{where} got no answer: {text}. "
            + ("The server was not reached." if unsent else "The connection was lost.")
            + " Check the network and the option url, then run again.",
            transient=True,
            ambiguous=not unsent,
            unsent=unsent,
        )


class _KeyAuth(requests.auth.AuthBase):
    """Puts the key into the request and nowhere else. Being there, it also keeps ``.netrc`` out."""

    def __init__(self, token: ApiToken) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token.header()
        return request
