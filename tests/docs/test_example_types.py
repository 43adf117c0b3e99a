"""Every Python example, on the pages and in examples/, passes mypy, and mistakes in calls of the package do not."""

import ast
import builtins
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
]
# strict, except for what examples may leave out and torch does not have; as comments of the file,
# since flags of the command would make mypy check all packages again
LENIENT = """# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, allow-untyped-decorators
# mypy: disable-error-code="misc"
from __future__ import annotations
from typing import Any
import qllmft
"""
WRONG = {  # a line, and the beginning of mypy's message about it
    'qllmft.traim("x")': "Module has no attribute",
    "qllmft.train(1234)": 'Argument 1 to "train" has incompatible type "int"',
    'qllmft.train("a.tsv", bogus__x=1)': 'Unexpected keyword argument "bogus__x"',
    'qllmft.train("a.tsv", train__epochs="3")': 'Argument "train__epochs" to "train" has incompatible type',
    "qllmft.QuantumHead(qubits=4)": 'Unexpected keyword argument "qubits"',
}


def blocks():
    """Yield a name and the code of each Python block of the pages, and of each file in examples/."""
    for example in sorted((ROOT / "examples").glob("*.py")):
        yield f"example_{example.stem}", example.read_text("utf-8")
    for page in PAGES:
        for number, code in enumerate(
            re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        ):
            yield re.sub(r"\W", "_", str(page.relative_to(ROOT)))[:-3] + f"_{number}", code


def whole(code):
    """Return a block with declarations of the names that the page explains or an earlier block defines."""
    bound = {*dir(builtins), "qllmft", "__file__"}
    free = set()
    for statement in ast.parse(code).body:
        nodes = list(ast.walk(statement))
        inside = {name for node in nodes for name in bound_by(node)}
        local_names = (
            inside
            if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.For | ast.With)
            else set()
        )
        free |= (
            {node.id for node in nodes if isinstance(node, ast.Name) and is_read(node)}
            - bound
            - local_names
        )
        bound |= inside
    declared = [f"{name}: Any" for name in sorted(free)]
    return LENIENT + "\n".join(
        [*declared, code.replace("from __future__ import annotations\n", "")]
    )


def is_read(node):
    return isinstance(node.ctx, ast.Load)


def bound_by(node):
    if isinstance(node, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Name) and not is_read(node):
        return [node.id]
    return [node.arg] if isinstance(node, ast.arg) else []


@pytest.mark.slow
def test_every_example_has_right_types_and_wrong_calls_do_not(tmp_path):
    examples = dict(blocks())
    assert len(examples) >= 20
    for name, code in examples.items():
        (tmp_path / f"{name}.py").write_text(whole(code), encoding="utf-8")
    (tmp_path / "wrong_calls.py").write_text("\n".join(["import qllmft", *WRONG]), encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path)]
    process = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    lines = [line for line in process.stdout.splitlines() if ": error: " in line]
    wrong = [line.partition(": error: ")[2] for line in lines if "wrong_calls.py" in line]
    assert [line for line in lines if "wrong_calls.py" not in line] == [], process.stderr
    assert len(wrong) == len(WRONG)
    assert all(
        line.startswith(message) for line, message in zip(wrong, WRONG.values(), strict=True)
    )
