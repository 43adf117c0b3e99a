"""OpenAPI document of a server, with the labels and limits of its model."""

from __future__ import annotations

from typing import Any

from qllmft.serving.limits import Limits
from qllmft.serving.model import ServedModel
from qllmft.versions import versions

_PROBABILITY = {"type": "number", "minimum": 0, "maximum": 1}


def document(model: ServedModel, limits: Limits) -> dict[str, Any]:
    """Return the document, version 3.1 of OpenAPI."""
    text = {"type": "string", "minLength": 1, "maxLength": limits.characters}
    item = {"type": "array", "items": text, "minItems": 2, "maxItems": 2} if model.pairs else text
    texts = {"type": "array", "items": item, "minItems": 1, "maxItems": limits.texts}
    answer = _object(_prediction(model), optional=("standard_error", "decided"))
    paths = {
        "/predict": {
            "post": _operation(
                "Predict one text or a list of texts",
                {"oneOf": [_object({"text": item}), _object({"texts": texts})]},
                _object({"predictions": {"type": "array", "items": answer}}),
                errors=("402", "502", "503"),
            )
        },
        "/health": {
            "get": _operation("State of the server", None, {"type": "object"}, errors=("503",))
        },
    }
    if model.explains:
        paths["/explain"] = {
            "post": _operation(
                "Explain one answer", _object({"text": text}), _explanation(), errors=("503",)
            )
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"qllmft serve {model.folder.resolve().name}",
            "version": versions()["qllmft"],
        },
        "paths": paths,
    }


def _prediction(model: ServedModel) -> dict[str, Any]:
    """Return the properties of one answer."""
    names = list(model.predictor.model.label_names)
    if model.real:
        return {"values": _object({name: {"type": "number"} for name in names})}
    label: dict[str, Any] = {"label": {"enum": names}}
    if model.predictor.has_several:
        label = {"labels": {"type": "array", "items": {"enum": names}}}
    found: dict[str, Any] = {**label, "probabilities": _object(dict.fromkeys(names, _PROBABILITY))}
    if model.backend is None:
        return found
    return found | {
        "standard_error": {"type": "number", "minimum": 0},
        "decided": {"type": "boolean"},
    }


def _explanation() -> dict[str, Any]:
    string, number = {"type": "string"}, {"type": "number"}
    word = {"word": string, "position": {"type": "integer"}, "effect": number, "label": string}
    neighbour = {"text": string, "label": string, "cosine": number}
    return _object(
        {
            "text": string,
            "label": string,
            "probabilities": {"type": "object", "additionalProperties": _PROBABILITY},
            "words": {"type": "array", "items": _object(word)},
            "neighbours": {"type": "array", "items": _object(neighbour)},
            "note": {"type": ["string", "null"]},
        }
    )


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the schema of an object with these properties and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _operation(
    summary: str, body: dict[str, Any] | None, answer: dict[str, Any], errors: tuple[str, ...]
) -> dict[str, Any]:
    """Return an operation with its answer and its errors."""
    refused = ("400", "403", "408", "413", "415", "422") if body else ("403",)
    error = _content(_object({"error": {"type": "string"}}))
    responses = {"200": {"description": "answer", **_content(answer)}}
    responses |= {
        status: {"description": _ERRORS[status], **error}
        for status in sorted((*refused, *errors, "500"))
    }
    request = {"requestBody": {"required": True, **_content(body)}} if body else {}
    return {"summary": summary, **request, "responses": responses}


_ERRORS = {
    "400": "the body is not JSON in UTF-8",
    "402": "the circuits would cost more than the server's limit",
    "403": "the request is for another server, or from a page of another site",
    "408": "the body did not arrive in time",
    "413": "the body is too long",
    "415": "the content type is not application/json",
    "422": "the body holds something else than texts, or too many, or too long ones",
    "500": "the model gave no answer",
    "502": "the backend gave no answer",
    "503": "too many texts wait (Retry-After has the seconds), or the server ends",
}


def _content(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}
