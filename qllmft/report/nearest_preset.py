"""A run's settings beside those of the preset nearest to it, and the command that runs them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset, preset_names
from qllmft.config.settings import differing, setting_text, settings_of


@dataclass(frozen=True)
class Setting:
    """One setting."""

    name: str  # dotted, as in ``--set``
    value: Any  # of the run
    default: Any  # of the nearest preset


@dataclass(frozen=True)
class Configuration:
    """A run's settings beside those of the preset that has most of them."""

    preset: str  # its name
    title: str  # its title
    differing: tuple[Setting, ...]  # what the run has its own value of
    same: tuple[Setting, ...]  # what is as in the preset

    @property
    def command(self) -> str | None:
        """The shortest `qllmft train` that is this run; None where a setting cannot be given to ``--set``."""
        settings = {setting.name: setting.value for setting in self.differing}
        return None if None in settings.values() else train_command(self.preset, settings)


def train_command(preset: str, settings: Mapping[str, Any]) -> str:
    """`qllmft train` with settings, by dotted names, on top of a preset."""
    given = [word for name, value in settings.items() for word in ("--set", setting_text(name, value))]
    return shlex.join(["qllmft", "train", "--preset", preset, *given])


def describe_settings(config: RunConfig) -> Configuration:
    """Find the nearest preset and lay its settings beside the run's.

    A run's folder does not say which preset it began from: the nearest one has the fewest different settings.
    """
    presets = {name: load_preset(name) for name in preset_names()}
    nearest = min(presets, key=lambda name: (len(differing(config, presets[name].config())), name))
    ours, theirs = settings_of(config), settings_of(presets[nearest].config())
    listed = [Setting(name, ours.get(name), theirs.get(name)) for name in ours | theirs]
    changed = tuple(setting for setting in listed if setting.value != setting.default)
    same = tuple(setting for setting in listed if setting.value == setting.default)
    return Configuration(nearest, presets[nearest].title, changed, same)
