"""Guard: refuses requests that another site's page makes a browser send, and bodies that are too long or no JSON."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qllmft.files import parse_json
from qllmft.serving import RequestLimits

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

    def __init__(self, app: ASGIApp, limits: RequestLimits, names: Collection[str] = ()) -> None:
        self._app, self._limits = app, limits
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

        try:
            self._check(scope["method"], Headers(scope=scope))
            if scope["method"] == "POST":
                body, receive = await self._body(Request(scope, receive)), receive_body
        except HTTPException as refused:
            answer = JSONResponse({"error": refused.detail}, refused.status_code)
            await answer(scope, receive, send_with_headers)
        else:
            await self._app(scope, receive, send_with_headers)

    def _check(self, method: str, headers: Headers) -> None:
        """Raise HTTPException for a header that is refused."""
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
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise HTTPException(415, "expected the header Content-Type: application/json")

    async def _body(self, request: Request) -> bytes:
        """Return the body of a request, or raise HTTPException."""
        content, limits = bytearray(), self._limits
        try:
            async with asyncio.timeout(limits.seconds):
                async for chunk in request.stream():
                    content += chunk
                    if len(content) > limits.body_bytes:
                        raise HTTPException(
                            413, f"the body has more than {limits.body_bytes:,} bytes, the limit"
                        )
            parse_json(content.decode("utf-8"))
        except TimeoutError:
            raise HTTPException(408, f"the body did not arrive in {limits.seconds:g} s") from None
        except ClientDisconnect:
            raise HTTPException(400, "the body was cut short") from None
        except ValueError as error:
            fault = error if content else "it is empty"
            raise HTTPException(400, f"the body is not JSON in UTF-8: {fault}") from None
        return bytes(content)
