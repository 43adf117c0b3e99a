"""IonQ's published specification, and what it refuses in answers. Without jsonschema tests that use it are skipped."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from qllmft_machines.sandbox.shapes import LABEL

pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install jsonschema")

from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import best_match


class Answer(NamedTuple):
    """An answer as it was sent, and the request."""

    method: str
    path: str
    status: int
    body: Any


def misfits(answers):
    """What the specification refuses in the answers, apart from the mark that they are a mock server's."""
    formats = {
        f"{answer.path}/artifacts/{descriptor['id']}": descriptor["format"]
        for answer in answers
        for descriptor in _descriptors(answer.body)
    }
    return [
        f"{answer.method} {answer.path} ({answer.status}) {error.json_path}: {error.message[:200]}"
        for answer in answers
        if (error := best_match(_errors(answer, formats)))
    ]


def find_operation(answer):
    """The published operation that was answered; None: no such operation is published."""
    target = f"{answer.method} {answer.path.removeprefix('/v0.4')}"
    patterns = {name: re.sub(r"\{\w+\}", "[^/]+", name) for name in OPERATIONS}
    fitting_names = [name for name, pattern in patterns.items() if re.fullmatch(pattern, target)]
    return min(fitting_names, key=lambda name: name.count("{"), default=None)


def _descriptors(value):
    """The artifacts that a job names."""
    if isinstance(value, dict):
        if set(value) == {"id", "format", "media_type"}:
            yield value
        value = list(value.values())
    for entry in value if isinstance(value, list) else ():
        yield from _descriptors(entry)


def _errors(answer, formats):
    name = find_operation(answer)
    if answer.status >= 400:
        schema = {"$ref": "#/components/schemas/Error"}
    elif name == "GET /jobs/{UUID}/artifacts/{artifactId}":
        words = formats[answer.path].replace("-", ".").split(".")
        schema = {"$ref": f"#/components/schemas/{''.join(map(str.capitalize, words))}"}
    else:
        assert name, f"{answer.method} {answer.path} is not published"
        schema = OPERATIONS[name][str(answer.status)]
    return _validator(json.dumps(schema)).iter_errors(_remove_mark(answer.body))


@lru_cache
def _validator(schema):
    """The validator of a schema's text, which has looked up what the schema refers to."""
    document = {**json.loads(schema), "components": COMPONENTS}
    return Draft202012Validator(document, format_checker=FormatChecker())


def _strict(schema):
    """A schema of OpenAPI 3.0 as JSON Schema: ``nullable`` allows null."""
    if isinstance(schema, list):
        return [_strict(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    strict_schema = {name: _strict(value) for name, value in schema.items() if name != "nullable"}
    return (
        {"anyOf": [strict_schema, {"type": "null"}]}
        if schema.get("nullable") is True
        else strict_schema
    )


def _remove_mark(value):
    if isinstance(value, list):
        return [_remove_mark(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _remove_mark(entry)
        for name, entry in value.items()
        if (name, entry) != ("sandbox", LABEL)
    }


PUBLISHED = json.loads(Path(__file__).with_name("openapi_schemas.json").read_text(encoding="utf-8"))
OPERATIONS = _strict(PUBLISHED["operations"])
COMPONENTS = _strict(PUBLISHED["components"])
