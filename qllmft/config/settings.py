"""Settings by dotted names, such as ``train.lr``: trees, differences and ``NAME=VALUE`` pairs."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from qllmft.bounds import MAX_SETTING_SECTIONS
from qllmft_base.errors import UserError
from qllmft_base.files import parse_toml

if TYPE_CHECKING:
    from qllmft.config import RunConfig

Tree = dict[str, Any]  # sections and values as in TOML


_EXAMPLES = {
    "--set": "--set train.lr=0.003",
    "settings": "train.lr=0.003",
    "--where": "--where train.epochs=100",
    "--backend-option": "--backend-option noise=forte1",
}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Tree:
    """Return the values of a tree by dotted names with ``prefix``, without empty sections.

    >>> flat({"seed": 3, "train": {"lr": 0.1}})
    {'seed': 3, 'train.lr': 0.1}
    """
    values: Tree = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        values |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return values


def flatten_sections(settings: Mapping[str, Any]) -> Tree:
    """Return settings by dotted names, of which some may be sections, as in ``config.toml``.

    >>> flatten_sections({"seed": 3, "train": {"lr": 0.1}, "model.ring": False})
    {'seed': 3, 'train.lr': 0.1, 'model.ring': False}
    """
    by_name: Tree = {}
    for key, value in settings.items():
        if not isinstance(key, str):
            raise UserError(f"settings has the name {key!r}, expected texts such as 'train.lr'.")
        section = {key: value}
        if "." not in key and isinstance(value, Mapping):
            section = {f"{key}.{name}": setting for name, setting in value.items()}
        if twice := sorted(section.keys() & by_name.keys()):
            raise UserError(
                f"settings has {twice[0]} twice, within its section and by its dotted name. Leave one out."
            )
        by_name |= section
    return by_name


def with_settings(tree: Tree, settings: Mapping[str, Any]) -> Tree:
    """Return a copy of ``tree`` with the values of ``settings``, whose keys are dotted names.

    >>> with_settings({"train": {"lr": 0.1, "epochs": 5}}, {"train.lr": 0.2, "seed": 1})
    {'train': {'lr': 0.2, 'epochs': 5}, 'seed': 1}
    """
    for name, value in settings.items():
        if name.count(".") > MAX_SETTING_SECTIONS:
            raise UserError(
                f"setting {name[:40]!r}...: a name has at most {MAX_SETTING_SECTIONS} sections."
            )
        tree = _with(tree, name.split("."), value, name)
    return tree


def _with(tree: Tree, path: list[str], value: Any, name: str) -> Tree:
    if len(path) == 1:
        return {**tree, path[0]: value}
    branch = tree.get(path[0], {})
    if not isinstance(branch, dict):
        raise UserError(f"setting {name!r}: {path[0]!r} is a value, not a section.")
    return {**tree, path[0]: _with(branch, path[1:], value, name)}


def flat_settings(config: RunConfig) -> Tree:
    """Return all settings of a configuration by dotted names, with values as in JSON."""
    return flat(config.model_dump(mode="json"))


def find_differing(config: RunConfig, reference: RunConfig) -> Tree:
    """Return the settings of ``config`` that differ from ``reference``, by dotted names in alphabetical order."""
    return find_differing_values(flat_settings(config), flat_settings(reference))


def find_differing_values(settings: Mapping[str, Any], reference: Mapping[str, Any]) -> Tree:
    """Return the ``settings`` by dotted names that differ from those of ``reference``, in alphabetical order."""
    names = sorted(settings.keys() | reference.keys())
    return {name: settings.get(name) for name in names if settings.get(name) != reference.get(name)}


def parse_settings(pairs: Iterable[str], option: str = "--set") -> Tree:
    """Parse ``NAME=VALUE`` pairs of a command line's ``option``, with TOML or text as values.

    >>> parse_settings(["train.lr=0.1", "body.model=minilm", "baselines.names=[]"])
    {'train.lr': 0.1, 'body.model': 'minilm', 'baselines.names': []}
    """
    settings = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise UserError(
                f"{option} got {pair!r}, expected NAME=VALUE, for instance {_EXAMPLES[option]}."
            )
        if name.strip() in settings and option == "--backend-option":  # it may be a limit
            raise UserError(
                f"{option} {name.strip()} is given twice, expected one value. Omit one."
            )
        try:
            tree = parse_toml(f"value = {text}")
        except tomllib.TOMLDecodeError:
            tree = {}
        except ValueError as error:
            raise UserError(
                f"{option} {name.strip()}: the value cannot be read: {error}."
            ) from None
        settings[name.strip()] = tree["value"] if tree.keys() == {"value"} else text
    return settings
