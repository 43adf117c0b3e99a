"""Server: an application on a port of this machine, until Ctrl-C."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

from qllmft.errors import UserError

_GRACE_S = 10  # for requests in work after Ctrl-C
_CONNECTIONS = 1000


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address or a name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_port(host: str, port: int) -> socket.socket:
    """Return a listening socket, or raise UserError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=_CONNECTIONS)
    except OSError as error:
        raise UserError(
            f"the server cannot listen on {host}, port {port}: {error.strerror}. Choose another one with --port, or 0 "
            "for any free one."
        ) from None


def run_app(app: Any, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve an application until Ctrl-C, which lets requests in work end. ``ready`` gets the address."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,  # no addresses of clients
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
    )
    host, port = listening.getsockname()[:2]
    ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after its end
        uvicorn.Server(config).run(sockets=[listening])
