"""The host's half of the conversation with workers: start, check against the reference, time in turns."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from environments import HERE, Environment, NotAvailableError, worker_variables
from machine import BUSY_CORES, busy_seconds, one_cpu_per_core
from protocol import REPLY
from registry import Peer
from workloads import Arrays, save_arrays

STDERR_LINES = 4
PAUSE_S = 0.3  # between turns: idle OpenMP threads of the last worker stop spinning
# of the largest entry: a small gradient must not pass because it is small
RELATIVE_TOLERANCE = 1e-3

Expected = Mapping[str, NDArray[np.float64]]


class Worker:
    """Worker process. A failure becomes a ``NotAvailableError`` with the tail of its standard error."""

    def __init__(
        self,
        environment: Environment,
        module: str,
        inputs: Path,
        *,
        variant: str,
        threads: int,
        limit_s: float,
    ) -> None:
        self.outputs = inputs.with_name(f"{module}-{variant}-outputs.npz")
        self.limit_s = limit_s
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  lives as long as the process
        self.process = subprocess.Popen(
            [str(environment.python), "-m", module, str(inputs), str(self.outputs), variant],
            cwd=HERE,
            env=worker_variables(environment, threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        cpus = one_cpu_per_core()[:threads]
        if cpus:
            os.sched_setaffinity(self.process.pid, cpus)

    def ask(self, command: str, **arguments: float) -> dict[str, Any]:
        """Send one command and wait for its reply.

        Raises:
            NotAvailableError: If the worker ends, or takes longer than its limit.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        timer = threading.Timer(self.limit_s, self.process.kill)
        start = time.monotonic()
        timer.start()
        try:
            self.process.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            self.process.stdin.flush()
            for line in self.process.stdout:
                if line.startswith(REPLY):
                    reply: dict[str, Any] = json.loads(line[len(REPLY) :])
                    return reply
        except BrokenPipeError:
            pass
        finally:
            timer.cancel()
        if time.monotonic() - start >= self.limit_s:
            raise NotAvailableError(f"stopped: {command} took longer than {self.limit_s:.0f} s")
        raise NotAvailableError(
            f"ended at {command} with exit code {self.process.wait()}: {self.error_tail()}"
        )

    def error_tail(self) -> str:
        """Return the last lines of standard error."""
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors.read().splitlines() if line.strip()]
        return " | ".join(lines[-STDERR_LINES:]) or "no message"

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


@dataclass
class Entrant:
    """Peer in one cell of the table, with its outcome.

    Attributes:
        status: ``ok``, ``refused`` (its results differ), ``failed``, ``not installed`` or ``not run``.
        reason: why the status is not ``ok``.
        rounds_ms: median duration of one step in each round.
        spent_s: time used up so far.
    """

    name: str
    label: str
    tolerance: float
    status: str = "ok"
    reason: str = ""
    version: str = ""
    rounds_ms: list[float] = field(default_factory=list)
    errors: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: float | None = None
    after_imports_mb: float | None = None
    spent_s: float = 0.0
    worker: Worker | None = None

    def drop(self, status: str, reason: str) -> None:
        """Drop out with a status and a reason."""
        self.status = status
        self.reason = reason
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def record(self) -> dict[str, Any]:
        """Return the row as JSON."""
        keys = (
            "name",
            "label",
            "status",
            "reason",
            "version",
            "tolerance",
            "errors",
            "peak_rss_mb",
            "after_imports_mb",
        )
        row = {key: getattr(self, key) for key in keys} | {"rounds_ms": self.rounds_ms}
        if self.rounds_ms:
            row |= {
                "ms": statistics.median(self.rounds_ms),
                "ms_min": min(self.rounds_ms),
                "ms_max": max(self.rounds_ms),
            }
        return row


def start_entrant(
    peer: Peer,
    environment: Environment | str,
    module: str,
    inputs: Path,
    options: argparse.Namespace,
) -> Entrant:
    """Return a peer's entry with a started worker, or with the reason if it has no environment."""
    entrant = Entrant(peer.name, peer.label, peer.tolerance)
    if isinstance(environment, str):
        entrant.drop("not installed", environment)
    else:
        entrant.worker = Worker(
            environment,
            f"peers.{peer.environment}.{module}",
            inputs,
            variant=peer.variant,
            threads=options.threads,
            limit_s=options.limit,
        )
    return entrant


def differences(outputs: Mapping[str, NDArray[np.generic]], expected: Expected) -> dict[str, float]:
    """Return the largest absolute difference of every expected array.

    It is infinite if the array is missing, not finite or of another shape.
    """
    result = {}
    for name, array in expected.items():
        got = np.asarray(outputs.get(name, np.nan), np.float64)
        fits = got.shape == array.shape and bool(np.isfinite(got).all())
        result[name] = float(np.abs(got - array).max()) if fits else float("inf")
    return result


def check(entrant: Entrant, expected: Expected) -> None:
    """Let an entrant run once and drop it unless it agrees with the reference."""
    worker = entrant.worker
    assert worker is not None
    try:
        reply = worker.ask("check")
    except NotAvailableError as failure:
        entrant.drop("failed", str(failure))
        return
    entrant.version = reply["version"]
    with np.load(worker.outputs) as file:
        entrant.errors = differences(dict(file), expected)
    for name, error in entrant.errors.items():
        allowed = min(entrant.tolerance, RELATIVE_TOLERANCE * float(np.abs(expected[name]).max()))
        if not error <= allowed:
            entrant.drop(
                "refused",
                f"{name} differs from the reference by {error:.2e}, allowed {allowed:.1e}",
            )
            return


def contest(
    peers: Sequence[Peer],
    enter: Callable[[Peer, Path], Entrant],
    inputs: Arrays,
    expected: Expected,
    options: argparse.Namespace,
) -> tuple[list[Entrant], float | None]:
    """Check peers on the same inputs, and time them in turns.

    Args:
        peers: in the order of their turns.
        enter: returns a peer's entry for a file of inputs.
        inputs: content of that file.
        expected: results by the reference.
        options: of the command line.

    Returns:
        The entries, and the cores kept busy by other processes, see `race`.
    """
    entrants: list[Entrant] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inputs.npz"
        save_arrays(path, inputs)
        try:
            for peer in peers:
                entrants.append(enter(peer, path))
                if entrants[-1].worker is not None:
                    check(entrants[-1], expected)
            return entrants, race(entrants, options.repeats, options.seconds, options.burst)
        finally:
            for entrant in entrants:
                if entrant.worker is not None:
                    entrant.worker.close()


def race(entrants: Sequence[Entrant], repeats: int, seconds: float, burst_s: float) -> float | None:
    """Time all entrants that are still in, one after another, round by round.

    Args:
        entrants: with live workers that have passed ``check``.
        repeats: rounds.
        seconds: an entrant sits out the remaining rounds if it has used this much time. Every entrant has one round.
        burst_s: how long an entrant repeats its step in one round.

    Returns:
        Cores kept busy by other processes meanwhile, or None if unknown.
    """
    running = [entrant for entrant in entrants if entrant.worker is not None]
    pids = [os.getpid(), *(e.worker.process.pid for e in running if e.worker is not None)]
    busy_before = busy_seconds(pids)
    start = time.monotonic()
    for _ in range(repeats):
        for entrant in running:
            if entrant.worker is None or (entrant.rounds_ms and entrant.spent_s >= seconds):
                continue
            time.sleep(PAUSE_S)
            turn = time.monotonic()
            try:
                times = entrant.worker.ask("time", seconds=burst_s)["times_ms"]
            except NotAvailableError as failure:
                entrant.drop("failed", str(failure))
                continue
            entrant.spent_s += time.monotonic() - turn
            entrant.rounds_ms.append(round(statistics.median(times), 4))
    busy_after = busy_seconds(pids)
    duration = time.monotonic() - start
    for entrant in running:
        finish(entrant)
    if busy_before is None or busy_after is None:
        return None
    busy_cores = round(
        max(0.0, ((busy_after[0] - busy_before[0]) - (busy_after[1] - busy_before[1])) / duration),
        2,
    )
    if busy_cores > BUSY_CORES:
        print(
            f"WARNING: {busy_cores} cores were busy with other work: these durations are not worth quoting.",
            flush=True,
        )
    return busy_cores


def finish(entrant: Entrant) -> None:
    """Ask for the peak memory and end the worker."""
    if entrant.worker is None:
        return
    try:
        memory = entrant.worker.ask("quit")
        entrant.peak_rss_mb = memory["peak_rss_mb"]
        entrant.after_imports_mb = memory["after_imports_mb"]
    except NotAvailableError as failure:
        entrant.drop("failed", str(failure))
        return
    entrant.worker.close()
    entrant.worker = None
