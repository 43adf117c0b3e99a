"""The start of the command line: help and version without heavy packages; every option has a help."""

import subprocess
import sys
from importlib.metadata import version

import pytest
import typer
from rich.text import Text

import qllmft
from qllmft.cli.main import app

HEAVY = ("datasets", "matplotlib", "numba", "numpy", "pandas", "qiskit", "scipy", "sklearn", "torch")


@pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["train", "--help"], ["predict", "--help"]], ids=" ".join
)
def test_help_and_version_load_nothing_heavy(command):
    script = (
        "import sys\nfrom qllmft.cli.main import main\n"
        f"try:\n    main({command})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_the_version(cli):
    assert cli("--version") == (f"qllmft {version('qllmft')}\n", "")
    assert qllmft.__version__ == version("qllmft")


def test_the_package_lists_its_public_names():
    assert dir(qllmft) == sorted([*qllmft.__all__, "__version__"])
    for name in dir(qllmft):
        assert getattr(qllmft, name) is not None


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
