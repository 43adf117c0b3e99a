"""Availability of a backend: whether it can run here, and why not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Availability:
    """Availability of a backend on this machine, with its default options.

    Attributes:
        available: the backend can run.
        note: the reason and the remedy if it cannot; else a remark on an option (a GPU).
    """

    available: bool
    note: str = ""
