"""The command that errors advise for a missing extra: one wording, for every folder and every kind of installation."""

import ast
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

import qllmft
from qllmft_base.errors import UserError
from qllmft_base.versions import import_extra, install_command

ROOT = Path(qllmft.__file__).parents[1]
SOURCES = [
    path
    for folder in ("qllmft", "packages", "backends", "circuits")
    for path in (ROOT / folder).rglob("*.py")
]


def literals(path):
    """The strings of a file, with parts of f-strings, and without docstrings' places."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_only_one_place_writes_the_command():
    advice = [path.name for path in SOURCES if any("'.[" in text for text in literals(path))]
    assert advice == [], "it fails outside of a clone"
    writers = [path for path in SOURCES if any("pip install 'qllmft[" in t for t in literals(path))]
    assert {path.name for path in writers} == {"versions.py", "qasm.py", "inspect.py"}


def test_pip_takes_the_installed_version_in_any_folder(tmp_path):
    word = install_command("excel").split()[-1].strip("'")
    assert "excel" in metadata("qllmft").get_all("Provides-Extra")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-index", "--no-deps", word]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "already satisfied: qllmft[excel]" in done.stdout


def test_a_missing_package_is_named_with_the_command():
    with pytest.raises(UserError) as caught:
        import_extra("not_there_at_all", "--sampler tpe needs optuna")
    assert str(caught.value) == (
        "--sampler tpe needs optuna, which is not installed (not_there_at_all): "
        "pip install 'qllmft[sweep]'."
    )
