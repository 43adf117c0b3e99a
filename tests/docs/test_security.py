"""SECURITY.md: each promise and each bound names rows of the reliability page, or tests, which are there."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = json.loads((ROOT / "docs/records/reliability.json").read_text(encoding="utf-8"))["rows"]
PROMISES = re.findall(
    r"^- \*\*(.+?)\.\*\* (.+(?:\n  .+)*)", TEXT.partition("Plug-ins are")[0], re.M
)
BOUNDS = re.findall(r"^\| (?!what|---)(.+?) \| .+ \| (.+) \|$", TEXT, re.M)
CITED = [*PROMISES, *BOUNDS]


def cited(text):
    """Return the rows and the tests that a text names."""
    rows = [
        name
        for part in re.findall(r"(?:\*Rows?:\*|\brow) ((?:`[^`]+`(?:, )?)+)", text)
        for name in re.findall(r"`([^`]+)`", part)
        if not name.startswith("tests/")
    ]
    return rows, re.findall(r"`(tests/[^`]+)`", text)


def test_there_are_promises_and_bounds():
    assert len(PROMISES) >= 8
    assert len(BOUNDS) >= 20


@pytest.mark.parametrize(("name", "text"), CITED, ids=[name[:40] for name, _ in CITED])
def test_each_names_what_checks_it(name, text):
    rows, tests = cited(text)
    assert rows or tests, name
    there = {row["name"]: row for row in ROWS}
    for row in rows:
        assert row in there, f"docs/results/reliability.md has no row {row!r}"
        assert there[row]["survived"] == there[row]["tries"] > 0, row
    for test in tests:
        file, _, function = test.partition("::")
        content = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function or 'test_'}", content, re.M), test
