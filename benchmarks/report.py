"""Results as JSON, as a Markdown table and, if matplotlib is installed, as a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limit import limit_ms
from machine import BUSY_CORES, BUSY_LOAD
from workloads import BATCH

TITLES = {
    "enc": "ENC: 28 layers on loaded amplitudes",
    "head": "HEAD: re-uploading circuit",
    "mixed": "MIXED: 28 layers of random gates",
}
QNODES = "## QNODE: one QNode on one thread"


def three_digits(number: float) -> str:
    """Format a duration with three significant digits and no exponent."""
    return f"{number:.3g}" if number < 1000 else f"{number:,.0f}"


def cell_text(row: dict[str, Any], notes: list[str]) -> str:
    """Format one entry of the table. A reason is added to the notes."""
    if row["status"] == "ok":
        spread = f"{three_digits(row['ms_min'])}–{three_digits(row['ms_max'])}"
        return f"**{three_digits(row['ms'])}** ({spread}; {row['peak_rss_mb']:,.0f} MB)"
    note = f"{row['label']}: {row['status']}: {row['reason']}".replace("|", "\\|")
    if note not in notes:
        notes.append(note)
    return f"{row['status']} [{notes.index(note) + 1}]"


def table(workload: str, cells: list[dict[str, Any]], machine: dict[str, Any]) -> str:
    """Return the table of a workload, with peers down and qubits across, and the limit of the machine's arithmetic."""
    cells = [cell for cell in cells if cell["workload"] == workload]
    notes: list[str] = []
    lines = [
        f"## {TITLES[workload]}",
        "",
        "| ms | " + " | ".join(str(cell["n_qubits"]) for cell in cells) + " |",
        "|---" * (len(cells) + 1) + "|",
    ]
    for position, row in enumerate(cells[0]["rows"]):
        versions = {cell["rows"][position]["version"] for cell in cells} - {""}
        name = " ".join([row["label"], *sorted(versions)])
        entries = [cell_text(cell["rows"][position], notes) for cell in cells]
        lines.append(f"| {name} | " + " | ".join(entries) + " |")
    if peak := machine.get("peak_gflops"):
        batch = machine.get("batch", BATCH)
        limits = [three_digits(limit_ms(workload, c["n_qubits"], peak, batch)) for c in cells]
        lines.append(f"| *limit: arithmetic alone* | {' | '.join(limits)} |")
    rounds = [
        min((len(row["rounds_ms"]) for row in c["rows"] if row["status"] == "ok"), default=0)
        for c in cells
    ]
    lines.append(f"| *rounds* | {' | '.join(map(str, rounds))} |")
    busy_cores = [
        "?" if c["cores_busy_with_other_work"] is None else str(c["cores_busy_with_other_work"])
        for c in cells
    ]
    lines += [f"| *cores busy with other work* | {' | '.join(busy_cores)} |", ""]
    lines += [f"[{number}] {note}" + "  " for number, note in enumerate(notes, start=1)]
    return "\n".join(lines)


def markdown(results: dict[str, Any]) -> str:
    """Return the whole report."""
    machine = results["machine"]
    workloads = dict.fromkeys(cell["workload"] for cell in results["cells"])
    batch = machine.get("batch", BATCH)
    samples = "one sample" if batch == 1 else f"{batch} samples"
    head = (
        f"# One step: forward, and the gradient of a loss on all ⟨Z⟩, {samples}\n\n"
        f"{machine['cpu']}, {machine['threads']} threads, {machine['date']}, load average at start "
        f"{machine['load_at_start']}. Median ms over rounds (fastest round – slowest round; peak memory of the "
        f"process). Every number shown comes from a run whose values and gradients agreed with a float64 reference.\n"
    )
    busy_cores = [cell["cores_busy_with_other_work"] for cell in results["cells"]]
    if any(
        machine["load_at_start"] > BUSY_LOAD if cores is None else cores > BUSY_CORES
        for cores in busy_cores
    ):
        head += (
            "\n**The machine was busy with other work.** No duration here is worth quoting, ratios only roughly: a "
            "step shorter than a time slice is hardly interrupted, so short steps look better than they are.\n"
        )
    return "\n".join(
        [head, *(table(workload, results["cells"], machine) + "\n" for workload in workloads)]
    )


def with_qnodes(page: str, record: Path) -> str:
    """Return the page of peers with the table of qnode.py's record at its end, if there is one."""
    page = page.partition(f"\n{QNODES}")[0]
    if not record.exists():
        return page
    results = json.loads(record.read_text("utf-8"))["results"]
    lines = [
        f"\n{QNODES}",
        "",
        "Five layers of data and weights in RY behind a ring of CNOT (`qnode.py`): median ms of processor time, and in "
        "brackets the time divided by that of `QuantumHead.from_qnode` in float64, the precision of the rows below it, "
        "by qubits and batch.",
        "",
        "| ms | " + " | ".join(f"{row['qubits']}, {row['batch']}" for row in results) + " |",
        "|---" * (len(results) + 1) + "|",
    ]
    for way in results[0]["ms"]:
        times = [(row["ms"][way], row["ms"]["from_qnode, float64"]) for row in results]
        cells = (
            f"{three_digits(ms)} ({three_digits(ms / reference_ms)} ×)"
            for ms, reference_ms in times
        )
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    return page + "\n".join(lines) + "\n"


def write_report(results: dict[str, Any], folder: Path, name: str) -> None:
    """Write NAME.json, one cell a line, and NAME.md, and of ``results`` the figure results.png and results.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = ",\n".join(json.dumps(cell) for cell in results["cells"])
    (folder / f"{name}.json").write_text(
        f'{{"machine": {json.dumps(results["machine"])},\n"cells": [\n{cells}\n]}}\n'
    )
    page = markdown(results)
    if name == "peers":
        page = with_qnodes(page, folder / "qnode.json")
    (folder / f"{name}.md").write_text(page)
    if name != "results":
        return
    try:
        from figure import draw  # matplotlib is optional
    except ImportError as missing:
        print(f"no figure: {missing}; install matplotlib and run benchmarks/figure.py")
        return
    draw(results, folder)
