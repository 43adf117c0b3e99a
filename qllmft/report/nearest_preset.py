"""A run's settings beside those of the preset nearest to it, and the command that runs them again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from qllmft.config import RunConfig
from qllmft.presets import load_preset, preset_names
from qllmft.settings import setting_text, settings_of


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: dotted, as in ``--set``.
        value: of the run.
        default: of the nearest preset.
    """

    name: str
    value: Any
    default: Any

    @property
    def differs(self) -> bool:
        """Whether the run departs from the preset."""
        return bool(self.value != self.default)


@dataclass(frozen=True)
class Configuration:
    """A run's settings beside those of the preset that has most of them.

    Attributes:
        preset: its name.
        title: its title.
        settings: all of them; those that differ first.
    """

    preset: str
    title: str
    settings: tuple[Setting, ...]

    @property
    def differing(self) -> tuple[Setting, ...]:
        """What the run has its own value of."""
        return tuple(setting for setting in self.settings if setting.differs)

    @property
    def command(self) -> str | None:
        """The shortest `qllmft train` that is this run; None where a setting cannot be given to ``--set``."""
        words = ["qllmft", "train", "--preset", self.preset]
        for setting in self.differing:
            if setting.value is None:
                return None
            words += ["--set", setting_text(setting.name, setting.value)]
        return shlex.join(words)


def describe_settings(config: RunConfig) -> Configuration:
    """Find the nearest preset and lay its settings beside the run's.

    A run's folder does not say which preset it began from: the nearest one has the fewest different settings.
    """
    settings = settings_of(config)
    presets = {name: settings_of(load_preset(name).config()) for name in preset_names()}

    def distance(name: str) -> tuple[int, str]:
        theirs = presets[name]
        different = sum(settings.get(key) != theirs.get(key) for key in settings.keys() | theirs.keys())
        return different, name

    nearest = min(presets, key=distance)
    theirs = presets[nearest]
    names = [*settings, *(name for name in theirs if name not in settings)]
    listed = [Setting(name, settings.get(name), theirs.get(name)) for name in names]
    listed.sort(key=lambda setting: not setting.differs)  # stable: the configuration's order within both groups
    return Configuration(nearest, load_preset(nearest).title, tuple(listed))
