"""Guard: refuses what another site makes a browser send, and bad bodies."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qllmft_base.files import parse_json
from qllmft_doors.bounds import RequestLimits
from qllmft_tables.spool import Spool

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
        self._app = app
        self._limits = limits
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

        is_file = scope["path"] == FILE_PATH
        try:
            self._check_headers(
                scope["method"], Headers(scope=scope), "octet-stream" if is_file else "json"
            )
            with self._place(is_file=is_file):
                if scope["method"] == "POST":
                    request = Request(scope, receive)
                    content = scope["file"] = Spool() if is_file else None
                    body = await self._read_body(request, content)
                    receive = _receive_body(body, receive)
                await self._app(scope, receive, send_with_headers)
        except HTTPException as refused:
            answer = JSONResponse({"error": refused.detail}, refused.status_code, refused.headers)
            await answer(scope, receive, send_with_headers)
        finally:
            if (file := scope.get("file")) is not None:
                file.file.close()

    @contextmanager
    def _place(self, *, is_file: bool) -> Iterator[None]:
        """Count a file while it is in memory, or raise HTTPException if there are as many as the limit."""
        if is_file and self._files >= self._limits.files:
            raise HTTPException(503, "other files are being read. Try again", {"Retry-After": "5"})
        self._files += is_file
        try:
            yield
        finally:
            self._files -= is_file

    def _check_headers(self, method: str, headers: Headers, kind: str) -> None:
        """Raise HTTPException for a header that is refused, or a body of another kind of application data."""
        hosts = headers.getlist("host")
        try:
            name = urlsplit(f"//{hosts[0]}").hostname or ""
            is_own_host = name.rstrip(".") in self._names or bool(ipaddress.ip_address(name))
        except (ValueError, IndexError):
            is_own_host = False
        if not is_own_host or len(hosts) > 1:
            raise HTTPException(
                403,
                "the header Host names another server. Use localhost, an address, or a name of --allowed-host",
            )
        if method in ("GET", "HEAD"):
            return
        origin = headers.get("origin")
        site = headers.get("sec-fetch-site", "same-origin")
        own_origins = [None, *(f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https"))]
        if (origin and origin.lower()) not in own_origins or site not in ("same-origin", "none"):
            raise HTTPException(403, "the request comes from a page of another site")
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if method == "POST" and content_type != f"application/{kind}":
            raise HTTPException(415, f"expected the header Content-Type: application/{kind}")

    async def _read_body(self, request: Request, file: Spool | None) -> bytes:
        """Return a body of JSON, or write any bytes to a file and return none, or raise HTTPException."""
        content = bytearray()
        limits = self._limits
        most = limits.body_bytes if file is None else limits.file_bytes
        size = 0
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > most:
                        raise HTTPException(
                            413, f"the body has more than {most:,} bytes, the limit"
                        )
                    if file is None:
                        content += chunk
                    else:
                        file.file.write(chunk)
            if file is not None:
                file.file.flush()
            else:
                parse_json(content.decode("utf-8"))
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive in {limits.seconds:g} s") from None
        except ClientDisconnect:
            raise HTTPException(400, "the body was cut short") from None
        except OSError:
            raise HTTPException(503, "the server has no room for the file") from None
        except ValueError as error:
            fault = error if content else "it is empty"
            raise HTTPException(400, f"the body is not JSON in UTF-8: {fault}") from None
        return bytes(content)


def _receive_body(body: bytes, receive: Receive) -> Receive:
    """Return a function that receives a whole body, and then what else the client does."""
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def receive_next() -> Message:
        return messages.pop() if messages else await receive()

    return receive_next
