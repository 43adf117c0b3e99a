"""Two trainings at once, in two ways: ``python benchmarks/runs_at_once.py`` writes ``runs_at_once.json``.

A step is loss, gradient and Adam of ``single-10q`` and ``single-12q`` on 16 texts. *One after the other*: one process
with one thread per processor. *A process a run*: two processes at the same time, each with half of the threads. *One
call*: one process with all threads makes one step on 32 texts. This is a lower bound for two runs in one call of the
engine: such runs would have separate weights, and here all texts share one set. The three take turns.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import chain
from pathlib import Path

STEPS = 300
ROUNDS = 15
BATCH = 16


def worker(preset: str, batch: int) -> None:
    """Make STEPS steps for each line that comes, and answer with a line."""
    import torch
    from qllmft.config.presets import load_preset
    from qllmft.heads import build_classifier
    from qllmft.training.step import open_step
    from qllmft.training.torch_threads import one_torch_thread

    model = build_classifier(load_preset(preset).config({}).model, 384, 2)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 384, generator=generator)
    y = torch.arange(batch) % 2
    with one_torch_thread(), open_step(model) as step:
        optimizer = torch.optim.Adam(step.parameters(), lr=1e-3, fused=True)
        inputs = step.inputs(x)
        for _ in sys.stdin:
            for _ in range(STEPS):
                step.gradient(inputs, y)
                step.move(optimizer)
            print("done", flush=True)


def start(preset: str, batch: int, threads: int) -> subprocess.Popen[str]:
    """Start a worker."""
    words = [sys.executable, __file__, preset, str(batch)]
    environment = os.environ | {"QLLMFT_THREADS": str(threads)}
    return subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def milliseconds(workers: list[subprocess.Popen[str]]) -> float:
    """Return the milliseconds of a step while all workers run theirs at the same time."""
    begun = time.perf_counter()
    for process in workers:
        print(file=process.stdin, flush=True)
    for process in workers:
        assert process.stdout is not None
        if process.stdout.readline() != "done\n":
            raise RuntimeError("a worker has died; see its error above")
    return (time.perf_counter() - begun) / STEPS * 1e3


def main() -> None:
    """Measure, print, and write the record."""
    from qllmft_engine import thread_count

    from run import machine_facts

    threads = thread_count()
    rows = []
    record = {"machine": machine_facts(threads), "rows": rows}
    for preset in ("single-10q", "single-12q"):
        half = max(1, threads // 2)
        ways = {
            "one after the other": [start(preset, BATCH, threads)],
            "a process a run": [start(preset, BATCH, half) for _ in range(2)],
            "one call": [start(preset, 2 * BATCH, threads)],
        }
        for workers in ways.values():
            milliseconds(workers)  # imports, compiled code
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, workers in ways.items():
                times[name].append(milliseconds(workers))
        for process in chain.from_iterable(ways.values()):
            process.communicate()
        alone = times["one after the other"]
        way_figures = {
            name: {
                "ms": statistics.median(durations),
                "throughput": statistics.median(
                    2 * a / b for a, b in zip(alone, durations, strict=True)
                ),
            }
            for name, durations in times.items()
            if name != "one after the other"
        }
        rows.append(
            {
                "preset": preset,
                "one after the other": {"ms": statistics.median(alone)},
                **way_figures,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    worker(sys.argv[1], int(sys.argv[2])) if len(sys.argv) == 3 else main()
