"""The identity of a configuration follows the settings that can change a result."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import tomli_w
from pydantic import BaseModel

from qllmft.config import ContrastiveConfig, RunConfig, parse_config, with_settings
from qllmft.config.lora import LoraConfig
from qllmft_studies.file import load_study

GOLDEN = Path(__file__).parents[1] / "golden" / "run"


def other_value(annotation: Any, value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, tuple):
        return value[1:] if value else ("another",)
    kinds = [annotation, *get_args(annotation)]
    kinds += [kind for argument in kinds for kind in get_args(argument)]  # of Annotated
    choices = [choice for kind in kinds if get_origin(kind) is Literal for choice in get_args(kind)]
    if choices:
        return next(choice for choice in choices if choice != value)
    if value is None and any(get_origin(kind) is tuple for kind in kinds):
        return ("another",)
    if value is None:
        return "another" if str in kinds else 7
    return {
        bool: lambda: not value,
        int: lambda: value + 1,
        float: lambda: value + 0.01,
        str: lambda: value + "x",
        dict: lambda: {**value, "dtype": "float64"},
        LoraConfig: lambda: LoraConfig(rank=2),
        ContrastiveConfig: lambda: ContrastiveConfig(iterations=5),
    }[type(value)]()


def setting_names(annotation: object) -> list[str | None]:
    """The settings of a section, or one None for a value without a section."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return list(annotation.model_fields)
    return [None]


SETTINGS = [
    (section, name)
    for section, field in RunConfig.model_fields.items()
    for name in setting_names(field.annotation)
]


WITHOUT_EFFECT = ("batch_size", "batch_tokens", "device")  # settings of the body
OF_PAIRS = ("data", "pair_features")  # it changes nothing for single texts, the default


def change_setting(section: str, name: str | None) -> RunConfig:
    """The default configuration with one setting changed, whether that makes sense or not."""
    config = RunConfig()
    if name is None:
        return config.model_copy(update={section: getattr(config, section) + 1})
    part = getattr(config, section)
    value = other_value(type(part).model_fields[name].annotation, getattr(part, name))
    return config.model_copy(update={section: part.model_copy(update={name: value})})


@pytest.mark.parametrize(("section", "name"), SETTINGS)
def test_the_identity_follows_every_setting_that_can_change_a_result(section, name):
    config = change_setting(section, name)
    assert config != RunConfig()
    has_no_effect = (section == "body" and name in WITHOUT_EFFECT) or (section, name) == OF_PAIRS
    assert (config.identity == RunConfig().identity) == has_no_effect


def test_no_two_settings_change_the_identity_alike():
    identities = [change_setting(*setting).identity for setting in SETTINGS]
    assert len(set(identities)) == len(SETTINGS) - len(WITHOUT_EFFECT) - 1 + 1, (
        "all those have the identity of the default"
    )


def test_the_identity_is_the_same_in_another_process_and_order():
    code = "from qllmft.config import RunConfig; print(RunConfig().identity)"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    identity = RunConfig().identity
    assert process.stdout.strip() == identity
    assert len(identity) == 12
    assert int(identity, 16) >= 0
    orders = (
        {"backend": {"options": {"a": 1, "b": 2}}},
        {"backend": {"options": {"b": 2, "a": 1}}},
    )
    assert len({parse_config(tree, "my.toml").identity for tree in orders}) == 1


def test_a_default_written_out_is_the_same_run():
    tree = RunConfig().model_dump(mode="json", exclude_none=True)
    assert parse_config(tree, "my.toml").identity == RunConfig().identity
    assert "epochs = 800" in tomli_w.dumps(tree)


HEADS_TRAINING = {"baselines.training": "head"}
# a preset, or the default, with settings, and the identity by which kept records name its runs
NAMED = [
    (None, {}, "35755b380ff4"),
    (None, {"noise.gates": "paper_high", "noise.shots": 8192}, "199faf72c0e7"),
    (None, {"train.lr_decay": "cosine"}, "7e1e02679a8b"),
    (None, {"model.readout": 2}, "6f52988211b3"),
    (None, {"model.readout": 3}, "a8a0c3e1cdfc"),
    (None, {"model.readout": "latent"}, "86d5ce636f98"),
    (None, {"model.components": 5}, "a1af7de8aa3f"),
    (None, {"model.encoder": "mlp", "model.hidden_dim": 7}, "b96eeb28e8a3"),
    (None, {"data.text_column": ["text", "b"]}, "f48a485c6cc5"),
    (None, {"data.task": "regression", "data.label_column": ["a", "b"]}, "015537f33aa0"),
    (None, {"body.device": "auto"}, "35755b380ff4"),
    (None, {"body.contrastive.loss": "supervised"}, "7d70c8909a4f"),
    ("single-10q", {}, "778c3679bb82"),
    ("recommended", {"data.protocol": "paper"}, "5e4b485a0d02"),
    ("odd", {"data.protocol": "paper"}, "655edf472062"),
    ("contrastive-single-10q", {}, "f6e839db94d5"),
]


@pytest.mark.parametrize(("preset", "settings", "identity"), NAMED)
def test_a_run_has_the_name_of_kept_records(preset, settings, identity):
    settings = settings | HEADS_TRAINING
    if preset is None:
        config = parse_config(with_settings({}, settings), "my.toml")
    else:
        config = load_study("paper-size").load_preset(preset).config(settings)
    assert config.identity == identity
