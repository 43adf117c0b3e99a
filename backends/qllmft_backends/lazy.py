"""Names of a package that are imported on their first use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def imported_on_use(
    package: str, defined: Mapping[str, Sequence[str]]
) -> tuple[list[str], Callable[[str], Any]]:
    """Return ``__all__`` and ``__getattr__`` of a package with public names by the modules that define them.

    Commands that only show a list need no torch, which takes seconds to import.
    """
    home = {name: module for module, names in defined.items() for name in names}

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(home[name]), name)

    return sorted(home), __getattr__
