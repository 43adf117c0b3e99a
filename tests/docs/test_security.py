"""SECURITY.md: each promise and each bound names rows of the reliability page, or tests, which are there."""

import re

import pytest
from project_files import ROOT, read_page, read_record

TEXT = read_page("SECURITY.md")
ROWS = read_record("docs/records/reliability.json")["rows"]
PROMISES = re.findall(
    r"^- \*\*(.+?)\.\*\* (.+(?:\n  .+)*)", TEXT.partition("Plug-ins are")[0], re.M
)
BOUNDS = re.findall(r"^\| (?!what|---)(.+?) \| .+ \| (.+) \|$", TEXT, re.M)
CITED = [*PROMISES, *BOUNDS]


def find_references(text):
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
    rows, tests = find_references(text)
    assert rows or tests, name
    rows_by_name = {row["name"]: row for row in ROWS}
    for row in rows:
        assert row in rows_by_name, f"docs/results/reliability.md has no row {row!r}"
        assert rows_by_name[row]["survived"] == rows_by_name[row]["tries"] > 0, row
    for test in tests:
        file, _, function = test.partition("::")
        content = (ROOT / file).read_text(encoding="utf-8")
        assert re.search(rf"^def {function or 'test_'}", content, re.M), test
