"""Presets: named experiments, each a TOML file of differences from the defaults of `RunConfig`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig, parse_config
from qllmft.errors import UserError
from qllmft.named import names_in, read_named


@dataclass(frozen=True)
class Preset:
    """A named experiment.

    Attributes:
        name: as on the command line.
        title: one line for people, with the table of the paper that it comes from.
        settings: differences from the defaults, nested as in TOML.
        source: where the paper has it, the table of its result first: ("Table II", "Table VI"); empty: ours.
        row: name of the model in the run's record whose result it is; None: the head itself, the first one.
    """

    name: str
    title: str
    settings: dict[str, Any]
    source: tuple[str, ...] = ()
    row: str | None = None

    def config(self, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """The preset's configuration with ``overrides``: dotted names, such as ``{"train.epochs": 10}``."""
        tree = self.settings
        for dotted, value in (overrides or {}).items():
            tree = _with(tree, dotted.split("."), value, dotted)
        return parse_config(tree, f"preset {self.name!r}")


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return names_in(__name__)


def load_preset(name: str) -> Preset:
    """Read a preset.

    Raises:
        UserError: where there is none of that name; lists those there are.
    """
    tree = tomllib.loads(read_named(__name__, name, "preset"))
    title, source, row = tree.pop("title"), tuple(tree.pop("source", ())), tree.pop("row", None)
    return Preset(name, title, tree, source, row)


def _with(tree: dict[str, Any], path: list[str], value: Any, dotted: str) -> dict[str, Any]:
    """A copy of ``tree`` with one setting changed."""
    if len(path) == 1:
        return {**tree, path[0]: value}
    branch = tree.get(path[0], {})
    if not isinstance(branch, dict):
        raise UserError(f"setting {dotted!r}: {path[0]!r} is a value, not a section.")
    return {**tree, path[0]: _with(branch, path[1:], value, dotted)}
