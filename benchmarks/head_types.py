"""Milliseconds of the default head in float32 and float64: ``python benchmarks/head_types.py`` writes head_types.json.

A step is forward and backward of 32 samples. The types take turns, and the fastest round counts.
"""

import json
import time
from pathlib import Path

import torch
from qllmft.heads import QuantumHead
from qllmft_engine import thread_count

from run import machine_facts

SAMPLES = 32
ROUNDS = 5
STEPS = 200


def time_steps(head: QuantumHead, x: torch.Tensor) -> float:
    """Return the milliseconds of a step."""
    head(x).sum().backward()  # compiles
    started = time.perf_counter()
    for _ in range(STEPS):
        head(x).sum().backward()
    return (time.perf_counter() - started) / STEPS * 1e3


def main() -> None:
    """Measure, print and write the record."""
    record = {"machine": machine_facts(thread_count()), "ms": {}}
    for n_qubits in (7, 10, 13):
        head = QuantumHead(n_qubits, 1, 1, 1, start="sines")
        x = torch.randn(SAMPLES, n_qubits, requires_grad=True)
        rounds = {"float32": [], "float64": []}
        for _round in range(ROUNDS):
            for dtype, durations in rounds.items():
                head.connector.is_double = dtype == "float64"
                durations.append(time_steps(head, x))
        record["ms"][n_qubits] = {
            dtype: round(min(durations), 3) for dtype, durations in rounds.items()
        }
        print(n_qubits, record["ms"][n_qubits])
    path = Path(__file__).resolve().parent / "head_types.json"
    path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
