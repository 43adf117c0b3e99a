"""Every message on the page of errors is in the packages, or in the program of the paper."""

import ast
import re

import pytest
from project_files import ROOT, read_page

from packages import PACKAGES
from qllmft.config import DataConfig
from qllmft.data import read_corpus
from qllmft_base.errors import UserError

QUOTED = re.findall(r"^\| `(.+?)` \|", read_page("docs/errors.md"), re.MULTILINE)


@pytest.fixture(scope="module")
def written():
    """Return the strings of each file that has all words of a quoted message."""
    words = [set(re.findall(r"[A-Za-z]{4,}", message)) for message in QUOTED]
    texts = []
    for package in (*PACKAGES, "lab/paper"):
        for file in (ROOT / package).rglob("*.py"):
            source = file.read_text("utf-8")
            if any(all(word in source for word in of_message) for of_message in words):
                texts += read_strings(source)
    return texts


def read_strings(source):
    """Return every string of a module, with a mark for the values of an f-string."""
    texts = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
            texts.append("".join(parts))
    return texts


def make_pattern(message):
    """Return the pattern of a message with varying parts."""
    parts = [part.strip() for part in message.split("…") if part.strip()]
    return re.compile(".*".join(re.escape(part) for part in parts), re.DOTALL)


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_one_that_is_written(message, written):
    pattern = make_pattern(message)
    assert any(pattern.search(text) for text in written), message


LABELS = {
    "merge": ["good", "Good", "bad", "bad"] * 3,
    "missing": ["good", "nan", "bad"] * 3,
    "lists": ["\"['home', 'bad']\"", "\"['home']\""] * 6,
    "many": [f"kind {number}" for number in range(9)],
}


def messages_about(folder, labels):
    """Return the error about labels, or what is said of them, one each line."""
    rows = "".join(f"text {number},{label}\n" for number, label in enumerate(labels))
    (folder / "train.csv").write_text(f"text,label\n{rows}")
    try:
        return list(read_corpus(DataConfig(source=str(folder))).findings.sentences())
    except UserError as error:
        return [str(error)]


@pytest.mark.parametrize("case", [*LABELS, "hidden"])
def test_every_message_about_labels_is_on_the_page(tmp_path, case):
    if case == "hidden":
        (tmp_path / "test.csv").write_text("text,label\na,-1\nb,-1\n")
    (message,) = messages_about(tmp_path, LABELS.get(case, LABELS["lists"]))
    assert any(make_pattern(row).search(message) for row in QUOTED), message
