"""Plug-ins of every kind by name: built in, of installed packages, or registered in Python.

A package offers one by an entry point of the kind's group, which is imported on the first use of its name.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, EntryPoints, entry_points
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from qllmft_base.text import error_text

PluginKind = Literal["adapter", "ansatz", "backend", "baseline", "tracker"]
RegistryKind = PluginKind | Literal["command group"]  # what one entry point stands for
GROUPS: dict[RegistryKind, str] = {
    "adapter": "qllmft.adapters",
    "ansatz": "qllmft.ansatze",
    "backend": "qllmft.backends",
    "baseline": "qllmft.baselines",
    "command group": "qllmft.commands",
    "tracker": "qllmft.trackers",
}
BUILT_IN = "built-in"
REGISTERED = "registered in Python"

T = TypeVar("T")


@dataclass(frozen=True)
class PluginRow:
    """One plug-in, built-in or of another package."""

    kind: RegistryKind
    name: str  # its name in settings
    # `BUILT_IN`, package and version, or `REGISTERED`
    source: str
    error: str = ""  # one line: why it cannot be used


class Registry(Mapping[str, T]):
    """Plug-ins of one kind by name: iteration and ``in`` import nothing, ``[name]`` imports the one of that name."""

    def __init__(
        self,
        kind: RegistryKind,
        plugin_type: Any,
        built_in: Mapping[str, T | EntryPoint],
        error: type[Exception],
    ) -> None:
        self.kind = kind
        self._plugin_type = plugin_type
        self._error = error
        # an entry point until the first use
        self._plugins: dict[str, T | EntryPoint] = dict(built_in)
        self._sources = dict.fromkeys(built_in, BUILT_IN)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, those of installed packages last."""
        return iter(dict.fromkeys([*self._plugins, *sorted(self._entry_points_by_name())]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._plugins or name in self._entry_points_by_name()

    def __getitem__(self, name: str) -> T:
        """Return the plug-in of a name.

        Raises:
            Exception: of the registry's class, for a name that does not exist or a package that does not load.
        """
        if name not in self._plugins:
            self._plugins[name], self._sources[name] = self._load(name)
        plugin = self._plugins[name]
        if isinstance(plugin, EntryPoint):
            plugin = self._plugins[name] = cast("T", plugin.load())
        return plugin

    def source(self, name: str) -> str:
        """Return the source of a name, see `PluginRow`. "" if there is none."""
        if name in self._sources:
            return self._sources[name]
        return " and ".join(map(_package_label, self._entry_points_by_name().get(name, [])))

    def register(self, name: str, plugin: T, *, replace: bool = False) -> None:
        """Add a plug-in for as long as this process lives.

        Args:
            name: its name in settings: letters, digits, ``_``, ``-`` and ``.``.
            plugin: the plug-in.
            replace: replace one that was registered before, for cells of a notebook.

        Raises:
            Exception: of the registry's class, if the name exists or the thing is of another kind.
        """
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+", name):
            raise self._error(
                f"the name {name!r}: expected letters, digits, '_', '-' and '.' only."
            )
        existing_source = self.source(name)
        if existing_source and not (replace and existing_source == REGISTERED):
            hint = ", or give replace=True" if existing_source == REGISTERED else ""
            raise self._error(
                f"the {self.kind} {name!r} exists already ({existing_source}), and another one ({REGISTERED}) is to "
                f"have this name. Choose another name{hint}."
            )
        self._check(name, plugin, REGISTERED)
        self._plugins[name] = plugin
        self._sources[name] = REGISTERED

    def unregister(self, name: str) -> None:
        """Remove a plug-in that was registered, or loaded from a package. A built-in one remains."""
        if self._sources.get(name, BUILT_IN) != BUILT_IN:
            del self._plugins[name], self._sources[name]

    def list_plugins(self) -> list[PluginRow]:
        """List all plug-ins with their sources. Every package that offers one is imported."""
        rows = []
        entry_points_by_name = self._entry_points_by_name()
        for name in self:
            if name in self._sources:
                rows.append(PluginRow(self.kind, name, self._sources[name]))
            other_packages = {
                _package_label(point) for point in entry_points_by_name.get(name, [])
            } - {self._sources.get(name)}
            rows += [
                PluginRow(self.kind, name, package, self._loading_fault(name))
                for package in sorted(other_packages)
            ]
        return rows

    def _loading_fault(self, name: str) -> str:
        if name in self._sources:
            return f"the name is taken ({self._sources[name]})"
        try:
            self[name]
        except self._error as error:
            return str(error)
        return ""

    def _entry_points_by_name(self) -> dict[str, list[EntryPoint]]:
        points_by_name: dict[str, list[EntryPoint]] = {}
        for point in _find_entry_points(GROUPS[self.kind], _path_state()):
            points_by_name.setdefault(point.name, []).append(point)
        return points_by_name

    def _load(self, name: str) -> tuple[T, str]:
        points = self._entry_points_by_name().get(name, [])
        if not points:
            names = list(self)
            close_names = difflib.get_close_matches(name, names, n=1)
            hint = (
                f"Did you mean {close_names[0]!r}?"
                if close_names
                else f"Install the package that has it, or call qllmft.register({self.kind!r}, {name!r}, ...) before."
            )
            raise self._error(
                f"there is no {self.kind} {name!r}, expected one of {', '.join(names)}. {hint}"
            )
        source = self.source(name)
        if len(points) > 1:
            raise self._error(
                f"the {self.kind} {name!r} is offered by {source}. Uninstall all of them but one."
            )
        try:
            plugin = points[0].load()
        except (Exception, SystemExit) as error:  # whatever a module may do when it is imported
            raise self._error(
                f"the {self.kind} {name!r} of {source} does not load: {error_text(error)}. Repair that package, or "
                "uninstall it."
            ) from error
        self._check(name, plugin, source)
        return plugin, source

    def _check(self, name: str, plugin: object, source: str) -> None:
        if not isinstance(plugin, self._plugin_type):
            raise self._error(
                f"the {self.kind} {name!r} ({source}) is of type {type(plugin).__name__}, expected "
                f"{self._plugin_type.__name__}."
            )


@lru_cache(maxsize=len(GROUPS))
def _find_entry_points(group: str, _path: tuple[tuple[str, int], ...]) -> EntryPoints:
    """Return the entry points of a group, which are read again if a folder of the search path has changed."""
    return entry_points(group=group)


def _path_state() -> tuple[tuple[str, int], ...]:
    """Return the folders that Python searches, with the time of the last change, such as an installation."""
    times = []
    for entry in sys.path:
        with suppress(OSError):  # a missing or unreadable folder has no packages
            times.append((entry, Path(entry).stat().st_mtime_ns))
    return tuple(times)


def _package_label(point: EntryPoint) -> str:
    return _distribution_label(point.dist) if point.dist else "a package without a name"


@lru_cache
def _distribution_label(distribution: Distribution) -> str:
    """Return the name and the version of a package, whose file of metadata is read once."""
    return f"{distribution.name} {distribution.version}"
