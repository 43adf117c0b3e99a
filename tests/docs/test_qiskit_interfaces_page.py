"""The tables of docs/qiskit-interfaces.md equal the kept records, and the page names each test that fails."""

import json
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "qiskit-interfaces.md").read_text("utf-8")
RECORD = json.loads((DOCS / "records" / "qiskit-interfaces.json").read_text("utf-8"))


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_of_qiskits_tests_is_the_record():
    header, _, *lines = PAGE.partition("| tests | ")[2].split("\n\n")[0].splitlines()
    backends = [cell.strip("`") for cell in cells(header)]
    shown = {}
    for line in lines:
        name, *counts = cells(line)
        shown |= {
            (name.partition("`")[2].strip("`"), b): c
            for b, c in zip(backends, counts, strict=True)
            if c != "–"
        }
    assert shown == {
        (row["tests"], row["backend"]): f"{row['tried'] - len(row['failed'])} of {row['tried']}"
        for row in RECORD["rows"]
    }


def test_the_page_names_each_test_that_fails():
    reasons = PAGE.partition("intended differences:")[2]
    failed = {re.sub(r"_\d+(_.*)?$", "", name) for row in RECORD["rows"] for name in row["failed"]}
    assert {name for name in failed if f"`{name}`" not in reasons} == set()


def test_the_counts_of_circuits_are_the_record():
    kept = json.loads((DOCS / "records" / "circuits-of-others.json").read_text("utf-8"))[
        "circuits"
    ].values()
    for place, line in (("last", "measurements last"), ("in the middle", "measurements, resets")):
        results = [row["result"] for row in kept if row["measured"] == place]
        _, right, refused = cells(f"| {line}" + PAGE.partition(f"| {line}")[2].partition("\n")[0])
        assert right == f"{results.count('right')} of {len(results)}"
        assert int(refused) == results.count("refused")
    assert PAGE.partition("## Circuits of others\n\n")[2].startswith(f"{len(kept)} circuits")
