"""Application: the page, answers in JSON, the state and FastAPI's OpenAPI document."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import PurePath
from typing import Annotated, Any, Literal

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    create_model,
    model_validator,
)
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from qllmft.inference.explanation import Neighbour, WordEffect
from qllmft.inference.items import check_items
from qllmft_backends.errors import BackendError, CostRefusedError
from qllmft_base.errors import UserError
from qllmft_base.text import error_text, mask_credentials, printable
from qllmft_base.versions import versions
from qllmft_doors.bounds import MAX_FILE_NAME_CHARACTERS, RequestLimits
from qllmft_doors.serving.batches import Batches, NotTakenError
from qllmft_doors.serving.guard import FILE_PATH, Guard
from qllmft_doors.serving.model import ServedModel
from qllmft_doors.serving.uploads import SenderLeftError, Uploads, wait_until_left
from qllmft_tables.spool import Spool

# --- bodies of requests and answers as pydantic models, which FastAPI checks and describes in its OpenAPI document

_Probability = Annotated[float, Field(ge=0, le=1)]

ERRORS = {
    400: "the body is not JSON in UTF-8",
    402: "the circuits would cost more than the server's limit",
    403: "the request is for another server, or from a page of another site",
    408: "the body did not arrive in time",
    413: "the body is too long",
    415: "the content type is not application/json",
    422: "the body holds something else than texts, or too many, or too long ones",
    500: "the model gave no answer",
    502: "the backend gave no answer",
    503: "too many texts wait (Retry-After has the seconds), or the server ends",
}


class _Object(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Body(_Object):
    """Object with one key, beside ``model`` if that is a key."""

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"the body is a JSON {type(value).__name__}, expected an object")
        request_keys = value.keys() - {"model"}
        model_keys = cls.model_fields.keys()
        if len(request_keys) != 1 or not value.keys() <= model_keys:
            names = ", ".join(sorted(value)) or "nothing"
            expected = [name for name in model_keys if name != "model"]
            either = "either " if len(expected) > 1 else ""
            raise ValueError(f"got {names[:100]}, expected {either}{' or '.join(expected)}")
        return value


def make_request_models(
    limits: RequestLimits, *, pairs: bool, names: Sequence[str]
) -> tuple[Any, Any]:
    """Return the models of the bodies of requests to predict, with texts or pairs, and to explain.

    Args:
        limits: of requests.
        pairs: the model compares two texts.
        names: those of models that a request may name as ``model``.
    """

    def check_item(item: Any) -> Any:
        check_items([item], pairs=pairs)
        return item

    def check_word_count(text: str) -> str:
        if len(text.split()) > limits.words:
            raise ValueError(
                f"the text has more than {limits.words} words, the limit of an explanation"
            )
        return text

    text: Any = Annotated[str, StringConstraints(min_length=1, max_length=limits.characters)]
    item: Any = Annotated[tuple[text, text] if pairs else text, BeforeValidator(check_item)]
    texts: Any = Annotated[list[item], Field(min_length=1, max_length=limits.texts)]
    model_field: dict[str, Any] = {"model": (Literal[tuple(names)], None)} if names else {}
    short_item: Any = Annotated[item, AfterValidator(check_word_count)]
    return (
        create_model(
            "Texts", __base__=_Body, text=(item, None), texts=(texts, None), **model_field
        ),
        create_model("Text", __base__=_Body, text=(short_item, ...), **model_field),
    )


def describe_fault(error: dict[str, Any]) -> str:
    """Return one of pydantic's errors as a sentence with what was got and what was expected."""
    context = error.get("ctx", {})
    received_value = error["input"]
    location = ".".join(map(str, error["loc"][1:]))
    limit = context.get("max_length", 0)
    match error["type"]:
        case "string_too_long":
            return f"a text has {len(received_value):,} characters, expected at most {limit:,}"
        case "too_long":
            return f"got {len(received_value):,} texts, expected at most {limit:,} in a request"
        case "too_short" | "list_type":
            return "texts is not a list of one text or more"
        case "literal_error":
            return f"{location}: got {str(received_value)[:100]!r}, expected {context['expected']}"
        case "value_error":
            return str(context["error"])
    return f"{location}: {error['msg']}"


class Refusal(_Object):
    """Answer to a request that is refused."""

    error: str


class ExplainedAnswer(_Object):
    """Explanation of one answer."""

    text: str
    label: str
    probabilities: dict[str, _Probability]
    words: list[WordEffect]
    neighbours: list[Neighbour]
    note: str | None


class Health(BaseModel):
    """State of the server."""

    status: Literal["ok", "stuck", "stopped"]
    waiting: int
    model: dict[str, Any]


def make_answer_model(model: ServedModel) -> Any:
    """Return the model of the answers to a request to predict."""
    name: Any = Literal[tuple(model.predictor.model.label_names)]
    task = model.predictor.task
    fields = dict[str, Any]()
    if task.real:
        fields["values"] = (dict[name, float], ...)
    else:
        fields["labels" if task.several else "label"] = (list[name] if task.several else name, ...)
        fields["probabilities"] = (dict[name, _Probability], ...)
        # only of texts that the language model does not know in part, or cuts
        fields["unknown"] = (_Probability, 0.0)
        fields["cut"] = (bool, False)
    if model.backend is not None:
        fields["standard_error"] = (Annotated[float, Field(ge=0)], ...)
        fields["decided"] = (bool, ...)
    answer = create_model("Prediction", __base__=_Object, **fields)
    return create_model("Predictions", __base__=_Object, predictions=(list[answer], ...))


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of refusals for an operation of FastAPI."""
    return {
        status: {"model": Refusal, "description": ERRORS[status]}
        for status in sorted((403, 500, *statuses))
    }


# --- the application

_FILES = files("qllmft_doors.serving")
_PAGE: list[BaseRoute] = [
    Route(path, Response((_FILES / name).read_bytes(), media_type=kind), methods=["GET"])
    for path, name, kind in (
        ("/", "page.html", "text/html"),
        ("/page.js", "page.js", "text/javascript"),
        ("/page.css", "page.css", "text/css"),
    )
]
_BODY_REFUSALS = (400, 408, 413, 415, 422)  # refusals of a request with a body
_PART_BYTES = 65_536


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
        exception_handlers=dict.fromkeys((HTTPException, RequestValidationError), _answer_refusal),
        lifespan=lifespan,
    )
    _add_predictions(app, model, batches, limits, report)
    uploads = app.state.uploads = Uploads(limits)
    _add_file_reading(app, model, uploads, report)
    _add_state(app, model, batches, limits)
    return app


def _add_predictions(
    app: FastAPI,
    model: ServedModel,
    batches: Batches,
    limits: RequestLimits,
    report: Callable[[str], None],
) -> None:
    """Add the addresses that predict texts and, if the model has what it takes, explain an answer."""
    texts, one_text = make_request_models(limits, pairs=model.pairs, names=list(model.predictors))

    @app.post(
        "/predict",
        summary="Predict one text or a list of texts",
        response_model=make_answer_model(model),
        responses=refusals(*_BODY_REFUSALS, 402, 502, 503),
    )
    async def predict(request: texts) -> Response:  # type: ignore[valid-type]
        items = request.texts or [request.text]  # type: ignore[attr-defined]
        name = getattr(request, "model", None) or ""
        predictions = await _await_answer(lambda: batches.answer(items, name), report)
        return JSONResponse({"predictions": predictions})

    async def explain(request: one_text) -> Response:  # type: ignore[valid-type]
        name = getattr(request, "model", None) or ""
        text = request.text  # type: ignore[attr-defined]
        return JSONResponse(await _await_answer(lambda: batches.explain(text, name), report))

    if model.explains:
        app.post(
            "/explain",
            summary="Explain one answer",
            response_model=ExplainedAnswer,
            responses=refusals(*_BODY_REFUSALS, 503),
        )(explain)


def _add_file_reading(
    app: FastAPI, model: ServedModel, uploads: Uploads, report: Callable[[str], None]
) -> None:
    """Add the address that returns the texts of a file, for the page."""

    @app.post(FILE_PATH, include_in_schema=False)
    async def texts_of_file(
        request: Request,
        name: str,
        column: str | None = None,
        pair_column: str | None = None,
        names: str | None = None,
        delimiter: str | None = None,
    ) -> Response:
        """Return the texts of a file, whose bytes are the body of the request.

        Args:
            request: its scope holds the file.
            name: of the file; the suffix tells its format.
            column: of the texts; None: the run's.
            pair_column: of the second texts of pairs; None: the run's.
            names: of the columns of a table without a line of names, as a list with commas.
            delimiter: of the fields of a table; None: the run's.

        Raises:
            HTTPException: 400 if the sender has left, 422 for a wrong file or setting, 503 if the server ends, and 500
                for any other error.
        """
        name = PurePath(name).name[-MAX_FILE_NAME_CHARACTERS:]
        table = {"column_names": names or None, "delimiter": delimiter or None}
        content: Spool = request.scope["file"]
        await request.body()
        try:
            wanted = model.find_text_columns(name, (column or None, pair_column or None), table)
            leaving = wait_until_left(request.receive)
            answer = await uploads.read(content.file, name, wanted, leaving)
        except UserError as error:
            raise HTTPException(422, printable(str(error))) from None
        except SenderLeftError:
            raise HTTPException(400, "the sender has left") from None
        except NotTakenError as error:
            raise HTTPException(503, str(error)) from None
        except Exception as error:
            report(mask_credentials(error_text(error)))
            raise HTTPException(
                500, "the file cannot be read. The server's messages have the reason"
            ) from None
        return StreamingResponse(_parts(answer), media_type="application/json")


async def _parts(answer: Spool) -> AsyncIterator[bytes]:
    """Yield an answer in parts, of which few are in memory at once."""
    with answer.file as file:
        file.seek(0)
        while part := file.read(_PART_BYTES):
            yield part


def _add_state(app: FastAPI, model: ServedModel, batches: Batches, limits: RequestLimits) -> None:
    """Add the addresses that tell the server's state."""
    facts = model.describe() | {
        "limits": {
            "texts": limits.texts,
            "characters": limits.characters,
            "file_bytes": limits.file_bytes,
        }
    }
    registry = CollectorRegistry()
    registry.register(batches)

    @app.head("/health", include_in_schema=False)
    @app.get(
        "/health", summary="State of the server", response_model=Health, responses=refusals(503)
    )
    async def health() -> Response:
        status = batches.status
        state = {"status": status, "waiting": batches.waiting, "model": facts}
        return JSONResponse(state, 200 if status == "ok" else 503)

    @app.head("/metrics", include_in_schema=False)
    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _answer_refusal(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return JSONResponse({"error": describe_fault(error.errors()[0])}, 422)
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _await_answer(ask: Callable[[], Future[Any]], report: Callable[[str], None]) -> Any:
    """Return the result of the model's thread, or raise HTTPException, whose text has no detail of this machine."""
    try:
        return await asyncio.wrap_future(ask())
    except NotTakenError as error:
        retry_header = {} if error.retry_s is None else {"Retry-After": str(error.retry_s)}
        raise HTTPException(503, str(error), retry_header) from None
    except Exception as error:
        report(mask_credentials(error_text(error)))
        status = 500
        words = "the model gave no answer. The server's messages have the reason"
        if isinstance(error, CostRefusedError):
            status = 402
            words = "the server's cost limit refuses the circuits. Nothing was sent"
        elif isinstance(error, BackendError):
            status = 502
            words = "the backend gave no answer. The server's messages have the reason"
        raise HTTPException(status, words) from None
