"""The version, the shell's completion, and a help for every option."""

from importlib.metadata import version

import pytest
import typer
from rich.text import Text

import qllmft
from qllmft.cli.main import app


def test_the_version(cli):
    assert cli("--version") == (f"qllmft {version('qllmft')}\n", "")
    assert qllmft.__version__ == version("qllmft")


def test_completion_can_be_shown(cli, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert "--show-completion" in cli("--help")[0]


COMMANDS = typer.main.get_command(app).commands


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_has_a_help_that_is_a_sentence(name):
    for parameter in COMMANDS[name].params:
        text = getattr(parameter, "help", None)
        assert text, f"{name}: {parameter.name}"
        assert text.endswith("."), f"{name} {parameter.name}: {text}"
        assert Text.from_markup(text).plain == text.replace("\\[", "["), "brackets that rich takes for markup"
    assert COMMANDS[name].help
