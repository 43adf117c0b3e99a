"""Bodies of requests and answers as pydantic models, which FastAPI checks and describes in its OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

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

from qllmft.inference.explanation import Neighbour, WordEffect
from qllmft.inference.items import check_items
from qllmft.serving import RequestLimits
from qllmft.serving.model import ServedModel

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
    def _has_one_key(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"the body is a JSON {type(value).__name__}, expected an object")
        own, known = value.keys() - {"model"}, cls.model_fields.keys()
        if len(own) != 1 or not value.keys() <= known:
            names = ", ".join(sorted(value)) or "nothing"
            expected = [name for name in known if name != "model"]
            either = "either " * (len(expected) > 1)
            raise ValueError(f"got {names[:100]}, expected {either}{' or '.join(expected)}")
        return value


def bodies(limits: RequestLimits, *, pairs: bool, rows: Sequence[str] = ()) -> tuple[Any, Any]:
    """Return the models of the bodies of requests to predict, with texts or pairs, and to explain.

    Args:
        limits: of requests.
        pairs: the model compares two texts.
        rows: names of other rows of the run's table, which a request to predict may name as ``model``.
    """

    def checked(item: Any) -> Any:
        check_items([item], pairs=pairs)
        return item

    def few(text: str) -> str:
        if len(text.split()) > limits.words:
            raise ValueError(
                f"the text has more than {limits.words} words, the limit of an explanation"
            )
        return text

    text: Any = Annotated[str, StringConstraints(min_length=1, max_length=limits.characters)]
    item: Any = Annotated[tuple[text, text] if pairs else text, BeforeValidator(checked)]
    texts: Any = Annotated[list[item], Field(min_length=1, max_length=limits.texts)]
    row: dict[str, Any] = {"model": (Literal[tuple(rows)], None)} if rows else {}
    return (
        create_model("Texts", __base__=_Body, text=(item, None), texts=(texts, None), **row),
        create_model("Text", __base__=_Body, text=(Annotated[item, AfterValidator(few)], ...)),
    )


def fault_of(error: dict[str, Any]) -> str:
    """Return one of pydantic's errors as a sentence with what was got and what was expected."""
    context, given = error.get("ctx", {}), error["input"]
    where, most = ".".join(map(str, error["loc"][1:])), context.get("max_length", 0)
    match error["type"]:
        case "string_too_long":
            return f"a text has {len(given):,} characters, expected at most {most:,}"
        case "too_long":
            return f"got {len(given):,} texts, expected at most {most:,} in a request"
        case "too_short" | "list_type":
            return "texts is not a list of one text or more"
        case "literal_error":
            return f"{where}: got {str(given)[:100]!r}, expected {context['expected']}"
        case "value_error":
            return str(context["error"])
    return f"{where}: {error['msg']}"


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


def predictions_of(model: ServedModel) -> Any:
    """Return the model of the answers to a request to predict."""
    name: Any = Literal[tuple(model.predictor.model.label_names)]
    task, fields = model.predictor.task, dict[str, Any]()
    if task.real:
        fields["values"] = (dict[name, float], ...)
    else:
        fields["labels" if task.several else "label"] = (list[name] if task.several else name, ...)
        fields["probabilities"] = (dict[name, _Probability], ...)
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
