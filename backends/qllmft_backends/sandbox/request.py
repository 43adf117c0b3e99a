"""Request to the mock server, its body, and its refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft_backends.sandbox.faults import Fault


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """Parsed request, and the fault that it meets."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    fault: Fault | None = None

    @property
    def fault_kind(self) -> str:
        """Return the kind of the fault, or "" without a fault."""
        return self.fault.kind if self.fault else ""


def json_object(body: bytes) -> dict[str, Any]:
    """Return a request's body, or raise `RefusedError`."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return data
