"""The page that lists the files of the paper's pipeline: they exist, and are read in a day."""

import ast
import re

from packages import ROOT

FILES = re.findall(
    r"^\| `(.+?)` \|", (ROOT / "docs" / "paper-in-the-code.md").read_text("utf-8"), re.M
)
MAX_FILES = 50
MAX_STATEMENTS = 5_500  # without docstrings and imports


def count_statements(source):
    """Return the number of statements of a module without docstrings and imports."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    n_docstrings = sum(
        isinstance(node, documented) and ast.get_docstring(node) is not None
        for node in ast.walk(tree)
    )
    statements = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return len(statements) - n_docstrings


def test_the_files_of_the_paper_are_there_once_and_few():
    assert len(FILES) == len(set(FILES)) <= MAX_FILES
    sources = [(ROOT / file).read_text("utf-8") for file in FILES]
    assert sum(map(count_statements, sources)) <= MAX_STATEMENTS
