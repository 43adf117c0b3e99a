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
    file_seconds: int = 3  # of processor time to read it, and one more for each 2 MB
    file_wait: float = 60.0  # seconds, if other work slows the reading down
    file_memory_bytes: int = 500_000_000  # of the process that reads it, beyond its imports
    waiting: int = 256  # texts of all requests that wait
    words: int = 200  # of a text to explain, each of which is an answer more
    seconds: float = 30.0  # for the body of a request to arrive
