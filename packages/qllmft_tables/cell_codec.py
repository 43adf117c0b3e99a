"""Cells of workbooks and of parquet files as JSON: text, numbers and truth values as they are, others by type."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_WRITERS: dict[type, Callable[[Any], Any]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: lambda span: [span.days, span.seconds, span.microseconds],
    Decimal: str,
    bytes: lambda content: content.decode("latin-1"),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timedelta": lambda parts: timedelta(*parts),
    "Decimal": Decimal,
    "bytes": lambda text: text.encode("latin-1"),
    "dict": dict,
}


def encode_cells(cells: Any) -> bytes:
    """Return a line of JSON of lists of cells, in which there is no dict."""
    text = json.dumps(cells, default=_encode, ensure_ascii=False, check_circular=False)
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _encode(value: Any) -> Any:
    for kind in type(value).__mro__:
        if kind in _WRITERS:
            return {kind.__name__: _WRITERS[kind](value)}
    return str(value)


def decode_cells(line: bytes) -> Any:
    """Return the cells of a line of JSON.

    >>> decode_cells(encode_cells([["a", 1, None, Decimal("0.5"), date(2026, 5, 3)]]))
    [['a', 1, None, Decimal('0.5'), datetime.date(2026, 5, 3)]]
    """
    return json.loads(line.decode("utf-8", "surrogatepass"), object_hook=_decode)


def _decode(fields: dict[str, Any]) -> Any:
    ((kind, value),) = fields.items()
    return _READERS[kind](value)


def encode_nested(value: Any) -> Any:
    """Return a cell whose dicts are as `encode_cells` needs them."""
    if isinstance(value, dict):
        return {"dict": [[name, encode_nested(part)] for name, part in value.items()]}
    if isinstance(value, list | tuple):
        return [encode_nested(part) for part in value]
    return value
