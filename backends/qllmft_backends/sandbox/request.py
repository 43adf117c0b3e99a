"""Request to the mock server, and its body."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft_backends.sandbox.faults import Fault
from qllmft_backends.sandbox.refused import RefusedError


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
