"""Presets: named experiments, each a TOML file of differences from `RunConfig`, and the nearest one of a run."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from qllmft.config import Candidate, RunConfig, parse_config
from qllmft.config.settings import setting_text, settings_of, with_settings
from qllmft.config.toml_files import names_in, read_named
from qllmft.errors import UserError
from qllmft.tasks import CLASSIFICATION, TASKS

# settings of the head that every candidate takes
SHARED = ("train.epochs", "train.class_weight", "train.calibration")
AUTO = "auto"  # preset of a run without one
BASE = "recommended"  # preset that takes all tasks, parts of the rows, and adapters of the body
# presets if no candidate takes the given settings, in this order
FALLBACKS = ("reuploading-adam", BASE)
UNFROZEN = "reuploading-unfrozen"  # preset before them if all weights of the body are trained


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
    candidates: tuple[str, ...] = ()

    def config(self, overrides: Mapping[str, Any] | None = None) -> RunConfig:
        """Return the configuration with ``overrides`` by dotted names, such as ``{"train.epochs": 10}``.

        Candidates have the overrides of data, body, baselines and those of `SHARED`. With other settings of the head,
        or if no candidate can have them, the result is the configuration of the first of `FALLBACKS` that can. Real
        targets and several labels have baselines of their own, no candidates, and `BASE`.
        """
        given = dict(overrides or {})
        if given.get("noise.shots") == 0:  # the preset's choice about shots goes with them
            given.setdefault("noise.shot_test", "same")
        task = TASKS.get(given.get("data.task", CLASSIFICATION.name))
        if task is not None and not task.one_label:
            given = {"baselines.names": list(task.baselines), **given}
            if self.candidates:
                return load_preset(BASE).config(given)
        names = given.pop("candidates", self.candidates) if self.candidates else ()
        if not names:
            return parse_config(with_settings(self.settings, given), f"preset {self.name!r}")
        of_head = any(
            setting.partition(".")[0] in ("model", "train", "noise", "backend")
            for setting in given.keys() - SHARED
        )
        found = {}
        for name in () if of_head else names:
            structure = load_preset(name).settings
            parts = {section: structure.get(section, {}) for section in ("model", "train")}
            with suppress(UserError):
                found[name] = parse_config(
                    with_settings(self.settings | parts, given), f"preset {name!r}"
                )
        if not found:
            unfrozen = given.get("body.trainable") is True
            return first_that_fits((UNFROZEN, *FALLBACKS) if unfrozen else FALLBACKS, given)
        first, *others = found.values()
        if not others:
            return first
        candidates = tuple(
            Candidate(name=name, model=each.model, train=each.train) for name, each in found.items()
        )
        return first.model_copy(update={"candidates": candidates})


def first_that_fits(names: Sequence[str], given: Mapping[str, Any]) -> RunConfig:
    """Return the configuration of the first preset that fits the settings, or raise the error of the last."""
    *others, last = names
    for name in others:
        with suppress(UserError):
            return load_preset(name).config(given)
    return load_preset(last).config(given)


def preset_names() -> list[str]:
    """Return the names of all presets, sorted."""
    return names_in(__name__)


def load_preset(name: str) -> Preset:
    """Read a preset."""
    tree = tomllib.loads(read_named(__name__, name, "preset"))
    title, baseline = tree.pop("title"), tree.pop("baseline", None)
    source = tuple(tree.pop("source", ()))
    return Preset(name, title, tree, source, baseline, tuple(tree.pop("candidates", ())))


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
