"""Answers of a server as pydantic models, with the labels of its model, for FastAPI's OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from qllmft.inference.explanation import Neighbour, WordEffect
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

    status: Literal["ok", "stopped"]
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
