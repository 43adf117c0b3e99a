"""Every message on the page of errors is in the packages, or in the program of the paper."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUOTED = re.findall(
    r"^\| `(.+?)` \|", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE
)


@pytest.fixture(scope="module")
def written():
    """Return every string of the packages, with a mark for the values of an f-string."""
    texts = []
    for package in ("qllmft", "backends/qllmft_backends", "examples/paper"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
                elif isinstance(node, ast.JoinedStr):
                    texts.append(
                        "".join(
                            p.value if isinstance(p, ast.Constant) else "\0" for p in node.values
                        )
                    )
    return texts


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_one_that_is_written(message, written):
    parts = [part.strip() for part in message.split("…") if part.strip()]
    pattern = re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)
    assert any(pattern.search(text) for text in written), message
