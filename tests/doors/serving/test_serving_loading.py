"""A server while its model loads, and while a new version of it takes the old one's place."""

import asyncio
import os
import signal
import threading
from contextlib import asynccontextmanager

import pytest

from qllmft_base.errors import UserError

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install '.[serve]'")


class Version:
    """Application that answers with its number, /slow after `release`, and keeps when it begins and ends."""

    def __init__(self, number, events):
        self.number = number
        self.events = events
        self.release = asyncio.Event()
        self.router = self

    @asynccontextmanager
    async def lifespan_context(self, _):
        self.events.append(f"begin {self.number}")
        yield
        self.events.append(f"end {self.number}")

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/slow":
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(self.number).encode()})


async def ask(app, path="/health"):
    """Return status, headers and body of an answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    await app({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


@asynccontextmanager
async def alive(app):
    """Let an application live, as a server does."""
    received = asyncio.Queue()
    sent = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan"}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    yield
    await received.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await life


async def until(condition):
    """Wait for a condition, 20 s at most."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_it_says_that_it_loads_and_changes_the_model_without_a_stop():
    from qllmft_doors.serving.loading import Reloadable

    events = []
    versions = []
    may_load = threading.Event()

    def load():
        assert may_load.wait(20)
        if len(versions) == 2:
            raise UserError("the folder is damaged.")
        versions.append(Version(len(versions) + 1, events))
        return versions[-1]

    async def scenario():
        app = Reloadable(load, events.append, lambda: events.append("ready"))
        async with alive(app):
            status, headers, body = await ask(app)
            assert (status, headers[b"retry-after"], body) == (503, b"2", b'{"status":"loading"}')
            assert await ask(app, "/predict") == (
                503,
                headers | {b"content-length": b"27"},
                b'{"error":"the model loads"}',
            )
            assert b"opens by itself" in (await ask(app, "/"))[2]
            may_load.set()
            await until(lambda: "ready" in events)
            assert await ask(app) == (200, {}, b"1")
            slow = asyncio.create_task(ask(app, "/slow"))
            await asyncio.sleep(0)
            may_load.clear()
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "The model is loaded again." in events)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "The model loads already. Ask again later." in events)
            assert (await ask(app))[2] == b"1"  # until the new one is ready
            may_load.set()
            await until(lambda: "The model is the new one." in events)
            assert (await ask(app))[2] == b"2"
            assert "end 1" not in events  # it has a request
            versions[0].release.set()
            assert (await slow)[2] == b"1"
            await until(lambda: "end 1" in events)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: "The old model stays: the folder is damaged." in events)
            assert (await ask(app))[2] == b"2"
        assert events[-1] == "end 2"

    asyncio.run(scenario())


def test_a_model_that_cannot_be_loaded_ends_the_server():
    from qllmft_doors.serving.loading import Reloadable

    error = UserError("there is no trained model.")
    ended = []

    def load():
        raise error

    async def scenario():
        app = Reloadable(load, pytest.fail, pytest.fail)
        app.end_server = lambda: ended.append(True)
        async with alive(app):
            await until(lambda: ended)
        assert app.failure is error

    asyncio.run(scenario())
