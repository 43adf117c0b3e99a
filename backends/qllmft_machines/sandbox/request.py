"""Requests to the mock server, their refusals, and its times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """Parsed request."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object, or raise `RefusedError`."""
        try:
            data = json.loads(self.body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise RefusedError("the body is not a JSON object")
        return data


def iso_time(seconds: float, timespec: str = "seconds") -> str:
    """Return a time in seconds since 1970 as the API writes it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
