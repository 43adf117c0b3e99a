"""Requests: texts in JSON, checked before any of them waits for the model."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from qllmft.errors import UserError
from qllmft.files import parse_json
from qllmft.inference.items import Item, check_items
from qllmft.serving.limits import Limits


async def read_object(request: Request, limits: Limits) -> dict[str, Any]:
    """Return the JSON object of a request's body, or raise HTTPException."""
    content = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in request.stream():
                content += chunk
                if len(content) > limits.body_bytes:
                    raise HTTPException(
                        413, f"the body has more than {limits.body_bytes:,} bytes, the limit"
                    )
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive in {limits.seconds:g} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the body was cut short") from None
    try:
        value = parse_json(content.decode("utf-8"))
    except ValueError as error:
        raise HTTPException(400, f"the body is not JSON in UTF-8: {error}") from None
    if not isinstance(value, dict):
        raise HTTPException(422, f"the body is a JSON {type(value).__name__}, expected an object")
    return value


def items_of(value: dict[str, Any], limits: Limits, *, pairs: bool) -> list[Item]:
    """Return the texts or pairs of a request to predict: ``text``, or the list ``texts``."""
    if len(value) != 1 or not value.keys() & {"text", "texts"}:
        names = ", ".join(sorted(value)) or "nothing"
        raise HTTPException(422, f"got {names[:100]}, expected either text or texts")
    given = [value["text"]] if "text" in value else value["texts"]
    if not isinstance(given, list) or not given:
        raise HTTPException(422, "texts is not a list of one text or more")
    if len(given) > limits.texts:
        raise HTTPException(
            422, f"got {len(given):,} texts, expected at most {limits.texts:,} in a request"
        )
    items = [tuple(each) if pairs and isinstance(each, list) else each for each in given]
    try:
        check_items(items, pairs=pairs)
    except UserError as error:
        raise HTTPException(422, str(error)) from None
    for item in items:
        longest = max(map(len, item if pairs else [item]))
        if longest > limits.characters:
            raise HTTPException(
                422, f"a text has {longest:,} characters, expected at most {limits.characters:,}"
            )
    return items


def text_to_explain(value: dict[str, Any], limits: Limits) -> str:
    """Return the text of a request to explain."""
    if value.keys() != {"text"}:
        raise HTTPException(
            422, f"got {', '.join(sorted(value))[:100] or 'nothing'}, expected text"
        )
    (text,) = items_of(value, limits, pairs=False)
    if len(str(text).split()) > limits.words:
        raise HTTPException(
            422, f"the text has more than {limits.words} words, the limit of an explanation"
        )
    return str(text)
