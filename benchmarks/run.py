"""Measure this project and its peers on the same circuits: ``python benchmarks/run.py --help``.

Every peer is first checked against ``reference``. If its results differ, it is not timed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
from pathlib import Path
from typing import Any

from environments import DEFAULT_CACHE, HERE, Environment, NotAvailableError, prepare
from machine import BUSY_LOAD, cpu_model, load_average
from reference import remembered_outputs
from registry import Peer, choose
from report import write_report
from sessions import Entrant, contest, start_entrant
from workloads import BATCH, SMALLEST, make_inputs

DEFAULT_QUBITS = {
    "enc": (10, 12, 14, 16, 18, 20),
    "head": (8, 10, 12, 14, 16, 18, 20),
    "mixed": (10, 12, 14, 16, 18),
}


def add_common_options(parser: argparse.ArgumentParser, repeats: int) -> None:
    """Add the options that ``run.py`` and ``step.py`` share."""
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds (default %(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=60.0,
        help="time for one peer in one cell (default %(default)s)",
    )
    parser.add_argument(
        "--burst", type=float, default=0.3, help="seconds a peer repeats its step in one round"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=2,
        help="threads, and cores, of a worker (default %(default)s)",
    )
    parser.add_argument(
        "--limit", type=float, default=900.0, help="seconds after which a silent worker is stopped"
    )
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="folder of the environments"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter that makes the environments"
    )


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line of ``run.py``."""
    parser = argparse.ArgumentParser(
        description="Compare this project and its peers on the same circuits."
    )
    parser.add_argument("--workload", choices=["enc", "head", "mixed", "all"], default="all")
    parser.add_argument("--qubits", help="comma-separated; default 8,10,...,20, enc from 10")
    parser.add_argument(
        "--batch", type=int, default=BATCH, help="samples of a step (default %(default)s)"
    )
    parser.add_argument("--peers", help="comma-separated rows or environments; default all")
    parser.add_argument(
        "--all-sizes",
        action="store_true",
        help="also run peers at sizes that take minutes or 10 GB",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "results",
        help="folder for results.json, .md, .png, .svg",
    )
    parser.add_argument(
        "--name", default="results", help="of these files; only results get a figure"
    )
    add_common_options(parser, repeats=7)
    return parser.parse_args(arguments)


def machine_facts(threads: int) -> dict[str, Any]:
    """Return the facts that the numbers depend on, and warn if the machine is busy. Call it before any work."""
    load = load_average()
    print(f"load average at start: {load}", flush=True)
    if load > BUSY_LOAD:
        print(
            f"WARNING: the load is above {BUSY_LOAD}: OpenMP peers that share a busy core can lose a factor of 40."
        )
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "cpu": cpu_model(),
        "system": platform.system(),
        "python": platform.python_version(),
        "threads": threads,
        "load_at_start": load,
    }


def arithmetic_peak() -> float | None:
    """Return the Gflop/s of float32 multiply-adds in registers on all threads, or None without this project."""
    try:
        from peaks import multiply_add_gflops
    except ImportError as missing:
        print(f"no limit in the figure: {missing}")
        return None
    return round(multiply_add_gflops(), 1)


def prepare_all(names: set[str], options: argparse.Namespace) -> dict[str, Environment | str]:
    """Return environments by name, or the reason if one is unavailable."""
    environments: dict[str, Environment | str] = {}
    for name in sorted(names):
        try:
            environments[name] = prepare(name, options.cache, options.python)
        except NotAvailableError as failure:
            environments[name] = str(failure)
            print(f"{name}: {failure}", flush=True)
    return environments


def measure_cell(
    workload: str,
    n_qubits: int,
    peers: list[Peer],
    environments: dict[str, Environment | str],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Check and time all peers on one workload at one size."""
    inputs = make_inputs(workload, n_qubits, options.batch)
    expected = remembered_outputs(inputs, options.cache / "expected")

    def enter(peer: Peer, path: Path) -> Entrant:
        if workload not in peer.largest:
            reason = peer.reasons.get(workload, f"it has no form of {workload}")
        elif n_qubits > peer.largest[workload] and not options.all_sizes:
            reason = f"limited to {peer.largest[workload]} qubits without --all-sizes"
        else:
            return start_entrant(peer, environments[peer.environment], "worker", path, options)
        return Entrant(peer.name, peer.label, peer.tolerance, "not run", reason)

    entrants, busy_cores = contest(peers, enter, inputs, expected, options)
    for entrant in entrants:
        row = entrant.record()
        outcome = (
            f"{row['ms']:10.3f} ms"
            if entrant.status == "ok"
            else f"{entrant.status}: {entrant.reason}"
        )
        print(f"{workload}({n_qubits})  {entrant.label:40s} {outcome}", flush=True)
    return {
        "workload": workload,
        "n_qubits": n_qubits,
        "cores_busy_with_other_work": busy_cores,
        "rows": [entrant.record() for entrant in entrants],
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when every row was measured or left out on purpose, else 1."""
    options = parse(arguments)
    facts = machine_facts(options.threads) | {"batch": options.batch}
    try:
        peers = choose(options.peers)
        qubits = (
            None if options.qubits is None else [int(part) for part in options.qubits.split(",")]
        )
    except ValueError as wrong:
        print(f"error: {wrong}", file=sys.stderr)
        return 2
    facts["peak_gflops"] = arithmetic_peak()
    environments = prepare_all({peer.environment for peer in peers}, options)
    facts["install_seconds"] = {
        k: e.install_seconds for k, e in environments.items() if isinstance(e, Environment)
    }
    cells: list[dict[str, Any]] = []
    for workload in DEFAULT_QUBITS if options.workload == "all" else (options.workload,):
        for n_qubits in qubits or DEFAULT_QUBITS[workload]:
            if n_qubits < SMALLEST[workload]:
                print(
                    f"{workload}({n_qubits}) left out: it needs at least {SMALLEST[workload]} qubits"
                )
                continue
            if facts["peak_gflops"]:  # the highest of the run: other work lowers it for a moment
                facts["peak_gflops"] = max(facts["peak_gflops"], arithmetic_peak())
            cells.append(measure_cell(workload, n_qubits, peers, environments, options))
            write_report(
                {"machine": facts, "cells": cells}, options.out, options.name
            )  # if the run is killed, finished rows are kept
    statuses = {row["status"] for cell in cells for row in cell["rows"]}
    return 0 if cells and statuses <= {"ok", "not run"} else 1


if __name__ == "__main__":
    sys.exit(main())
