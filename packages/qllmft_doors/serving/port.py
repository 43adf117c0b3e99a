"""A port of this machine, and the server of an application on it."""

import ipaddress
import socket
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from qllmft_base.errors import UserError
from qllmft_doors.bounds import (
    MAX_CONNECTIONS,
    MAX_GRACE_S,
    MAX_HEADER_BYTES,
    MAX_KEEP_ALIVE_S,
    MAX_WAITING_CONNECTIONS,
)
from qllmft_doors.serving.loading import Reloadable


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
        server_socket = socket.create_server(
            address[:2], family=family, backlog=MAX_WAITING_CONNECTIONS
        )
    except (OSError, UnicodeError) as error:  # the second of a host that is no name
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(
            f"the server cannot listen on {host}, port {port}: {reason}. Choose another one with --port, or 0 for any "
            "free one."
        ) from None
    # connections inherit it: small answers are sent at once, not after the client's delayed acknowledgement
    server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return server_socket


def address_of(server_socket: socket.socket) -> str:
    """Return the address of a listening socket."""
    host, port = server_socket.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def run_app(app: Reloadable, server_socket: socket.socket) -> None:
    """Serve an application until Ctrl-C, which ends the reading of files, and lets other requests in work end.

    Raises:
        Exception: that of the model, if it cannot be loaded.
    """
    server = _Server(server_config(app))
    app.end_server = server.end
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after its end
        server.run(sockets=[server_socket])
    if app.failure is not None:
        raise app.failure


def server_config(app: Any) -> uvicorn.Config:
    """Return the settings of the server, with uvicorn's limits on connections."""
    return uvicorn.Config(
        app,
        lifespan="on",
        loop="asyncio",
        http="h11",
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=MAX_KEEP_ALIVE_S,
        backlog=MAX_WAITING_CONNECTIONS,
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,  # no addresses of clients
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=MAX_GRACE_S,
    )


class _Server(uvicorn.Server):
    """Server that reads no file on after a signal has asked it to end."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.config.app.end_uploads()  # type: ignore[union-attr]
        super().handle_exit(sig, frame)

    def end(self) -> None:
        """End without a signal."""
        self.should_exit = True
