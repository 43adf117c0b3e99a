"""The table of docs/machines.md says what its record says."""

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_of_mitigation_is_the_record():
    kept = json.loads((DOCS / "records" / "mitigation.json").read_text("utf-8"))["rows"]
    found = {(r["total_shots"], r["factor"], r["readout_error"], r["method"]): r for r in kept}
    page = (DOCS / "machines.md").read_text("utf-8")
    expected = [
        f"| {shots:,} | {error:g} | {cells(found, shots, 1, error, 'none', 'readout')} |"
        for shots in (3000, 30000)
        for error in (0.005, 0.05)
    ]
    table = page.partition("flipped bit | without |")[2].split("\n\n")[0]
    assert table.splitlines()[2:] == expected
    same = {
        method: [row["same_labels"] for row in kept if measured(row, method)]
        for method in ("none", "readout")
    }
    assert (min(same["none"]), max(same["none"])) == (56, 58)
    assert set(same["readout"]) == {57, 58}
    assert "56 to 58 agree with the exact model without it, and 57 or 58 with it" in page


def measured(row, method):
    return row["method"] == method and row["factor"] == 1 and row["readout_error"] > 0


def test_the_errors_on_the_snapshot_are_the_record():
    kept = json.loads((DOCS / "records" / "mitigation.json").read_text("utf-8"))["fake_nairobi"][
        "rows"
    ]
    without, readout = (row for row in kept if "zne" not in row["method"])  # of an earlier version
    assert without["flips"] == readout["flips"] == 10
    errors = [f"{row['mean_abs_difference']:.4f}" for row in (readout, without)]
    said = "of 20 texts 10 labels differ with and without it, and the mean error is "
    assert f"{said}{errors[0]} instead of {errors[1]}" in (DOCS / "machines.md").read_text("utf-8")


def cells(found, shots, factor, error, *methods):
    rows = (found[shots, factor, error, method] for method in methods)
    return " | ".join("{:.3f} [{:.3f}, {:.3f}]".format(*row["error"]) for row in rows)


def test_the_table_is_the_record():
    kept = json.loads((DOCS / "records" / "machines.json").read_text("utf-8"))["rows"]
    lines = (
        (DOCS / "machines.md")
        .read_text("utf-8")
        .partition("| right of 30 |")[2]
        .split("\n\n")[0]
        .splitlines()[2:]
    )
    assert len(lines) == len(kept)
    for line, (name, row) in zip(lines, kept.items(), strict=True):
        label, right, differ, unsure, distance, error, shots = (
            cell.strip() for cell in line.strip("|").split("|")
        )
        found, shown = row["agreement"], [int(right), int(differ), int(unsure)]
        assert name.partition(",")[0] in label
        assert shown == [row["accuracy"]["right"], found["flips"], found["undecided"]]
        assert distance == f"{found['mean_abs_difference']:.3f}"
        assert error == (f"{found['mean_standard_error']:.3f}" if found["shots"] else "–")
        assert shots == (f"{found['shots']:,}" if found["shots"] else "–")
