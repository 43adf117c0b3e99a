"""Settings of a run compared with the nearest preset's, and the command that repeats it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qllmft.config import RunConfig
from qllmft.config.presets import load_preset, preset_names
from qllmft.config.settings import setting_text, settings_of


@dataclass(frozen=True)
class Setting:
    """Setting of a run."""

    name: str  # dotted, as in ``--set``
    value: Any
    default: Any  # value in the nearest preset


@dataclass(frozen=True)
class Configuration:
    """Settings of a run compared with those of the nearest preset."""

    preset: str  # name of the nearest preset
    title: str  # of that preset
    differing: tuple[Setting, ...]
    same: tuple[Setting, ...]

    @property
    def command(self) -> str | None:
        """Return the shortest `qllmft train` command of this run, or None if ``--set`` cannot take a setting."""
        settings = {setting.name: setting.value for setting in self.differing}
        return None if None in settings.values() else train_command(self.preset, settings)


def train_command(preset: str, settings: Mapping[str, Any]) -> str:
    """Return the `qllmft train` command of a preset with further settings, by dotted name."""
    given = [
        word for name, value in settings.items() for word in ("--set", setting_text(name, value))
    ]
    return shlex.join(["qllmft", "train", "--preset", preset, *given])


def describe_settings(config: RunConfig) -> Configuration:
    """Compare a run's settings with those of the nearest preset, which has the fewest different ones."""
    ours, presets = settings_of(config), _preset_settings()
    distances = {
        name: sum(ours.get(key) != theirs.get(key) for key in ours.keys() | theirs.keys())
        for name, theirs in presets.items()
    }
    nearest = min(presets, key=lambda name: (distances[name], name))
    theirs = presets[nearest]
    listed = [Setting(name, ours.get(name), theirs.get(name)) for name in ours | theirs]
    changed = tuple(setting for setting in listed if setting.value != setting.default)
    same = tuple(setting for setting in listed if setting.value == setting.default)
    return Configuration(nearest, load_preset(nearest).title, changed, same)


@lru_cache(maxsize=1)
def _preset_settings() -> dict[str, dict[str, Any]]:
    """Return the settings of all presets, read once for a list of many runs."""
    return {name: settings_of(load_preset(name).config()) for name in preset_names()}
