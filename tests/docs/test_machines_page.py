"""The table of docs/machines.md says what its record says."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_the_record():
    kept = json.loads((DOCS / "records" / "machines.json").read_text("utf-8"))["rows"]
    lines = (DOCS / "machines.md").read_text("utf-8").partition("| right of 30 |")[2].split("\n\n")[0].splitlines()[2:]
    assert len(lines) == len(kept)
    for line, (name, row) in zip(lines, kept.items(), strict=True):
        label, right, differ, unsure, distance, error, shots = (cell.strip() for cell in line.strip("|").split("|"))
        found, shown = row["agreement"], [int(right), int(differ), int(unsure)]
        assert name.partition(",")[0] in label
        assert shown == [row["accuracy"]["right"], found["flips"], found["undecided"]]
        assert distance == f"{found['mean_abs_difference']:.3f}"
        assert error == (f"{found['mean_standard_error']:.3f}" if found["shots"] else "–")
        assert shots == (f"{found['shots']:,}" if found["shots"] else "–")
