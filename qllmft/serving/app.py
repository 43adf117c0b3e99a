"""Application: the page, answers in JSON, the state and FastAPI's OpenAPI document, on a port of this machine."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from qllmft.errors import UserError
from qllmft.serving import RequestLimits
from qllmft.serving.batches import Batches, NotTakenError
from qllmft.serving.connections import AT_ONCE, BoundedConnection
from qllmft.serving.guard import Guard
from qllmft.serving.model import ServedModel
from qllmft.serving.requests import (
    ExplainedAnswer,
    Health,
    bodies,
    fault_of,
    predictions_of,
    refusals,
)
from qllmft.versions import versions
from qllmft_backends.errors import BackendError, CostRefusedError
from qllmft_backends.text import error_text, masked

_FILES = files("qllmft.serving")
_PAGE: list[BaseRoute] = [
    Route(path, Response((_FILES / name).read_bytes(), media_type=kind), methods=["GET"])
    for path, name, kind in (
        ("/", "page.html", "text/html"),
        ("/page.js", "page.js", "text/javascript"),
        ("/page.css", "page.css", "text/css"),
    )
]
_READ = (400, 408, 413, 415, 422)  # refusals of a request with a body
_GRACE_S = 10  # for requests in work after Ctrl-C


def make_app(
    model: ServedModel,
    limits: RequestLimits | None = None,
    *,
    names: Collection[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> FastAPI:
    """Return the ASGI application of a loaded model. Its thread runs during the application's lifespan.

    Args:
        model: the loaded model.
        limits: of requests; None: the defaults.
        names: those of this server beside localhost, which the header ``Host`` may have.
        report: gets a line per failure of the model, without texts of requests.
    """
    limits = limits or RequestLimits()
    batches = Batches(model, model.predictor.model.body.batch_size, limits.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with batches:
            yield

    app = FastAPI(
        title=f"qllmft serve {model.folder.resolve().name}",
        version=versions()["qllmft"],
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        routes=_PAGE,
        middleware=[Middleware(Guard, limits=limits, names=names)],
        exception_handlers=dict.fromkeys((HTTPException, RequestValidationError), _refused),
        lifespan=lifespan,
    )
    texts, one_text = bodies(limits, pairs=model.pairs, rows=list(model.rows))

    @app.post(
        "/predict",
        summary="Predict one text or a list of texts",
        response_model=predictions_of(model),
        responses=refusals(*_READ, 402, 502, 503),
    )
    async def predict(request: texts) -> Response:  # type: ignore[valid-type]
        items = request.texts or [request.text]  # type: ignore[attr-defined]
        row = getattr(request, "model", None) or ""
        found = await _answered(lambda: batches.answer(items, row), report)
        return JSONResponse({"predictions": found})

    async def explain(asked: one_text) -> Response:  # type: ignore[valid-type]
        return JSONResponse(await _answered(lambda: batches.explain(asked.text), report))  # type: ignore[attr-defined]

    if model.explains:
        app.post(
            "/explain",
            summary="Explain one answer",
            response_model=ExplainedAnswer,
            responses=refusals(*_READ, 503),
        )(explain)

    own = {"limits": {"texts": limits.texts, "characters": limits.characters}}
    _show_state(app, batches, model.describe() | own)
    return app


def _show_state(app: FastAPI, batches: Batches, facts: dict[str, Any]) -> None:
    """Add the state of a queue with facts on the model, and its numbers for Prometheus."""
    registry = CollectorRegistry()
    registry.register(batches)

    @app.get(
        "/health", summary="State of the server", response_model=Health, responses=refusals(503)
    )
    async def health() -> Response:
        status = batches.status
        state = {"status": status, "waiting": batches.waiting, "model": facts}
        return JSONResponse(state, 200 if status == "ok" else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return JSONResponse({"error": fault_of(error.errors()[0])}, 422)
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _answered(ask: Callable[[], Future[Any]], report: Callable[[str], None]) -> Any:
    """Return the result of the model's thread, or raise HTTPException, whose text has no detail of this machine."""
    try:
        return await asyncio.wrap_future(ask())
    except NotTakenError as error:
        after = {} if error.retry_s is None else {"Retry-After": str(error.retry_s)}
        raise HTTPException(503, str(error), after) from None
    except Exception as error:
        report(masked(error_text(error)))
        status, words = 500, "the model gave no answer; the server's messages have the reason"
        if isinstance(error, CostRefusedError):
            status, words = 402, "the server's cost limit refuses the circuits; nothing was sent"
        elif isinstance(error, BackendError):
            status, words = 502, "the backend gave no answer; the server's messages have the reason"
        raise HTTPException(status, words) from None


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
        listening = socket.create_server(address[:2], family=family, backlog=AT_ONCE)
    except OSError as error:
        raise UserError(
            f"the server cannot listen on {host}, port {port}: {error.strerror}. Choose another one with --port, or 0 "
            "for any free one."
        ) from None
    # connections inherit it: small answers are sent at once, not after the client's delayed acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run_app(app: Any, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Serve an application until Ctrl-C, which lets requests in work end. ``ready`` gets the address."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        loop="asyncio",
        http=BoundedConnection,
        backlog=AT_ONCE,
        ws="none",
        log_config=None,
        log_level="error",
        access_log=False,  # no addresses of clients
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    host, port = listening.getsockname()[:2]
    ready(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    with suppress(KeyboardInterrupt):  # uvicorn raises it again after its end
        uvicorn.Server(config).run(sockets=[listening])
