"""Connections have uvicorn's limits: their number, the time to the next request, and the size of a header."""

import asyncio
import http.client
import socket
import threading
import time
from contextlib import ExitStack, suppress

import pytest

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def answer(scope, receive, send):
    """Send one byte, without a look at the body."""
    if scope["type"] != "http":
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]}
    )
    await send({"type": "http.response.body", "body": b"x"})


@pytest.fixture
def address(monkeypatch):
    """Serve `answer` with small limits; give the address."""
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    import uvicorn

    from qllmft_doors.serving import port

    limits = {"MAX_CONNECTIONS": 4, "MAX_KEEP_ALIVE_S": 1, "MAX_HEADER_BYTES": 2_000}
    for name, value in limits.items():
        monkeypatch.setattr(port, name, value)
    config = port.server_config(answer)
    config.lifespan = "off"
    with port.open_port("127.0.0.1", 0) as listening:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        server.force_exit = True
        thread.join(10)


def request_status(address):
    connection = http.client.HTTPConnection(*address, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    finally:
        connection.close()


def read_until_closed(client):
    """Return what a connection gives until it is closed, by a reset too."""
    content = b""
    with suppress(ConnectionResetError):
        while part := client.recv(1 << 20):
            content += part
    return content


def test_a_connection_is_kept_for_its_next_request_and_closed_without_one(address):
    with socket.create_connection(address, timeout=20) as client:
        for _ in range(2):
            client.sendall(REQUEST)
            content = b""
            while not content.endswith(b"\r\n\r\nx"):
                part = client.recv(1_000)
                assert part, content
                content += part
        assert read_until_closed(client) == b""


def test_too_many_connections_are_told_so_until_some_are_closed(address):
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(socket.create_connection(address, timeout=5))
        assert request_status(address) == 503
    give_up = time.monotonic() + 10
    while (status := request_status(address)) != 200 and time.monotonic() < give_up:
        time.sleep(0.05)
    assert status == 200


def test_a_header_without_end_is_refused(address):
    with socket.create_connection(address, timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000)
        assert read_until_closed(client).startswith(b"HTTP/1.1 400")
