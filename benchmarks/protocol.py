"""The worker's half of the conversation with ``run.py`` and ``step.py``; imports NumPy only.

A worker is started as ``python -m peers.<peer>.worker INPUTS.npz OUTPUTS.npz VARIANT``. It then reads one JSON object
per line from standard input and answers each with one line on standard output that starts with ``REPLY``:

* ``{"command": "check"}``: run once, write the results to OUTPUTS.npz;
* ``{"command": "time", "seconds": s}``: run for about s seconds, answer with every duration in milliseconds;
* ``{"command": "quit"}``: answer with the peak memory and end.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from workloads import Arrays, save_arrays

REPLY = "@reply "
# a longer step needs no untimed one before it: caches and threads wake in far less
LONG_STEP_S = 1.0
MAX_STEPS = 1000


class Task(Protocol):
    """Repeatable piece of work."""

    def run(self) -> None:
        """Run the measured work once, up to results in memory (no pending asynchronous work)."""

    def outputs(self) -> Arrays:
        """Return the results of the last ``run`` as arrays in this project's qubit order."""


Prepare = Callable[[Arrays, str], Task]


def peak_rss_mb() -> float:
    """Return the peak resident memory of this process since its start, in units of 10^6 bytes.

    Linux hands the parent's ``ru_maxrss`` down to a new process, so its own high-water mark is read if there is one.
    """
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6  # Linux counts in KiB


def answer(content: Mapping[str, Any]) -> None:
    """Send one reply."""
    print(REPLY + json.dumps(content), flush=True)


def timed_ms(task: Task) -> float:
    """Return the duration of one run in milliseconds."""
    start = time.perf_counter()
    task.run()
    return (time.perf_counter() - start) * 1e3


def burst_ms(task: Task, seconds: float, last_ms: float) -> list[float]:
    """Return the durations of the runs that fit into ``seconds``, at least one.

    Short steps get an untimed run first.
    """
    if last_ms < LONG_STEP_S * 1e3:
        task.run()
    times = [timed_ms(task)]
    while sum(times) < seconds * 1e3 and len(times) < MAX_STEPS:
        times.append(timed_ms(task))
    return times


def serve(prepare: Prepare, package: str | None) -> None:
    """Prepare the task from the command line's inputs and execute commands until ``quit`` or end of input.

    Args:
        prepare: builds the task from the inputs and the variant's name.
        package: distribution whose version is reported. None: this repository's own code.
    """
    input_path, output_path, variant = sys.argv[1:4]
    with np.load(input_path) as file:
        inputs = dict(file)
    before_mb = peak_rss_mb()
    task = prepare(inputs, variant)
    last_ms = float("inf")
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "check":
            first_ms = timed_ms(task)
            save_arrays(Path(output_path), task.outputs())
            answer({"first_ms": first_ms, "version": version(package) if package else ""})
        elif request["command"] == "time":
            times = burst_ms(task, request["seconds"], last_ms)
            last_ms = times[-1]
            answer({"times_ms": times})
        elif request["command"] == "quit":
            answer({"peak_rss_mb": peak_rss_mb(), "after_imports_mb": before_mb})
            return
        else:
            raise ValueError(f"unknown command {request['command']!r}; known: check, time, quit")
