"""Seconds of ``qllmft train``: ``python benchmarks/first_run.py`` writes first_run.json.

The first run has no compiled code and no embeddings, the second has both, and so has a run with five folds, which is
that of ``make run``. With an earlier checkout, ``first_run.py BEFORE``, both versions take turns, and the record is
first_run_in_turns.json. It also has the processor seconds in which numba compiles what the first run needs, of one
process.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from run import machine_facts

ROUNDS = 3
RUNS = {"first": [], "second": [], "folds": ["--folds", "5"]}
COMPILATION = """
import gc, time
from qllmft.config.presets import load_preset
from qllmft.run.compilation import functions_to_compile
from qllmft_engine.compiled import passes
gc.disable()  # as the processes do that compile for a run, see `ahead`
started = time.process_time()
for dtype, functions in functions_to_compile(load_preset("sines").config({})):
    getattr(passes, functions)(dtype)
print(time.process_time() - started)
"""


def checkout_environment(root: Path) -> dict[str, str]:
    """Return the environment in which Python takes the packages of a checkout, and keeps their bytecode."""
    packages = os.pathsep.join(str(root / part) for part in (".", "circuits", "backends"))
    # pip compiled those of the libraries when it installed them
    variables = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    return variables | {"PYTHONPATH": packages}


def run(command: list[str], root: Path, cache: str) -> tuple[float, float, str]:
    """Return wall and processor seconds of a command on the packages of a checkout, and its output."""
    environment = checkout_environment(root) | {
        "NUMBA_CACHE_DIR": f"{cache}/compiled",
        "QLLMFT_CACHE": f"{cache}/embeddings",
    }
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    result = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=True
    )  # Python looks for packages in this folder first
    wall = time.perf_counter() - started
    final_usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = final_usage.ru_utime + final_usage.ru_stime - usage.ru_utime - usage.ru_stime
    return round(wall, 2), round(processor, 2), result.stdout


def read_commit(root: Path) -> str:
    """Return the commit of a checkout."""
    command = ["git", "-C", str(root), "rev-parse", "--short=8", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure in turns, and write the record."""
    bench_folder = Path(__file__).resolve().parent
    checkouts = {"now": bench_folder.parent}
    if len(sys.argv) > 1:
        checkouts["before"] = Path(sys.argv[1]).resolve()
    record = {
        "machine": machine_facts(len(os.sched_getaffinity(0))),
        "commits": {name: read_commit(root) for name, root in checkouts.items()},
        "seconds": {},
    }
    for _round in range(ROUNDS):
        for name, root in checkouts.items():
            rows = record["seconds"].setdefault(name, {row: [] for row in RUNS})
            with tempfile.TemporaryDirectory() as folder:
                train = [sys.executable, "-m", "qllmft", "train"]
                for row, options in RUNS.items():
                    command = [*train, "--out", f"{folder}/{row}", *options]
                    rows[row].append(run(command, root, f"{folder}/cache")[:2])
                if name == "now":
                    output = run([sys.executable, "-c", COMPILATION], root, f"{folder}/empty")[2]
                    rows.setdefault("compilation", []).append(round(float(output), 2))
            print(name, {row: values[-1] for row, values in rows.items()}, flush=True)
    record["median_wall"] = {
        name: {row: statistics.median(wall for wall, _ in rows[row]) for row in RUNS}
        for name, rows in record["seconds"].items()
    }
    name = "first_run_in_turns.json" if "before" in checkouts else "first_run.json"
    (bench_folder / name).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
