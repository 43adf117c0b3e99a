"""Presets: named experiments, each a TOML file of differences from `RunConfig`, and the nearest one of a run."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from qllmft.config import RunConfig, parse_config
from qllmft.config.settings import flat, flat_settings, flatten_sections, with_settings
from qllmft.config.toml_files import names_in, read_named
from qllmft.tasks import CLASSIFICATION, TASKS
from qllmft_base.errors import UserError

DEFAULT_PRESET = "sines"  # preset of a run without one
WORD_BASELINE = "tfidf"  # baseline for every task


@dataclass(frozen=True)
class Preset:
    """Named experiment."""

    name: str  # argument of the command line
    title: str  # one line, with the table of the paper if there is one
    settings: dict[str, Any]  # differences from the defaults, nested as in TOML
    # tables of the paper with its result first, such as ("Table II", "Table VI"); empty if it is
    # ours
    source: tuple[str, ...] = ()
    # model in a run's record with the preset's result; None: the first one, the head itself
    baseline: str | None = None
    # settings in place of those above if the given ones do not go with them, each nested; the first that fits is taken
    otherwise: tuple[dict[str, Any], ...] = ()
    # the same if all weights of the body are trained, or those of an adapter
    learning: tuple[dict[str, Any], ...] = ()
    adapting: tuple[dict[str, Any], ...] = ()
    # further settings if texts have several labels, nested; left out if they do not go with the given ones
    several: dict[str, Any] = field(default_factory=dict)

    def config(self, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """Return the configuration with ``overrides``, such as ``{"train.epochs": 10}`` or ``{"train": {"lr": 0.1}}``.

        Real targets and several labels have baselines of their own, beside the preset's baseline of words.

        Raises:
            UserError: if the settings contradict each other, with the contradiction of the last of `otherwise`.
        """
        user_settings = flatten_sections(overrides or {})
        if user_settings.get("noise.shots") == 0:  # the preset's choice about shots goes with them
            user_settings.setdefault("noise.shot_test", "same")
        task_name: Any = str(user_settings.get("data.task", CLASSIFICATION.name))
        task = TASKS.get(task_name)
        if task is not None and not task.one_label:
            own_names = self.settings.get("baselines", {}).get("names", ())
            words = [name for name in own_names if name == WORD_BASELINE]
            user_settings = {"baselines.names": [*task.baselines, *words], **user_settings}
        alternatives = [{}, *self.otherwise]
        if trained := user_settings.get("body.trainable"):
            alternatives = list(
                (self.learning if trained is True else self.adapting) or alternatives
            )
        if task is not None and task.several and self.several:
            alternatives.insert(0, self.several)
        while True:
            alternative = flat(alternatives.pop(0))
            settings = with_settings(self.settings, {**alternative, **user_settings})
            try:
                return parse_config(settings, f"preset {self.name!r}")
            except UserError as error:
                if not alternatives:
                    preset_settings = {**flat(self.settings), **alternative}
                    preset_choices = {
                        name: value
                        for name, value in preset_settings.items()
                        if name not in user_settings
                    }
                    raise UserError(
                        f"{error}{_preset_sentence(preset_choices, str(error))}"
                    ) from None


def _preset_sentence(settings: Mapping[str, Any], message: str) -> str:
    """Return a sentence about those of a preset's settings that a message states with their values, or ""."""
    stated_settings = [
        name
        for name, value in settings.items()
        if re.search(
            rf"(?<!\w){name.rpartition('.')[2]} (is )?{re.escape(repr(value))}(?!\w)", message
        )
    ]
    return f" The preset sets {', '.join(stated_settings)}." if stated_settings else ""


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return names_in(__name__)


def load_preset(name: str, presets: Mapping[str, Mapping[str, Any]] | None = None) -> Preset:
    """Read a preset.

    Args:
        name: of the preset.
        presets: further ones, such as those of a study's file: settings by dotted name.
    """
    if presets and name in presets:
        return Preset(name, name, with_settings({}, presets[name]))
    tree = tomllib.loads(read_named(__name__, name, "preset"))
    title = tree.pop("title")
    baseline = tree.pop("baseline", None)
    source = tuple(tree.pop("source", ()))
    otherwise = tuple(tree.pop("otherwise", ()))
    learning = tuple(tree.pop("learning", ()))
    adapting = tuple(tree.pop("adapting", ()))
    several = tree.pop("several", {})
    return Preset(name, title, tree, source, baseline, otherwise, learning, adapting, several)


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
    words = ["qllmft", "train", "--preset", preset]
    for name, value in settings.items():  # in JSON, so that text has quotes
        words += ["--set", f"{name}={json.dumps(value, ensure_ascii=False)}"]
    return shlex.join(words)


def describe_settings(config: RunConfig) -> Configuration:
    """Compare a run's settings with those of the nearest preset, which has the fewest different ones."""
    ours = flat_settings(config)
    presets = _preset_settings()
    distances = {
        name: sum(ours.get(key) != theirs.get(key) for key in ours.keys() | theirs.keys())
        for name, theirs in presets.items()
    }
    nearest = min(presets, key=lambda name: (distances[name], name))
    theirs = presets[nearest]
    all_settings = [Setting(name, ours.get(name), theirs.get(name)) for name in ours | theirs]
    changed = tuple(setting for setting in all_settings if setting.value != setting.default)
    equal_settings = tuple(setting for setting in all_settings if setting.value == setting.default)
    return Configuration(nearest, load_preset(nearest).title, changed, equal_settings)


@lru_cache(maxsize=1)
def _preset_settings() -> dict[str, dict[str, Any]]:
    """Return the settings of all presets, read once for a list of many runs."""
    return {name: flat_settings(load_preset(name).config()) for name in preset_names()}
