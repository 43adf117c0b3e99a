"""Every figure on the page of trials without a gain is in the source that its row names."""

import re
from datetime import date
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "decisions" / "0025-what-did-not-help.md"
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in PAGE.read_text("utf-8").splitlines()
    if re.match(r"\| \d{4}-", line)
]
NUMBER = re.compile(r"[−+]?\d[\d,]*(?:\.\d+)?")


def numbers(text):
    """Return the numbers of a text with their signs."""
    return set(NUMBER.findall(re.sub(r"(?<=\d)e[-−]\d", "", text)))


def test_the_page_has_rows():
    assert len(ROWS) >= 20
    assert len({tuple(row) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1])
def test_the_figures_of_a_row_are_in_its_source(row):
    day, _, result, source = row
    assert date.fromisoformat(day) <= date.today()
    (target,) = re.findall(r"^\[[^\]]+\]\(([^)]+)\)$", source)
    file = (PAGE.parent / target).resolve()
    assert numbers(result) <= numbers(file.read_text("utf-8")), target
