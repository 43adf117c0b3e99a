"""Records of experiments are continued, and a page is that of its record."""

import json
import re

import pytest

from lab.experiments import bodies_page, class_weights_page, many_labels_page
from lab.experiments.common import DOCS, Record, keep, read_rows, table, write_page


def test_a_record_has_a_line_for_each_row_and_goes_on_where_it_ended(tmp_path):
    file = tmp_path / "record.json"
    record = Record(file, "task", "seed", folds=5)
    assert record.lacks("a", 0)
    record.add({"task": "a", "seed": 0, "right": 7})
    record.add({"task": "ä", "seed": 1, "right": 8})
    continued = Record(file, "task", "seed", folds=5)
    assert (continued.lacks("a", 0), continued.lacks("ä", 1), continued.lacks("a", 1)) == (
        False,
        False,
        True,
    )
    text = file.read_text("utf-8")
    assert json.loads(text) == {"folds": 5, "results": record.rows}
    assert len(text.splitlines()) == 4


def test_a_record_may_be_a_list_or_have_another_name(tmp_path):
    file = tmp_path / "record.json"
    assert read_rows(file) == []
    file.write_text('[{"a": 1}]', "utf-8")
    assert read_rows(file) == [{"a": 1}]
    keep(file, [{"a": 1}], "rows", about="things")
    assert json.loads(file.read_text("utf-8")) == {"about": "things", "rows": [{"a": 1}]}


def test_a_bar_in_a_cell_ends_no_column():
    assert table(["state"], [["|0⟩"]]).splitlines()[-1] == r"| \|0⟩ |"


def test_a_page_with_a_missing_value_is_an_error(tmp_path):
    (tmp_path / "page.md.j2").write_text("{{ rows }}\n", "utf-8")
    rows = table(["name", "n"], [["a", 1]])
    write_page(tmp_path / "page.md.j2", tmp_path / "page.md", rows=rows)
    assert (tmp_path / "page.md").read_text("utf-8") == "| name | n |\n| --- | ---: |\n| a | 1 |\n"
    with pytest.raises(Exception, match=re.escape("'rows' is undefined")):
        write_page(tmp_path / "page.md.j2", tmp_path / "page.md")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("bodies", bodies_page),
        ("class-weights", class_weights_page),
        ("many-labels", many_labels_page),
    ],
)
def test_a_page_is_that_of_its_record(name, made, tmp_path):
    made.render(DOCS / "records" / f"{name}.json", tmp_path / "page.md")
    committed = (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8")
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == committed
