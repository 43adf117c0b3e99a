"""The paper's quantum searches on this machine: ``python benchmarks/programme.py SST2`` writes ``programme.json``.

SST2 is the folder of the data, the body is ``minilm``. Times are those of `qllmft sweep --plan-only`: processor time,
which hardly depends on other work. The first configuration of each search is then trained whole. All six take about 35
minutes of one core.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qllmft.config import RunConfig
from qllmft.run import SharedInputs, run_experiment
from qllmft_studies.search_space import load_space
from qllmft_studies.sweep import estimate_epoch_times, make_sweep

from run import machine_facts


def check_estimate(config: RunConfig, epoch_s: float) -> dict[str, Any]:
    """Return the processor time of a training, including reading and writing, and its estimate."""
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        run_experiment(config, Path(folder) / "run", read_test=False)
    real = time.process_time() - started
    expected = config.train.epochs * epoch_s
    member = {"qubits": config.model.n_qubits, "epochs": config.train.epochs}
    return member | {
        "estimate_core_s": expected,
        "real_core_s": real,
        "estimate_to_real": expected / real,
    }


cores = len(os.sched_getaffinity(0))
inputs = SharedInputs()
record: dict[str, Any] = {"machine": machine_facts(cores), "families": {}}
for name in ("table-06", "table-07", "table-10", "table-11", "table-12", "table-15"):
    overrides = {"data.source": sys.argv[1], "body.model": "minilm"}
    plan = make_sweep(load_space(name), "grid", overrides)
    estimates = estimate_epoch_times(plan, inputs)
    by_qubits: dict[str, float] = {}
    for config, epochs, epoch_s in estimates:
        qubits = f"{config.model.n_qubits} qubits"
        by_qubits[qubits] = by_qubits.get(qubits, 0.0) + epochs * epoch_s / 3600
    family = {
        "table": plan.space.table,
        "configurations": plan.size,
        "core_hours": sum(by_qubits.values()),
    }
    record["families"][name] = family | {
        "core_hours_by_qubits": by_qubits,
        "check": check_estimate(estimates[0][0], estimates[0][2]),
    }
    print(name, json.dumps(record["families"][name]), flush=True)
for key in ("configurations", "core_hours"):
    record[key] = sum(family[key] for family in record["families"].values())
record["hours_here"] = record["core_hours"] / cores
(Path(__file__).parent / "programme.json").write_text(json.dumps(record, indent=1) + "\n")
