"""The block of docs/quantum-kernels.md runs, and its tables are those of the kept record."""

import re

import pytest
from project_files import read_page, read_record

from qllmft import QuantumKernel

PAGE = read_page("docs/quantum-kernels.md")
RECORD = read_record("benchmarks/kernel.json")
WAYS = {
    "QuantumKernel": "`QuantumKernel`",
    "default.qubit, one batch, one product": "PennyLane's default.qubit, one batch and one product",
    "Statevector, one product": "Qiskit's `Statevector` for each row and one product",
    "FidelityStatevectorKernel": "`FidelityStatevectorKernel`",
    "FidelityQuantumKernel": "`FidelityQuantumKernel`",
    "qml.kernels, lightning.qubit": "`qp.kernels` with lightning.qubit",
}


def milliseconds(row, name):
    if name not in row["ms"]:
        return ""
    time = row["ms"][name]
    return f"{time:.1f}" if time < 100 else f"{time:,.0f}"


def time_table():
    sizes = [f"{row['rows']:,} × {row['features']}" for row in RECORD["times"]]
    lines = [f"| rows × features | {' | '.join(sizes)} |", f"|---|{'---|' * len(sizes)}"]
    for name, title in WAYS.items():
        cells = [milliseconds(row, name) for row in RECORD["times"]]
        lines.append(f"| {title} | {' | '.join(cells)} |".replace("|  |", "| |"))
    return "\n".join(lines).replace("|  |", "| |")


def accuracy_table():
    sets = RECORD["accuracy"]
    heads = [
        f"{result['data']}, {result['rows']} rows, {result['labels']} labels" for result in sets
    ]
    lines = [f"| classifier | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for number, row in enumerate(sets[0]["results"]):
        cells = []
        for result in sets:
            score = result["results"][number]
            assert score["classifier"] == row["classifier"]
            cell = f"{100 * score['accuracy']:.1f} %"
            if "interval" in score:
                low, high = (f"{100 * bound:+.1f}".replace("-", "−") for bound in score["interval"])
                cell += f" [{low}, {high}]"
            cells.append(cell)
        lines.append(f"| {row['classifier']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def test_the_block_of_the_page_runs(capsys):
    names = {}
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, names)
    assert isinstance(names["kernel"], QuantumKernel)
    scores = [float(number) for number in re.findall(r"0?\.\d+|1\.", capsys.readouterr().out)]
    assert len(scores) == 5
    assert min(scores) > 0.8


@pytest.mark.parametrize("table", [time_table, accuracy_table])
def test_the_tables_are_those_of_the_record(table):
    assert table() in PAGE


def test_the_kernel_is_as_fast_and_as_exact_as_the_page_says():
    largest = max(max(row["difference"].values()) for row in RECORD["times"])
    exponent = str(int(f"{largest:.0e}".split("e-")[1]) - 1).translate(
        str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    )
    assert f"All matrices agree within 10⁻{exponent}." in PAGE
    for row in RECORD["times"]:
        kernel_ms = row["ms"]["QuantumKernel"]
        assert row["ms"]["FidelityStatevectorKernel"] >= 10 * kernel_ms
        assert kernel_ms == min(row["ms"].values())


def test_no_interval_of_a_quantum_kernel_excludes_zero():
    for result in RECORD["accuracy"]:
        for row in result["results"]:
            if "interval" in row:
                assert row["interval"][0] < 0 < row["interval"][1]
