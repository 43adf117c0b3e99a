"""Texts for people in the packages: a sentence has one idea, so no semicolon and 25 words at most."""

import ast
import re
from pathlib import Path

import pytest

from packages import PACKAGES

ROOT = Path(__file__).parents[2]
MAX_WORDS = 25
EXCEPTIONS = (
    "; its first run began on ",  # of study pages, as committed
    "body … (…-d); …",  # of their figures
    "…; …; …",
    "default-src 'none'; ",  # headers and programs
    "from qllmft_circuits.files.reader import main; main()",
    "from qllmft_tables.foreign_reader import main; main()",
    "import os, sys; os.chdir(os.sep); sys.path[:] = ",
)


def message_texts(file):
    """Yield the line and the text of each string that is no docstring, with … for each value of an f-string."""
    tree = ast.parse(file.read_text("utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in docstrings | parts:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            values = (v.value if isinstance(v, ast.Constant) else "…" for v in node.values)
            yield node.lineno, "".join(map(str, values))


def long_sentences(text):
    """Return the sentences of a text with a semicolon or more than 25 words."""
    sentences = re.split(r"(?<=[.!?])\s+|\n", text)
    return [s for s in sentences if "; " in s or len(s.split()) > MAX_WORDS]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_sentence_of_a_text_has_one_idea(package):
    faults = [
        f"{file.relative_to(ROOT)}:{line}: {sentence}"
        for file in sorted((ROOT / package).rglob("*.py"))
        for line, text in message_texts(file)
        if re.search(r"\w", text) and not text.startswith(EXCEPTIONS)
        for sentence in long_sentences(text)
    ]
    assert faults == []


def test_the_check_finds_a_semicolon_and_a_long_sentence():
    assert long_sentences("Short. One; two.") == ["One; two."]
    long = " ".join(["word"] * 26)
    assert long_sentences(f"{long}. Short.") == [f"{long}."]


def test_a_sentence_of_the_page_of_a_server_has_one_idea():
    folder = ROOT / "packages" / "qllmft_doors" / "serving"
    script = (folder / "page.js").read_text("utf-8")
    texts = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", script)
    page = re.sub(r"<[^>]*>", "\n", (folder / "page.html").read_text("utf-8"))
    page_text = "\n".join(["".join(pair) for pair in texts if pair != ("; ", "")] + [page])
    assert "Nearest training texts" in page_text
    assert long_sentences(page_text) == []


def templates():
    """Return the templates but those of a study's committed tables."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.j2"))
    return sorted(file for file in files if not file.match("study.[mt]*.j2"))


@pytest.mark.parametrize("template", templates(), ids=lambda file: file.name)
def test_a_sentence_of_a_template_has_one_idea(template):
    """Text between tags, in which each value is one word."""
    content = re.sub(r"^\.\w+ \{.*\}$", "", template.read_text("utf-8"), flags=re.MULTILINE)
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|<[^>]*>", "\n", content, flags=re.DOTALL)
    text = re.sub(r"\{\{.*?\}\}", "…", text, flags=re.DOTALL)
    assert long_sentences(text) == []
