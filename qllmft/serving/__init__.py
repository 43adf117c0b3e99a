"""A trained model behind HTTP: one page for people, JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Limits of a server on one request, and on all that wait."""

    texts: int = 64  # in one request
    characters: int = 10_000  # of one text
    body_bytes: int = 1_000_000
    file_bytes: int = 20_000_000  # of a file that is dropped on the page
    unpacked_bytes: int = 60_000_000  # of its table
    files: int = 2  # that are received and read at once
    waiting: int = 256  # texts of all requests that wait
    words: int = 200  # of a text to explain, each of which is an answer more
    seconds: float = 30.0  # for the body of a request to arrive
