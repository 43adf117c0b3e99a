"""README's table of the nearest simulators, from the record of a run.

``python benchmarks/run.py --name peers …`` writes the record, and ``python benchmarks/speed.py`` prints the table.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

RECORD = Path(__file__).resolve().parent / "peers.json"
PROJECT = "qllmft"
PLAIN_C = "plain C, written for these circuits"
QUBITS = 12
SHOWN = 3
WORKLOADS = {"enc": "paper's encoder", "head": "paper's head", "mixed": "random gates"}

# tool: workload: its time divided by that of this project
Ratios = dict[str, dict[str, float]]


def milliseconds_by_tool(record: dict[str, Any], qubits: int = QUBITS) -> Ratios:
    """Return each measured tool's milliseconds by workload."""
    times: Ratios = {}
    for cell in record["cells"]:
        if cell["n_qubits"] == qubits:
            for row in cell["rows"]:
                if row["status"] == "ok":
                    times.setdefault(row["label"], {})[cell["workload"]] = row["ms"]
    return times


def nearest_ratios(record: dict[str, Any]) -> Ratios:
    """Return the times of the nearest tools divided by this project's, the nearest one first. Plain C is no tool."""
    times = milliseconds_by_tool(record)
    project_times = times.pop(PROJECT)
    times.pop(PLAIN_C, None)
    ratios = {
        tool: {workload: ms / project_times[workload] for workload, ms in by_workload.items()}
        for tool, by_workload in times.items()
    }
    order = sorted(ratios, key=lambda tool: min(ratios[tool].values()))
    return {tool: ratios[tool] for tool in order[:SHOWN]}


def plain_c_ratios(record: dict[str, Any]) -> dict[str, float]:
    """Return the times of plain C divided by this project's, by workload."""
    times = milliseconds_by_tool(record)
    return {workload: ms / times[PROJECT][workload] for workload, ms in times[PLAIN_C].items()}


def times_as_long(ratio: float) -> str:
    """Format a ratio with two digits at least."""
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def table(record: dict[str, Any]) -> str:
    """Return the table in Markdown. A dash stands for a circuit that a tool does not run."""
    lines = ["| tool | " + " | ".join(WORKLOADS.values()) + " |", "|---|---|---|---|"]
    for tool, ratios in nearest_ratios(record).items():
        factors = [ratios.get(workload, math.nan) for workload in WORKLOADS]
        cells = ["–" if math.isnan(factor) else f"{times_as_long(factor)} ×" for factor in factors]
        lines.append(f"| {tool} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(json.loads(RECORD.read_text("utf-8"))))
