"""Plug-ins of every kind: their list, and registration in Python."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, get_args

from qllmft_base.errors import UserError
from qllmft_base.plugins import PluginKind, Registry

_REGISTRY_PLACES: dict[PluginKind, tuple[str, str]] = {
    "adapter": ("qllmft.config.lora", "ADAPTERS"),
    "ansatz": ("qllmft.templates", "ANSATZE"),
    "backend": ("qllmft_backends", "BACKENDS"),
    "baseline": ("qllmft.baselines", "BASELINES"),
    "tracker": ("qllmft.trackers", "TRACKERS"),
}

Command = Callable[..., None]
# commands of the packages around the core: an entry point names a dictionary from titles of panels to functions
COMMAND_GROUPS: Registry[dict[str, tuple[Command, ...]]] = Registry(
    "command group", dict, {}, UserError
)


def find_registry(kind: PluginKind) -> Registry[Any]:
    """Return the registry of one kind."""
    if kind not in _REGISTRY_PLACES:
        raise UserError(
            f"there is no kind {kind!r} of plug-in, expected one of {', '.join(get_args(PluginKind))}."
        )
    module, name = _REGISTRY_PLACES[kind]
    registry: Registry[Any] = getattr(import_module(module), name)
    return registry


def register(kind: PluginKind, name: str, thing: Any, *, replace: bool = False) -> None:
    """Register a plug-in by name in this process.

    Args:
        kind: ``adapter``: a function of a transformers model and an adapter's settings that puts it into the model, as
            in examples/quantum_adapter; ``ansatz``: a function of n_qubits and n_layers that makes a circuit;
            ``backend``: a `qllmft_backends.registry.Entry`; ``baseline``: a `qllmft.baselines.Baseline`; ``tracker``: a
            function that makes a `qllmft.trackers.Tracker`, such as its class.
        name: name in settings, as in ``model.ansatz``.
        thing: the plug-in.
        replace: replace one that was registered before, as a notebook's cell does when it runs again.

    Raises:
        UserError: if there is no such kind, or the name is taken.
    """
    registry = find_registry(kind)
    if kind == "baseline":
        _check_baseline(name, thing)
    registry.register(name, thing, replace=replace)


def _check_baseline(name: str, thing: Any) -> None:
    """Raise UserError for an estimator or a head in the place of a baseline, with the way to make one of it."""
    from qllmft.baselines import Baseline
    from qllmft.baselines.checks import describe_thing, head_remedy

    if not isinstance(thing, Baseline):
        raise UserError(
            f"the baseline {name!r} is {describe_thing(thing)}, expected a Baseline. {head_remedy(str(name), thing)}"
        )
