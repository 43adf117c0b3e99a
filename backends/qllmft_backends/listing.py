"""Rows of `qllmft backends`: every backend and its availability."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from qllmft_backends.backend import Backend
from qllmft_backends.errors import UnknownBackendError
from qllmft_backends.protocol import Availability
from qllmft_backends.registry import BACKENDS, Entry


@dataclass(frozen=True)
class Description:
    """One row of the list."""

    name: str  # argument of `qllmft_backends.create`
    summary: str
    available: bool  # it can run here by its default options
    # the reason and the remedy if it cannot; else a remark on an option
    note: str
    device: str  # this and the rest: see `Entry`
    noise: str
    limits: str
    price: Literal["free", "paid"]
    source: str  # see `plugins.PluginRow`


def describe() -> list[Description]:
    """Describe every backend of the registry, in its order, importing packages and sending nothing."""
    rows = []
    for name in BACKENDS:
        try:
            entry = BACKENDS[name]
            state = _availability(entry)
        except UnknownBackendError as error:
            entry = Entry(
                "a plug-in that does not load", "", "", "", device="unknown", noise="unknown"
            )
            state = Availability(False, str(error))
        facts = {
            field: getattr(entry, field)
            for field in ("summary", "device", "noise", "limits", "price")
        }
        rows.append(
            Description(
                name=name,
                available=state.available,
                note=state.note,
                source=BACKENDS.source(name),
                **facts,
            )
        )
    return rows


def _availability(entry: Entry) -> Availability:
    """Return the availability of a backend. A broken package is a reason, not a traceback."""
    try:
        backend: type[Backend] = getattr(import_module(entry.module), entry.backend)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and entry.extra:
            return Availability(
                False, f"{error.name!r} is not installed: pip install 'qllmft[{entry.extra}]'"
            )
        return Availability(False, f"its packages are installed and do not load: {error}")
    return backend.availability()
