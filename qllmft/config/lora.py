"""Configuration of an adapter: of low rank, of another method of PEFT, or of a plug-in, by the content of its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from qllmft.bounds import MAX_LORA_MODULES, MAX_LORA_RANK
from qllmft.config.requirements import ADAPTER
from qllmft.config.section import PositiveReal, Section
from qllmft_base.errors import UserError
from qllmft_base.files import expand_home, parse_json, read_text
from qllmft_base.plugins import Registry

_SIZE_SETTINGS = {"r", "lora_alpha", "alpha"}
_NUMBER_SETTINGS = _SIZE_SETTINGS | {"projection_prng_key", "decompose_factor"}
_SHARE_SETTINGS = {"lora_dropout", "vera_dropout", "rank_dropout", "module_dropout", "d_initial"}
_SWITCH_SETTINGS = {
    "use_rslora", "use_dora", "lora_bias", "fan_in_fan_out", "save_projection", "init_weights", "init_lora_weights",
    "init_ia3_weights", "decompose_both", "use_effective_conv2d",
}  # fmt: skip
_NAME_SETTINGS = {"target_modules", "exclude_modules", "feedforward_modules"}
# other keys of PEFT's files, which describe no adapter
_UNREAD_SETTINGS = {
    "task_type", "auto_mapping", "peft_version", "revision", "inference_mode", "megatron_core", "qalora_group_size",
}  # fmt: skip
# adapters without code, paths or other weights
METHODS = ("LORA", "VERA", "IA3", "LOHA", "LOKR")
# those of plug-ins by their ``peft_type``: functions that put an adapter with the settings of its file into a model
ADAPTERS: Registry[Callable[[Any, dict[str, Any]], Any]] = Registry(
    "adapter", Callable, {}, UserError
)


def peft_settings(text: str) -> dict[str, Any]:
    """Return the known settings of the JSON of a PEFT configuration, without those that are empty.

    Those of a plug-in's adapter are returned as they are, and checked by the plug-in.

    Raises:
        UserError: if it names another method, or a setting that is not known or has another kind of value. Settings
            with regular expressions, files and modules to train whole are among those not known.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise UserError(
            f"a PEFT configuration is no JSON: {error}. Give the adapter_config.json of PEFT."
        ) from None
    if not isinstance(content, dict):
        content = {"peft_type": type(content).__name__}
    peft_type: object = content.get("peft_type")
    if isinstance(peft_type, str) and peft_type in ADAPTERS:
        return content
    if peft_type not in METHODS:
        raise UserError(
            f"a PEFT configuration got peft_type {peft_type!r}, expected one of {', '.join([*METHODS, *ADAPTERS])}, or "
            "that of a package to install."
        )
    known_settings = {}
    for name, value in content.items():
        empty = value in (None, False, {}, []) and not (name in _SIZE_SETTINGS and value == 0)
        if empty or name in _UNREAD_SETTINGS or (name, value) == ("bias", "none"):
            if name in _SWITCH_SETTINGS and value is False:
                known_settings[name] = value
            continue
        if not _fits(name, value):
            raise UserError(
                f"a PEFT configuration has {name[:40]} = {json.dumps(value)[:60]}, which is not known. Expected ranks, "
                f"scales, dropout and lists of modules' names of {', '.join(METHODS)}. Leave it out."
            )
        known_settings[name] = value
    return known_settings


def _fits(name: str, value: Any) -> bool:
    """Return whether a setting is known and has a value of its kind and size."""
    if name in _NAME_SETTINGS:
        names = isinstance(value, list) and all(
            isinstance(module_name, str) for module_name in value
        )
        return value == "all-linear" or (names and len(value) <= MAX_LORA_MODULES)
    if name in _SWITCH_SETTINGS:
        is_random_start = name == "init_lora_weights" and value in ("gaussian", "orthogonal")
        return isinstance(value, bool) or is_random_start
    if name in _SHARE_SETTINGS:
        return type(value) in (int, float) and 0 <= value <= 1
    if name in _NUMBER_SETTINGS:
        return type(value) in (int, float) and 0 < value <= MAX_LORA_RANK
    if name == "layers_to_transform":
        return all(type(layer) is int for layer in (value if isinstance(value, list) else [value]))
    return name in ("peft_type", "base_model_name_or_path") and isinstance(value, str)


class LoraConfig(Section):
    """Adapter of a body with `trainable = "lora"`, by the package peft."""

    requirements: ClassVar = ADAPTER
    rank: Annotated[int, Field(ge=1, le=MAX_LORA_RANK)] = 8
    alpha: PositiveReal = 16.0  # the adapter's product is scaled by alpha / rank
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0  # in front of the adapter, in training
    # last parts of the names of adapted modules, such as "query"; empty: all linear layers
    targets: tuple[str, ...] = ()
    # JSON file of another PEFT configuration, or of a plug-in's adapter, in place of the settings above; the run keeps
    # its content
    peft: str | None = None

    @field_validator("peft")
    @classmethod
    def _content(cls, path_or_json: str | None) -> str | None:
        """Return the JSON of a file's known settings, which names the run by what is in the file."""
        if path_or_json is None:
            return None
        text = path_or_json
        if not path_or_json.lstrip().startswith("{"):
            path = expand_home(path_or_json)
            if not path.is_file():
                raise ValueError(
                    f"there is no file {path}. Give the path of a PEFT configuration in JSON"
                )
            text = read_text(path)
        return json.dumps(peft_settings(text), sort_keys=True)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of PEFT."""
        if self.peft is not None:
            return peft_settings(self.peft)
        return {
            "peft_type": "LORA",
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": list(self.targets) or "all-linear",
        }
