"""Guard: refuses requests that another site's page makes a browser send."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    """Application around another one: checks the header of each request and adds headers to each answer.

    A page of another site can make a browser send requests here, directly or, after its name was given this machine's
    address, as if they came from here. A browser tells both apart by ``Host`` and ``Origin``. An address in ``Host`` is
    safe, because such an attack needs a name.

    Args:
        app: the application.
        names: names of this server beside localhost.
    """

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self._app = app
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

        fault = self._fault(scope["method"], Headers(scope=scope))
        app = (
            self._app if fault is None else JSONResponse({"error": fault[1]}, status_code=fault[0])
        )
        await app(scope, receive, send_with_headers)

    def _fault(self, method: str, headers: Headers) -> tuple[int, str] | None:
        """Return status and reason of a refusal, or None."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return (
                403,
                "the header Host names another server; use localhost, an address, or a name of --allowed-host",
            )
        if method in ("GET", "HEAD"):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        ours = [f"{scheme}://{hosts[0].lower()}" for scheme in ("http", "https")]
        here = origin is None or origin.lower() in ours
        if not here or site not in ("same-origin", "none"):
            return 403, "the request comes from a page of another site"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "expected the header Content-Type: application/json"
        return None

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name.rstrip(".") in self._names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
