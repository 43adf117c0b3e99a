"""Tables of the README in this folder: how far this project is from the machine, and what the nearest tool takes.

``python benchmarks/limit_tables.py`` prints them from the records of two processors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limit import limit_ms
from speed import PLAIN_C, PROJECT, WORKLOADS, milliseconds_by_tool, times_as_long

FOLDER = Path(__file__).resolve().parent
# records by the processor of their run
RECORDS = {"with AVX-512": FOLDER / "peers.json", "without AVX-512": FOLDER / "nearest.json"}
WIDTHS = (10, 12, 14)  # qubits


def project_and_limit(record: dict[str, Any], workload: str, qubits: int) -> tuple[float, float]:
    """Return the milliseconds of a step of this project, and those of its arithmetic alone."""
    project_ms = milliseconds_by_tool(record, qubits)[PROJECT][workload]
    return project_ms, limit_ms(workload, qubits, record["machine"]["peak_gflops"])


def limit_cell(record: dict[str, Any], workload: str, qubits: int) -> str:
    """Return the part of the limit that this project reaches."""
    project_ms, least_ms = project_and_limit(record, workload, qubits)
    return f"{least_ms / project_ms:.0%}".replace("%", " %")


def nearest_cell(record: dict[str, Any], workload: str, qubits: int) -> str:
    """Return the time of the nearest tool divided by this project's, what it would be at the limit, and the tool."""
    project_ms, least_ms = project_and_limit(record, workload, qubits)
    times = milliseconds_by_tool(record, qubits)
    tool_times = {
        tool: by_workload[workload]
        for tool, by_workload in times.items()
        if tool not in (PROJECT, PLAIN_C) and workload in by_workload
    }
    tool = min(tool_times, key=lambda name: tool_times[name])
    ratio = times_as_long(tool_times[tool] / project_ms)
    return f"{ratio} of {tool_times[tool] / least_ms:.0f}, {tool.partition(',')[0]}"


def limit_tables() -> str:
    """Return both tables about the limit in Markdown: parts of it, and the nearest tool beside it."""
    tables = []
    for cell in (limit_cell, nearest_cell):
        widths = [f"{qubits} qubits" for qubits in WIDTHS]
        lines = [f"| circuit | processor | {' | '.join(widths)} |", "|---|---|---|---|---|"]
        for workload in WORKLOADS:
            for processor, path in RECORDS.items():
                record = json.loads(path.read_text("utf-8"))
                cells = [cell(record, workload, qubits) for qubits in WIDTHS]
                lines.append(f"| {workload.upper()} | {processor} | {' | '.join(cells)} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


if __name__ == "__main__":
    print(limit_tables())
