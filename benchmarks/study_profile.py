"""Profile of a study: ``python benchmarks/study_profile.py --data FOLDER`` writes ``study_profile.json``.

The runs of one seed of ``study table2 --quick`` run one after the other on one thread. Python's profiler counts their
processor seconds, and adds a few. Embeddings come from the cache.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ |= dict.fromkeys(("QLLMFT_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

from qllmft.config import RunConfig
from qllmft.run import run_experiment
from qllmft_studies.file import load_study
from qllmft_studies.study_plan import study_runs

from run import machine_facts

PARTS = {  # function of each part; its calls are included
    "circuits_forward": ("adjoint/engine.py", "_run"),
    "circuits_backward": ("adjoint/engine.py", "_sweep"),
    "training": ("training/loop.py", "run"),
    "classical_fit": ("baselines/head.py", "fit_and_score"),
    "test": ("run/recording.py", "test_models"),
}


def profile_run(config: RunConfig) -> dict[str, float]:
    """Return the processor seconds of a run, and those of `PARTS`, which overlap."""
    profile = cProfile.Profile(time.process_time)
    with tempfile.TemporaryDirectory() as folder:
        profile.runcall(run_experiment, config, Path(folder) / "run")
    stats: Any = pstats.Stats(profile)
    seconds_by_part = dict.fromkeys(PARTS, 0.0)
    for (file, _, function), (_, _, _, seconds, _) in stats.stats.items():
        for name, (ending, part_function) in PARTS.items():
            if file.endswith(ending) and function == part_function:
                seconds_by_part[name] += seconds
    return {"core_s": stats.total_tt} | seconds_by_part


def main() -> None:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--body", default="minilm")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    study = load_study("table2").in_small()
    runs = study_runs(study, {"data.source": arguments.data, "body.model": arguments.body})
    runs_of_seed = {run.config.identity: run for run in runs if run.config.seed == arguments.seed}
    rows: dict[str, dict[str, float]] = {}
    for run in runs_of_seed.values():
        rows[run.label] = profile_run(run.config)
        print(
            run.label,
            {name: round(seconds, 2) for name, seconds in rows[run.label].items()},
            flush=True,
        )
    total = {name: sum(row[name] for row in rows.values()) for name in ("core_s", *PARTS)}
    if missing_parts := [name for name, seconds in total.items() if not seconds]:
        parser.error(f"no function ran of {', '.join(missing_parts)}. Correct PARTS.")
    print("all", {name: round(seconds, 1) for name, seconds in total.items()})
    record = {
        "machine": machine_facts(1),
        "study": "table2 --quick",
        "body": arguments.body,
        "rows": rows,
        "all": total,
    }
    Path(__file__).with_name("study_profile.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
