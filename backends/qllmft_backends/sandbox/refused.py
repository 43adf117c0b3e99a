"""Refusal of a request."""

from __future__ import annotations


class RefusedError(Exception):
    """Request that the API would refuse, with HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
