"""TOML files of the package that people choose by name: presets and searches."""

from __future__ import annotations

import difflib
from importlib import resources

from qllmft.errors import UserError


def names_in(package: str) -> list[str]:
    """Names of the TOML files of a package, sorted."""
    files = resources.files(package).iterdir()
    return sorted(f.name.removesuffix(".toml") for f in files if f.name.endswith(".toml"))


def read_named(package: str, name: str, kind: str) -> str:
    """The text of ``name``.toml; ``kind`` is what errors call it.

    Raises:
        UserError: where there is none of that name; lists those there are.
    """
    names = names_in(package)
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise UserError(f"there is no {kind} {name!r}.{hint} {kind.capitalize()}s: {', '.join(names)}.")
    return (resources.files(package) / f"{name}.toml").read_text(encoding="utf-8")
