"""Connections of slow clients, and too many of them, are closed; those of others are answered."""

import asyncio
import http.client
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

BIG = 8_000_000


async def answer(scope, receive, send):
    """Send one byte, or many for the path /big, without a look at the body."""
    length = BIG if scope["path"] == "/big" else 1
    headers = [(b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"x" * length})


@pytest.fixture
def address(monkeypatch):
    """Serve `answer` with small bounds; give the address."""
    pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")
    import uvicorn

    from qllmft_doors.serving import guard
    from qllmft_doors.serving.port import open_port

    for name, value in {
        "MAX_CONNECTIONS": 6,
        "MAX_PER_ADDRESS": 4,
        "CLIENT_TIMEOUT_S": 0.4,
    }.items():
        monkeypatch.setattr(guard, name, value)
    config = uvicorn.Config(
        answer, http=guard.BoundedConnection, lifespan="off", log_config=None, ws="none"
    )
    with open_port("127.0.0.1", 0) as listening:
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join(10)


@contextmanager
def connected(address, *parts, source="127.0.0.1"):
    with socket.create_connection(address, timeout=5, source_address=(source, 0)) as client:
        for part in parts:
            client.sendall(part)
        yield client


def answered(client):
    """Read an answer of one byte."""
    found = b""
    while not found.endswith(b"\r\n\r\nx"):
        part = client.recv(1000)
        assert part, found
        found += part


def rest(client):
    """Return what a connection gives until it is closed, by a reset too."""
    found = b""
    try:
        while part := client.recv(1 << 20):
            found += part
    except ConnectionResetError:
        pass
    return found


def status(address, source="127.0.0.1"):
    asked = http.client.HTTPConnection(*address, timeout=5, source_address=(source, 0))
    try:
        asked.request("GET", "/")
        return asked.getresponse().status
    finally:
        asked.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: here\r\n"])
def test_a_header_is_complete_in_time_or_the_connection_is_closed(address, sent):
    with connected(address, sent) as client:
        assert status(address) == 200
        assert rest(client) == b""


def test_bytes_of_a_header_now_and_then_do_not_prolong_its_time(address):
    with connected(address, b"GET / HTTP/1.1\r\n") as client:
        sent = 0
        with suppress(ConnectionResetError, BrokenPipeError):
            for sent in range(100):  # noqa: B007
                client.sendall(b"X: y\r\n")
                time.sleep(0.05)
    assert 4 <= sent < 60


def test_a_kept_connection_is_used_again_and_closed_at_its_next_half_header(address):
    request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
    with connected(address, request) as client:
        answered(client)
        time.sleep(0.2)
        client.sendall(request)
        answered(client)
        client.sendall(request[:-2])
        assert rest(client) == b""


def test_a_body_after_its_answer_arrives_in_time_or_the_connection_is_closed(address):
    request = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n\r\n123"
    with connected(address, request) as client:
        answered(client)
        assert rest(client) == b""


def test_an_answer_that_is_not_read_is_dropped(address):
    request = b"GET /big HTTP/1.1\r\nHost: here\r\n"
    with connected(address, request + b"\r\n") as client:
        time.sleep(1.5)
        assert len(rest(client)) < BIG
    with connected(address, request + b"Connection: close\r\n\r\n") as client:
        assert len(rest(client)) > BIG


def test_too_many_connections_close_the_one_that_waits_longest_for_a_header(address):
    half = b"GET / HTTP/1.1\r\n"
    with ExitStack() as stack:
        own = [stack.enter_context(connected(address, half)) for _ in range(4)]
        assert status(address) == 200
        assert rest(own[0]) == b""
        stack.enter_context(connected(address, half))
        for source in ("127.0.0.2", "127.0.0.3"):
            stack.enter_context(connected(address, half, source=source))
        begun = time.monotonic()
        assert status(address, "127.0.0.4") == 200
        assert rest(own[1]) == b""
        assert time.monotonic() < begun + 0.2
    assert status(address) == 200
