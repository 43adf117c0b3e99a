"""Application: the page, the answers in JSON, the state of the server, and its OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qllmft.serving.batches import Batches, FullError, StoppedError
from qllmft.serving.guard import Guard
from qllmft.serving.limits import Limits
from qllmft.serving.model import ServedModel
from qllmft.serving.openapi import document
from qllmft.serving.requests import items_of, read_object, text_to_explain
from qllmft_backends.errors import BackendError, CostRefusedError
from qllmft_backends.masking import masked
from qllmft_backends.plugins import one_line

_PAGE = {
    "/": ("page.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}


def make_app(
    model: ServedModel,
    limits: Limits | None = None,
    *,
    names: Collection[str] = (),
    report: Callable[[str], None] = lambda _: None,
) -> Starlette:
    """Return the ASGI application of a loaded model. Its thread runs during the application's lifespan.

    ``names`` are those of this server beside localhost, which the header ``Host`` may have. ``report`` gets a line per
    failure of the model, without texts of requests.
    """
    limits = limits or Limits()
    facts = {
        **model.describe(),
        "limits": {name: getattr(limits, name) for name in ("texts", "characters")},
    }
    batches = Batches(model, model.predictor.model.body.batch_size, limits.waiting)

    async def predict(request: Request) -> Response:
        items = items_of(await read_object(request, limits), limits, pairs=model.pairs)
        return JSONResponse({"predictions": await _answered(lambda: batches.answer(items), report)})

    async def explain(request: Request) -> Response:
        text = text_to_explain(await read_object(request, limits), limits)
        return JSONResponse(await _answered(lambda: batches.explain(text), report))

    async def health(_: Request) -> Response:
        state = {
            "status": "ok" if batches.alive else "stopped",
            "waiting": batches.waiting,
            "model": facts,
        }
        return JSONResponse(state, 200 if batches.alive else 503)

    async def openapi(_: Request) -> Response:
        return JSONResponse(document(model, limits))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        with batches:
            yield

    routes = [Route(path, _file(*content)) for path, content in _PAGE.items()]
    routes += [
        Route("/predict", predict, methods=["POST"]),
        Route("/health", health),
        Route("/openapi.json", openapi),
    ]
    if model.explains:
        routes.append(Route("/explain", explain, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, names=names)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )


def _file(name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a file of this package."""
    content = files("qllmft.serving").joinpath(name).read_bytes()

    async def endpoint(_: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _answered(ask: Callable[[], Future[Any]], report: Callable[[str], None]) -> Any:
    """Return the result of the model's thread, or raise HTTPException, whose text has no detail of this machine."""
    try:
        return await asyncio.wrap_future(ask())
    except FullError as full:
        raise HTTPException(503, str(full), {"Retry-After": str(full.retry_s)}) from None
    except StoppedError as stopped:
        raise HTTPException(503, str(stopped)) from None
    except Exception as error:
        report(masked(one_line(error)))
        if isinstance(error, CostRefusedError):
            raise HTTPException(
                402, "the server's cost limit refuses the circuits; nothing was sent"
            ) from None
        if isinstance(error, BackendError):
            raise HTTPException(
                502, "the backend gave no answer; the server's messages have the reason"
            ) from None
        raise HTTPException(
            500, "the model gave no answer; the server's messages have the reason"
        ) from None
