"""Guard: refuses what another site makes a browser send, bad bodies, and slow or too many connections."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any
from urllib.parse import urlsplit

import h11
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from qllmft.files import parse_json
from qllmft.serving import RequestLimits

FILE_PATH = "/texts"  # takes a file as it is
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Application around another one: checks the header and the body of each request, adds headers to each answer.

    A page of another site can make a browser send requests here, directly or, after its name was given this machine's
    address, as if they came from here. A browser tells both apart by ``Host`` and ``Origin``. An address in ``Host`` is
    safe, because such an attack needs a name.

    Args:
        app: the application.
        limits: of a body.
        names: names of this server beside localhost.
    """

    def __init__(self, app: ASGIApp, limits: RequestLimits, names: Collection[str]) -> None:
        self._app, self._limits = app, limits
        self._files = 0  # that are in memory
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before it is read."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        async def receive_body() -> Message:
            return {"type": "http.request", "body": body}

        is_file = scope["path"] == FILE_PATH
        try:
            self._check(
                scope["method"], Headers(scope=scope), "octet-stream" if is_file else "json"
            )
            with self._place(is_file=is_file):
                if scope["method"] == "POST":
                    request = Request(scope, receive)
                    body, receive = await self._body(request, is_file=is_file), receive_body
                await self._app(scope, receive, send_with_headers)
        except HTTPException as refused:
            answer = JSONResponse({"error": refused.detail}, refused.status_code, refused.headers)
            await answer(scope, receive, send_with_headers)

    @contextmanager
    def _place(self, *, is_file: bool) -> Iterator[None]:
        """Count a file while it is in memory, or raise HTTPException if there are as many as the limit."""
        if is_file and self._files >= self._limits.files:
            raise HTTPException(503, "other files are being read; try again", {"Retry-After": "5"})
        self._files += is_file
        try:
            yield
        finally:
            self._files -= is_file

    def _check(self, method: str, headers: Headers, kind: str) -> None:
        """Raise HTTPException for a header that is refused, or a body of another kind of application data."""
        hosts = headers.getlist("host")
        try:
            name = urlsplit(f"//{hosts[0]}").hostname or ""
            ours = name.rstrip(".") in self._names or bool(ipaddress.ip_address(name))
        except (ValueError, IndexError):
            ours = False
        if not ours or len(hosts) > 1:
            raise HTTPException(
                403,
                "the header Host names another server; use localhost, an address, or a name of --allowed-host",
            )
        if method in ("GET", "HEAD"):
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        here = [None, *(f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https"))]
        if (origin and origin.lower()) not in here or site not in ("same-origin", "none"):
            raise HTTPException(403, "the request comes from a page of another site")
        given = headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != f"application/{kind}":
            raise HTTPException(415, f"expected the header Content-Type: application/{kind}")

    async def _body(self, request: Request, *, is_file: bool) -> bytes:
        """Return the body of a request, any bytes of a file or else JSON, or raise HTTPException."""
        content, limits = bytearray(), self._limits
        most = limits.file_bytes if is_file else limits.body_bytes
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    content += chunk
                    if len(content) > most:
                        raise HTTPException(
                            413, f"the body has more than {most:,} bytes, the limit"
                        )
            if not is_file:
                parse_json(content.decode("utf-8"))
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive in {limits.seconds:g} s") from None
        except ClientDisconnect:
            raise HTTPException(400, "the body was cut short") from None
        except ValueError as error:
            fault = error if content else "it is empty"
            raise HTTPException(400, f"the body is not JSON in UTF-8: {fault}") from None
        return bytes(content)


# --- connections: their number, and the time of a client to send its request or to read its answer

CONNECTIONS = 500  # in all; with some times AT_ONCE, fewer than the usual 1,024 open files
PER_ADDRESS = 256
AT_ONCE = 100  # that wait to be accepted, and that are accepted together
SLOW_S = 10.0


class BoundedConnection(H11Protocol):
    """HTTP/1.1 connection of uvicorn that is closed if its client is slow or has too many.

    A connection is closed without an answer

    - if there are more than `CONNECTIONS` in all, or than `PER_ADDRESS` from an address: of these, the one that has
      waited longest for a header;
    - `SLOW_S` seconds after its begin or its last answer if the header of the next request is not complete, or if the
      rest of a request that was answered already has not arrived;
    - if for `SLOW_S` seconds the client reads so little that the answer stays in memory.

    The time of a request's body has the limit `RequestLimits.seconds`.
    """

    _receiving: asyncio.TimerHandle | None = None
    _sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin, or close the connection if there are too many."""
        super().connection_made(transport)
        own = [each for each in self.connections if isinstance(each, BoundedConnection)]
        present = [each for each in own if not each.transport.is_closing()]
        from_here = [each for each in present if _host(each) == _host(self)]
        self._expect()
        if len(from_here) > PER_ADDRESS or len(present) > CONNECTIONS:
            crowded = from_here if len(from_here) > PER_ADDRESS else present
            waiting = [(each._receiving.when(), each) for each in crowded if each._receiving]
            min(waiting, key=itemgetter(0))[1].transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle bytes of the client."""
        super().data_received(data)
        self._expect()

    def on_response_complete(self) -> None:
        """Handle the end of an answer."""
        super().on_response_complete()
        self._expect()

    def pause_writing(self) -> None:
        """Limit the time until the client reads on. asyncio calls it if much of an answer is not sent yet."""
        self.flow.pause_writing()
        self._sending = self.loop.call_later(SLOW_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Lift the limit of `pause_writing`."""
        self.flow.resume_writing()
        self._sending = _cancel(self._sending)

    def connection_lost(self, exc: Exception | None) -> None:
        """End without a timer."""
        super().connection_lost(exc)
        self._receiving = _cancel(self._receiving)
        self._sending = _cancel(self._sending)

    def _expect(self) -> None:
        """Begin or end the time for the rest of a request; more bytes of the same request do not prolong it."""
        state = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        if not (state is h11.IDLE or (state is h11.SEND_BODY and answered)):
            self._receiving = _cancel(self._receiving)
        elif self._receiving is None and not self.transport.is_closing():
            self._receiving = self.loop.call_later(SLOW_S, self.transport.abort)


def _host(connection: BoundedConnection) -> str | None:
    return connection.client[0] if connection.client else None


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer, and return the one in its place: none."""
    if timer is not None:
        timer.cancel()
    return None
