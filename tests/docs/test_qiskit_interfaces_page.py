"""The counts of docs/qiskit-interfaces.md equal the kept records, and the page names each test that fails."""

import re

from project_files import read_page, read_record

PAGE = read_page("docs/qiskit-interfaces.md")
RECORD = read_record("docs/records/qiskit-interfaces.json")


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_counts_of_qiskits_tests_are_the_record():
    passed = {}
    tried = {}
    for row in RECORD["rows"]:
        tried[row["backend"]] = tried.get(row["backend"], 0) + row["tried"]
        right = row["tried"] - len(row["failed"])
        passed[row["backend"]] = passed.get(row["backend"], 0) + right
    assert passed["aer_statevector"] == passed["adjoint"]
    assert {tried[name] for name in passed if name != "qiskit"} == {225}
    sentence = f"Of 225 tests {passed['adjoint']} pass on `adjoint` and on `aer_statevector`, "
    sentence += f"{passed['pennylane']} on `pennylane` and {passed['aer_forte']} on `aer_forte`, "
    assert sentence + f"and {passed['qiskit']} of {tried['qiskit']} on `qiskit`" in PAGE


def test_the_page_names_each_test_that_fails():
    reasons = PAGE.partition("intended differences:")[2]
    failed = {re.sub(r"_\d+(_.*)?$", "", name) for row in RECORD["rows"] for name in row["failed"]}
    assert {name for name in failed if f"`{name}`" not in reasons} == set()


def test_the_counts_of_circuits_are_the_record():
    circuits = read_record("docs/records/circuits-of-others.json")["circuits"].values()
    for place, line in (("last", "measurements last"), ("in the middle", "measurements, resets")):
        results = [row["result"] for row in circuits if row["measured"] == place]
        _, right, refused = cells(f"| {line}" + PAGE.partition(f"| {line}")[2].partition("\n")[0])
        assert right == f"{results.count('right')} of {len(results)}"
        assert int(refused) == results.count("refused")
    assert PAGE.partition("## Circuits of others\n\n")[2].startswith(f"{len(circuits)} circuits")
