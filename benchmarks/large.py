"""Large circuits on the engine: ``python benchmarks/large.py`` writes ``large.json``.

The head's circuit (R = 4, N = 1, M = 2) on one sample: values and gradients in float32 and float64 at 18 and 20
qubits, and at 24 the gradient of two angles in float32 and by the parameter-shift rule.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from qllmft_backends import create
from qllmft_circuits import head_circuit, readout_observables

from run import machine_facts


def passes(n_qubits: int, dtype: str) -> tuple[Any, Any, Any, Any, Any]:
    """Return engine, angles (1, G) in radians, cotangent (1, Q), values (1, Q) and gradient (1, G)."""
    engine = create("adjoint", {"dtype": dtype}).compile(
        head_circuit(n_qubits), readout_observables(n_qubits)
    )[0]
    rng = np.random.default_rng(n_qubits)
    angles = rng.uniform(-np.pi, np.pi, (1, engine.program.n_angles))
    cotangent = rng.normal(size=(1, n_qubits))
    values, tape = engine.forward(angles)
    return engine, angles, cotangent, values, engine.vjp(tape, cotangent)[0]


record: dict[str, Any] = {"machine": machine_facts(len(os.sched_getaffinity(0))), "float32": []}
for n in (18, 20):
    single = passes(n, "float32")
    double = passes(n, "float64")
    record["float32"].append({"n_qubits": n, "value_error": float(np.abs(single[3] - double[3]).max()),
        "gradient_error": float(np.abs(single[4] - double[4]).max()),
        "largest_gradient": float(np.abs(double[4]).max())})  # fmt: skip
started = time.process_time()
engine, angles, cotangent, _, gradient = passes(24, "float32")
record["shift"] = {"n_qubits": 24, "step_core_s": time.process_time() - started, "angles": []}
for index in (0, angles.shape[1] - 1):
    turn = np.pi / 2 * (np.arange(angles.shape[1]) == index)
    plus, minus = (float((cotangent * engine.values(angles + end)).sum()) for end in (turn, -turn))
    pair = {"adjoint": float(gradient[0, index]), "parameter_shift": (plus - minus) / 2}
    record["shift"]["angles"].append({"angle": index, **pair})
(Path(__file__).parent / "large.json").write_text(json.dumps(record, indent=1) + "\n")
