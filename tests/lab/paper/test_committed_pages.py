"""The committed pages of the paper and of the maps equal those made from the records."""

import json
from pathlib import Path

import pytest

from lab.paper import best_epoch
from lab.paper.studies import STUDIES
from qllmft import read_study

ROOT = Path(__file__).parents[3]
RECORDS = ROOT / "docs" / "records"
RESULTS = ROOT / "docs" / "results"
ON_THE_PAGE = [
    file.parent
    for file in sorted(RECORDS.glob("*/study.json"))
    if read_study(file.parent).study in STUDIES
]
PAGES = {
    "where-it-pays": ["maps", RECORDS / "where-it-pays", "--out"],
    "paper-vs-here": [
        *("page", "--runs", RECORDS / "records.json"),
        *(word for folder in ON_THE_PAGE for word in ("--study", folder)),
        "--out",
    ],
}


@pytest.mark.parametrize(("name", "command"), PAGES.items())
def test_a_committed_page_is_made_by_its_command(tmp_path, paper, name, command):
    paper(*command, tmp_path / "page.md")
    made_again = (
        f"make it again: python -m lab.paper {' '.join(map(str, command))} docs/results/{name}.md"
    )
    page = (tmp_path / "page.md").read_text("utf-8")
    assert (RESULTS / f"{name}.md").read_text("utf-8") == page, made_again
    for figure in tmp_path.glob("figures/*"):
        assert (RESULTS / "figures" / figure.name).exists()


def test_the_page_of_choices_on_the_judging_texts_is_that_of_its_record():
    record = json.loads((RECORDS / "best-epoch.json").read_text("utf-8"))
    assert (RESULTS / "best-epoch.md").read_text("utf-8") == best_epoch.table(record)


def test_the_papers_page_has_the_numbers_of_table_2():
    """Both come from the same kind of runs, counted by other functions."""
    page = (RESULTS / "paper-vs-here.md").read_text("utf-8")
    table = [
        line.split(" | ") for line in page.split("### ")[1].splitlines() if line.startswith("| ")
    ]
    cells_by_label = {cells[0].removeprefix("| "): cells[2] for cells in table}
    names = ["Single sQE 10Q", "Single sQE 12Q", "Multi sQE 10Q", "Multi sQE 14Q"]
    rows = {
        study_row.label: study_row.test_interval
        for study_row in read_study(RECORDS / "table2").rows
    }
    for label, table_label in {
        **{name: name for name in names},
        "SVC": "SVC 296",
        "NN head (1/192)": "Neural Network (1/192)",
    }.items():
        assert (
            cells_by_label[table_label]
            == f"{100 * rows[label].mean:.2f} ± {100 * rows[label].half_width:.2f}"
        ), label
