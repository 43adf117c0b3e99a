"""Many trainings at once: ``python benchmarks/throughput.py --data FOLDER`` writes ``benchmarks/throughput.json``.

A command runs with ``--jobs 1`` and with one process per processor, in turns, each in an empty folder and with cached
embeddings. Both are timed from start to end. If ``--before`` names another checkout of the project, its default takes
the first place. If the machine is busy, wall times say little. CPU seconds of all processes, divided by the number of
processors, are a lower bound for an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from qllmft_engine import thread_count

from machine import cpu_model, load_average

COMMANDS = (
    "sweep table-06 --quick --set model.n_qubits=10 --seeds 3",
    "sweep table-06 --quick --set model.n_qubits=12 --seeds 3",
    "study table2 --quick",
)
HERE = Path(__file__).resolve().parents[1]


def time_command(command: str, root: Path, options: list[str]) -> tuple[float, float]:
    """Return the wall seconds of a command by the code in ``root``, and CPU seconds of all its processes."""
    paths = os.pathsep.join(str(root / part) for part in ("", "circuits", "backends"))
    usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as out:
        words = [
            sys.executable,
            "-m",
            "qllmft.cli.main",
            *shlex.split(command),
            *options,
            "--out",
            out,
        ]
        begun = time.perf_counter()
        subprocess.run(
            words, env=os.environ | {"PYTHONPATH": paths}, check=True, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - begun
    usage_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (
        seconds,
        usage_after.ru_utime + usage_after.ru_stime - usage_before.ru_utime - usage_before.ru_stime,
    )


def main() -> None:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--body", default="minilm")
    parser.add_argument("--commands", type=lambda text: text.split(";"), default=COMMANDS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--before", type=Path, help="a checkout without --jobs, run in the place of --jobs 1"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("throughput.json"))
    arguments = parser.parse_args()
    shared = ["--data", arguments.data, "--body", arguments.body]
    single_job = ((arguments.before or HERE).resolve(), [] if arguments.before else ["--jobs", "1"])
    many_jobs = (HERE, ["--jobs", str(thread_count())])
    rows: list[dict[str, object]] = []
    machine = {"cpu": cpu_model(), "processors": thread_count(), "load_before": load_average()}
    for command in arguments.commands:
        turns: dict[str, list[tuple[float, float]]] = {"one": [], "many": []}
        for turn in range(arguments.rounds):
            for name, (root, options) in sorted(
                {"one": single_job, "many": many_jobs}.items(), reverse=turn % 2 == 0
            ):
                turns[name].append(time_command(command, root, shared + options))
        wall = statistics.median(
            a[0] / b[0] for a, b in zip(turns["one"], turns["many"], strict=True)
        )
        cpu = statistics.median(
            a[1] / b[1] for a, b in zip(turns["one"], turns["many"], strict=True)
        )
        rows.append(
            {
                "command": command,
                **turns,
                "wall_ratio": wall,
                "cpu_ratio": cpu,
                "load_after": load_average(),
            }
        )
        settings = {"body": arguments.body, "before": bool(arguments.before)}
        content = {"machine": machine, "settings": settings, "rows": rows}
        arguments.out.write_text(json.dumps(content, indent=1) + "\n")
        print(f"{command}: {wall:.2f} times the throughput; CPU seconds {cpu:.2f} to 1", flush=True)


if __name__ == "__main__":
    main()
