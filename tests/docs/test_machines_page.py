"""The table of docs/machines.md says what its record says."""

from project_files import read_page, read_record

PAGE = read_page("docs/machines.md")
MITIGATION = read_record("docs/records/mitigation.json")


def test_the_table_of_mitigation_is_the_record():
    rows = MITIGATION["rows"]
    rows_by_key = {
        (r["total_shots"], r["factor"], r["readout_error"], r["method"]): r for r in rows
    }
    expected = [
        f"| {shots:,} | {error:g} | {cells(rows_by_key, shots, 1, error, 'none', 'readout')} |"
        for shots in (3000, 30000)
        for error in (0.005, 0.05)
    ]
    table = PAGE.partition("flipped bit | without |")[2].split("\n\n")[0]
    assert table.splitlines()[2:] == expected
    same_labels = {
        method: [row["same_labels"] for row in rows if is_noisy(row, method)]
        for method in ("none", "readout")
    }
    assert (min(same_labels["none"]), max(same_labels["none"])) == (56, 58)
    assert set(same_labels["readout"]) == {57, 58}
    assert "56 to 58 agree with the exact model without it, and 57 or 58 with it" in PAGE


def is_noisy(row, method):
    return row["method"] == method and row["factor"] == 1 and row["readout_error"] > 0


def test_the_errors_on_the_snapshot_are_the_record():
    snapshot_rows = MITIGATION["fake_nairobi"]["rows"]
    without, readout = (
        row for row in snapshot_rows if "zne" not in row["method"]
    )  # of an earlier version
    assert without["flips"] == readout["flips"] == 10
    errors = [f"{row['mean_abs_difference']:.4f}" for row in (readout, without)]
    beginning = "of 20 texts 10 labels differ with and without it, and the mean error is "
    assert f"{beginning}{errors[0]} instead of {errors[1]}" in PAGE


def cells(rows_by_key, shots, factor, error, *methods):
    rows = (rows_by_key[shots, factor, error, method] for method in methods)
    return " | ".join("{:.3f} [{:.3f}, {:.3f}]".format(*row["error"]) for row in rows)


def test_the_table_is_the_record():
    machines = read_record("docs/records/machines.json")["rows"]
    lines = PAGE.partition("| right of 30 |")[2].split("\n\n")[0].splitlines()[2:]
    assert len(lines) == len(machines)
    for line, (name, row) in zip(lines, machines.items(), strict=True):
        label, right, differ, unsure, distance, error, shots = (
            cell.strip() for cell in line.strip("|").split("|")
        )
        agreement = row["agreement"]
        counts = [int(right), int(differ), int(unsure)]
        assert name.partition(",")[0] in label
        assert counts == [row["accuracy"]["right"], agreement["flips"], agreement["undecided"]]
        assert distance == f"{agreement['mean_abs_difference']:.3f}"
        assert error == (f"{agreement['mean_standard_error']:.3f}" if agreement["shots"] else "–")
        assert shots == (f"{agreement['shots']:,}" if agreement["shots"] else "–")
