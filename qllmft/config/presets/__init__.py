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
    """A named experiment.

    Attributes:
        name: as on the command line.
        title: one line for people, with the table of the paper that it comes from.
        settings: differences from the defaults, nested as in TOML.
        source: where the paper has it, the table of its result first: ("Table II", "Table VI"); empty: ours.
        baseline: the model of a run's record whose result the preset is for; None: the head itself, the first one.
    """

    name: str
    title: str
    settings: dict[str, Any]
    source: tuple[str, ...] = ()
    baseline: str | None = None

    def config(self, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """The preset's configuration with ``overrides``: dotted names, such as ``{"train.epochs": 10}``."""
        return parse_config(with_settings(self.settings, overrides or {}), f"preset {self.name!r}")


def preset_names() -> list[str]:
    """Names of all presets, sorted."""
    return names_in(__name__)


def load_preset(name: str) -> Preset:
    """Read a preset.

    Raises:
        UserError: where there is none of that name; lists those there are.
    """
    tree = tomllib.loads(read_named(__name__, name, "preset"))
    title, source, baseline = tree.pop("title"), tuple(tree.pop("source", ())), tree.pop("baseline", None)
    return Preset(name, title, tree, source, baseline)
