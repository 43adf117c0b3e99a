"""Plug-ins of every kind: what there is, and how one's own is added in Python."""

from __future__ import annotations

from importlib import import_module
from typing import Any, get_args

from qllmft.errors import UserError
from qllmft_backends.plugins import Kind, Listed, Registry

_HOMES: dict[Kind, tuple[str, str]] = {
    "ansatz": ("qllmft.ansatze", "ANSATZE"),
    "backend": ("qllmft_backends", "BACKENDS"),
    "baseline": ("qllmft.baselines", "BASELINES"),
    "tracker": ("qllmft.trackers", "TRACKERS"),
}


def registry_of(kind: Kind) -> Registry[Any]:
    """All things of one kind.

    Raises:
        UserError: where there is no such kind.
    """
    if kind not in _HOMES:
        raise UserError(f"there is no kind {kind!r} of plug-in; expected one of {', '.join(get_args(Kind))}.")
    module, name = _HOMES[kind]
    registry: Registry[Any] = getattr(import_module(module), name)
    return registry


def register(kind: Kind, name: str, thing: Any, *, replace: bool = False) -> None:
    """Give settings a thing of one's own by name, for as long as this process lives.

    Args:
        kind: ``ansatz``: a function of n_qubits and n_layers that makes a circuit; ``backend``: a
            `qllmft_backends.registry.Entry`; ``baseline``: a `qllmft.baselines.Baseline`; ``tracker``: a function that
            makes a `qllmft.trackers.Tracker`, such as its class.
        name: that settings call it by, as in ``model.ansatz``.
        thing: what it is.
        replace: take the place of one that was registered before, as a notebook's cell does when it runs again.

    Raises:
        UserError: where there is no such kind, or the name exists.
    """
    registry_of(kind).register(name, thing, replace=replace)


def list_plugins() -> list[Listed]:
    """Everything that has a name in settings, kind by kind; packages that offer some are imported."""
    return [row for kind in get_args(Kind) for row in registry_of(kind).listed()]
