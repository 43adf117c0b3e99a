"""The examples use the public interface: `qllmft` and the names that its rooms export."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from packages import PACKAGES, ROOT

FOLDERS = [ROOT / name for name in ("examples", "lab")]
PACKAGE_NAMES = {Path(folder).name for folder in PACKAGES}


def imports(file):
    """Yield the module and the name of every import from the project's packages."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in PACKAGE_NAMES:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize(
    "file",
    sorted(file for folder in FOLDERS for file in folder.rglob("*.py")),
    ids=lambda file: file.relative_to(ROOT).as_posix(),
)
def test_an_example_imports_public_names_only(file):
    for module, name in imports(file):
        assert module.count(".") <= 1, f"{module} is inside a room"
        room = import_module(module)
        if hasattr(room, "__all__"):
            assert name in room.__all__ or name == "style", f"{module} exports no {name}"


def test_the_page_of_the_paper_is_such_an_example():
    imported_names = {
        pair for file in (ROOT / "lab" / "paper").glob("*.py") for pair in imports(file)
    }
    assert {("qllmft", "read_study"), ("qllmft.campaign", "compare")} <= imported_names
