"""Answer of the service. Its strings may reach a terminal, a ledger or an error, so that they are cleaned here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

_TEXT_BYTES = 1 << 14


@dataclass(frozen=True, repr=False)  # the content may repeat the key
class Answer:
    """HTTP answer, with the names of `requests.Response` that qiskit-ionq reads.

    Attributes:
        method, url: of the request.
        status_code: HTTP status.
        reason: its text.
        headers: of the answer.
        content: the body.
        scrub: returns a string without secrets.
    """

    method: str
    url: str
    status_code: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    scrub: Callable[[str], str]

    @property
    def text(self) -> str:
        """Return the beginning of the body, for people."""
        return self.scrub(self.content[:_TEXT_BYTES].decode("utf-8", errors="replace"))

    def json(self) -> Any:
        """Return the body's JSON value with every string scrubbed.

        Raises:
            ValueError: if it is no JSON, has a key twice, or is nested too deeply to be the API's.
        """
        return self._value

    @cached_property
    def _value(self) -> Any:
        try:
            return self._scrubbed(json.loads(self.content, object_pairs_hook=_unique))
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def _scrubbed(self, value: Any) -> Any:
        if isinstance(value, str):
            return value if value.isdecimal() else self.scrub(value)
        if isinstance(value, list):
            return [self._scrubbed(item) for item in value]
        if isinstance(value, dict):
            return {self._scrubbed(key): self._scrubbed(item) for key, item in value.items()}
        return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found
