"""Figures and tables of a study for print: their width, their numbers, and what is refused."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from qllmft.report import style
from qllmft.report.style import save_for_print  # before other tests replace it
from qllmft_base.errors import UserError
from qllmft_studies.report import write_study_figures, write_study_table
from qllmft_studies.report.table import safe_cell

RECORD = Path(__file__).parents[3] / "docs" / "records" / "table2"


def test_figures_are_as_wide_as_asked_and_equal_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(style, "save_for_print", save_for_print)
    files = write_study_figures(RECORD, tmp_path / "one", 3.4)
    assert {file.suffix for file in files} == {".svg", ".pdf"}
    svg, pdf = files[:2]
    assert re.search(r'<svg [^>]*width="244.8pt"', svg.read_text("utf-8"))  # 3.4 · 72
    box = re.search(rb"/MediaBox \[ *0 0 ([\d.]+)", pdf.read_bytes())
    assert float(box[1]) == pytest.approx(244.8)
    again = write_study_figures(RECORD, tmp_path / "two", 3.4)
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_the_table_has_the_seeds_and_their_interval(tmp_path):
    file = write_study_table(RECORD, tmp_path / "table.csv")
    lines = list(csv.DictReader(io.StringIO(file.read_text("utf-8"))))
    rows = json.loads((RECORD / "study.json").read_text("utf-8"))["rows"]
    assert [line["model"] for line in lines] == [row["label"] for row in rows]
    for line in lines:
        scores = [float(value) for name, value in line.items() if name.startswith("seed ")]
        low, high = stats.t.interval(0.95, len(scores) - 1, np.mean(scores), stats.sem(scores))
        found = [float(line[name]) for name in ("test", "low", "high")]
        np.testing.assert_allclose(found, [np.mean(scores), low, high], rtol=1e-9)
    assert safe_cell("=1+1") == "'=1+1"


@pytest.mark.parametrize("width", [0.5, float("nan"), 1e9])
def test_another_width_is_refused(tmp_path, width):
    with pytest.raises(UserError, match=r"expected 2\.5 to 12, such as 3\.4"):
        write_study_figures(RECORD, tmp_path / "none", width)
    assert not (tmp_path / "none").exists()
