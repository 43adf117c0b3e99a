"""Presets: named experiments, each a TOML file of differences from the defaults of `RunConfig`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import with_settings
from qllmft.config.toml_files import names_in, read_named


@dataclass(frozen=True)
class Preset:
    """Named experiment."""

    name: str  # argument of the command line
    title: str  # one line, with the table of the paper if there is one
    settings: dict[str, Any]  # differences from the defaults, nested as in TOML
    # tables of the paper with its result first, such as ("Table II", "Table VI"); empty if it is ours
    source: tuple[str, ...] = ()
    # model in a run's record with the preset's result; None: the first one, the head itself
    baseline: str | None = None

    def config(self, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """Return the configuration with ``overrides`` by dotted names, such as ``{"train.epochs": 10}``."""
        return parse_config(with_settings(self.settings, overrides or {}), f"preset {self.name!r}")


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return names_in(__name__)


def load_preset(name: str) -> Preset:
    """Read a preset."""
    tree = tomllib.loads(read_named(__name__, name, "preset"))
    title, source, baseline = tree.pop("title"), tuple(tree.pop("source", ())), tree.pop("baseline", None)
    return Preset(name, title, tree, source, baseline)
