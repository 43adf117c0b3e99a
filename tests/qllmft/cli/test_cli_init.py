"""`qllmft init`: the file holds every setting, and reads back as the preset, commented or not."""

import re
from pathlib import Path

import pytest

from qllmft.config import RunConfig, parse_config
from qllmft.config.presets import load_preset, preset_names
from qllmft.config.settings import flat
from qllmft.config.toml_files import commented_toml
from qllmft_base.files import parse_toml


@pytest.mark.parametrize("preset", preset_names())
def test_the_file_is_the_preset(preset):
    config = load_preset(preset).config()
    assert parse_config(parse_toml(commented_toml(config)), "config.toml") == config


def test_a_comment_of_every_default_is_a_line_of_the_file_and_says_what_it_is():
    text = commented_toml(RunConfig())
    lines = re.findall(r"^# (\w+ = .*)$", text, re.MULTILINE)
    assert len(lines) >= len(flat(RunConfig().model_dump(mode="json"))) - 1
    uncommented = re.sub(r"^# (\w+ = (?! # not set).*)$", r"\1", text, flags=re.MULTILINE)
    assert parse_config(parse_toml(uncommented), "config.toml") == RunConfig()
    assert "\n# batch_size = 16" in text
    assert re.findall(r"`[\w.]+`", text) == []  # of Python, which a reader of the file does not see
    assert '# one of "cx_ry", "ry_cx"\n# block = "cx_ry"' in text
    assert (
        "# share of the drawn texts for training; the rest is for validation\n# train_fraction = 0.85\n"
        in text
    )


def test_the_command_writes_the_file(cli, tmp_path):
    file = tmp_path / "config.toml"
    assert f"qllmft train --config {file}" in cli("init", file, "--preset odd")[0]
    assert "odd = true" in file.read_text(encoding="utf-8")
    assert cli("init", "-", "--preset odd")[0] == file.read_text(encoding="utf-8")
    assert not Path("-").exists()
    assert "exists and is not overwritten" in cli.refused("init", file)
    assert "no preset 'auto'" in cli.refused("init", tmp_path / "b.toml", "--preset auto")
