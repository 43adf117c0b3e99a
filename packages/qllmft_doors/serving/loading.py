"""Application that answers while a model loads, and that changes to the model's new version without a stop."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from qllmft_base.errors import UserError
from qllmft_base.text import error_text, mask_credentials

RETRY_S = 2  # of an answer while the model loads
LEAVE_S = 10.0  # until the requests of the old model are answered
_PAGE = (
    f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="{RETRY_S}">'
    "<title>Loading</title><p>The model loads. This page opens by itself.</p></html>"
)


@dataclass(eq=False)
class _Running:
    """Application of a loaded model, and what ends it."""

    app: Any
    stack: AsyncExitStack
    requests: int = 0  # that it answers now


class Reloadable:
    """ASGI application around that of a loaded model.

    Until the model is loaded, ``/health`` says so, and every answer has status 503 and ``Retry-After``. SIGHUP loads
    the model again. Requests go to the old one until the new one is ready. If it cannot be loaded, the old one stays.

    Args:
        load: returns the application of the model, from its folder as it is then. It is called in a thread.
        report: gets a line about each reload.
        ready: called when the model answers first.
    """

    def __init__(
        self, load: Callable[[], Any], report: Callable[[str], None], ready: Callable[[], None]
    ) -> None:
        self._load = load
        self._report = report
        self._ready = ready
        self._running: _Running | None = None
        self._loading: asyncio.Task[None] | None = None
        self.failure: BaseException | None = None  # of the first load, which ends the server
        self.end_server: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        running = self._running
        if running is None:
            await _loading_answer(scope["path"])(scope, receive, send)
            return
        running.requests += 1
        try:
            await running.app(scope, receive, send)
        finally:
            running.requests -= 1

    def end_uploads(self) -> None:
        """End the reading of files."""
        if self._running is not None:
            self._running.app.state.uploads.end()

    def reload(self) -> None:
        """Begin to load the model again, unless it loads now."""
        if self._loading is None or self._loading.done():
            self._report("The model is loaded again.")
            self._loading = asyncio.get_running_loop().create_task(self._change())
        else:
            self._report("The model loads already. Ask again later.")

    async def _live(self, receive: Receive, send: Send) -> None:
        """Load the model at the start, and end its application with the server."""
        await receive()
        loop = asyncio.get_running_loop()
        can_reload = hasattr(signal, "SIGHUP") and (
            threading.current_thread() is threading.main_thread()
        )
        if can_reload:
            loop.add_signal_handler(signal.SIGHUP, self.reload)
        self._loading = loop.create_task(self._change())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if can_reload:
            loop.remove_signal_handler(signal.SIGHUP)
        self._loading.cancel()
        if self._running is not None:
            await self._running.stack.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _change(self) -> None:
        """Load the model, and give it all further requests."""
        try:
            app = await _in_thread(self._load)
            stack = AsyncExitStack()
            await stack.enter_async_context(app.router.lifespan_context(app))
        except Exception as error:  # a folder or a backend may fail in any way
            if self._running is None:
                self.failure = error
                self.end_server()
                return
            reason = error if isinstance(error, UserError) else error_text(error)
            self._report(f"The old model stays: {mask_credentials(str(reason))}")
            return
        old = self._running
        self._running = _Running(app, stack)
        if old is None:
            self._ready()
            return
        self._report("The model is the new one.")
        end = time.monotonic() + LEAVE_S
        while old.requests and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await old.stack.aclose()


def _loading_answer(path: str) -> Response:
    """Return what a request gets while the model loads."""
    headers = {"Retry-After": str(RETRY_S), "Connection": "close", "Cache-Control": "no-store"}
    if path == "/":
        return HTMLResponse(_PAGE, 503, headers)
    state = {"status": "loading"} if path == "/health" else {"error": "the model loads"}
    return JSONResponse(state, 503, headers)


async def _in_thread(load: Callable[[], Any]) -> Any:
    """Return what a function returns in a thread that does not keep the process alive."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.done():  # the server has ended
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def work() -> None:
        outcome: tuple[Any, BaseException | None]
        try:
            outcome = load(), None
        except BaseException as error:
            outcome = None, error
        loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, name="loading", daemon=True).start()
    return await done
