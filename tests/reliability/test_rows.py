"""The rows of the table name tests that are there; the rows themselves are slow."""

import json
import re
from pathlib import Path

import pytest
import test_hostile_input
import test_hostile_sources
from reliability_table import Row, page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_that_of_its_record():
    record = json.loads((DOCS / "records" / "reliability.json").read_text("utf-8"))
    rows = [Row(**row) for row in record.pop("rows")]
    assert (DOCS / "results" / "reliability.md").read_text("utf-8") == page(record, rows)


def test_each_property_of_any_input_has_a_row():
    properties = {
        name
        for file in test_hostile_input.FILES
        for name in re.findall(
            r"^def (test_any_\w+)", (test_hostile_input.ROOT / file).read_text(), re.MULTILINE
        )
    }
    assert {name.partition("[")[0] for name in test_hostile_input.NAMES} == properties
    assert {test_hostile_input.find_file(name) for name in test_hostile_input.NAMES} == set(
        test_hostile_input.FILES
    )


@pytest.mark.parametrize("name", test_hostile_sources.ROWS)
def test_each_row_on_a_hostile_source_has_tests(name):
    _, files, expression = test_hostile_sources.ROWS[name]
    texts = [(test_hostile_input.ROOT / file).read_text(encoding="utf-8") for file in files]
    tests = [test for text in texts for test in re.findall(r"^def (test_\w+)", text, re.MULTILINE)]
    for word in expression.split(" or "):
        assert any(word in test for test in tests), word
