"""Seconds of an audit and of each check: ``python benchmarks/audit.py`` writes audit.json.

The circuit is a sound model of `lab.audits`: three layers of R_Y and a ring of CNOT, 600 training and 400 test
rows. The first audit compiles and is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

import qllmft
from lab.audits.teachers import layered_circuit, teacher_model
from qllmft.events import Message

from run import machine_facts


def seconds(n_qubits: int) -> dict[str, Any]:
    """Return the seconds of an audit, of the process on all cores, and by check."""
    model = teacher_model(layered_circuit(n_qubits, 3), 0)
    starts: list[tuple[str, float]] = []

    def record_start(event: Any) -> None:
        if isinstance(event, Message):
            starts.append((event.text.split()[0], time.perf_counter()))
            print(f"{starts[-1][1] - starts[0][1]:6.1f} s  {event.text}", flush=True)

    cpu = time.process_time()
    audit_start = time.perf_counter()
    audit = qllmft.audit(
        model.pop("circuit"), model.pop("X"), model.pop("y"), **model, on_event=record_start
    )
    end = time.perf_counter()
    cpu = time.process_time() - cpu
    ends = [start for _, start in starts[1:]] + [end]
    checks = {code: round(end - start, 2) for (code, start), end in zip(starts, ends, strict=True)}
    return {
        "qubits": n_qubits,
        "rows": list(audit.rows),
        "issues": audit.issues,
        "seconds": round(end - audit_start, 1),
        "cpu_seconds": round(cpu, 1),
        "by_check": checks,
    }


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", type=int, nargs="+", default=[8, 10, 12])
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    machine = machine_facts(len(os.sched_getaffinity(0)))
    seconds(4)
    rows = []
    for n_qubits in arguments.qubits:
        rows.append(seconds(n_qubits))
        print(rows[-1], flush=True)
    record = {"machine": machine, "results": rows}
    arguments.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
