"""A QNode of PennyLane on three devices, and as a layer on the engine: ``python benchmarks/qnode.py``.

Forward and backward of a ring of RY and CNOT with data in each of five layers, in turn, on one thread. The QNode is on
the device of the engine, on lightning.qubit with its adjoint method, and on default.qubit with backpropagation.
Medians of rounds, in milliseconds of processor time, which are a table of peers.md too. The largest batch needs 12 GB
of memory on default.qubit.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qp
import torch
from qllmft import QuantumHead
from qllmft_engine.pennylane_device import AdjointDevice

from report import with_qnodes
from run import machine_facts

LAYERS = 5
ROUNDS = 5
SIZES = [(n, batch) for batch in (16, 256) for n in (8, 10, 12, 14)]
SLOWEST_S = 60.0  # of one call; a slower one is measured once


def ring(n: int) -> Callable[..., Any]:
    """Return a function of a sample and weights for n qubits."""

    def function(inputs: Any, weights: Any) -> Any:
        for layer in weights:
            for wire in range(n):
                qp.RY(inputs[..., wire], wires=wire)
                qp.RY(layer[wire], wires=wire)
            for wire in range(n):
                qp.CNOT(wires=[wire, (wire + 1) % n])
        return [qp.expval(qp.PauliZ(wire)) for wire in range(n)]

    return function


def gradient(call: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Return the gradient of the sum of all values by the samples."""
    samples = x.clone().requires_grad_()
    call(samples).sum().backward()
    assert samples.grad is not None
    return samples.grad


def row(n: int, batch: int) -> dict[str, Any]:
    """Return the milliseconds of each way, and the largest difference of a gradient from the largest gradient."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(LAYERS, n))
    x = torch.from_numpy(random.normal(size=(batch, n)))
    node_weights = torch.tensor(weights, requires_grad=True)

    def node(name: str, method: str) -> Callable[[torch.Tensor], torch.Tensor]:
        device = AdjointDevice(wires=n) if name == "qllmft.adjoint" else qp.device(name, wires=n)
        qnode = qp.QNode(ring(n), device, diff_method=method)
        return lambda samples: torch.stack(list(qnode(samples, node_weights)), dim=1)

    source = qp.QNode(ring(n), qp.device("lightning.qubit", wires=n))
    single, double = (
        QuantumHead.from_qnode(source, np.zeros(n), weights, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    )
    ways = {
        "from_qnode": lambda samples: single(samples.float()),
        "from_qnode, float64": double,
        "qllmft.adjoint": node("qllmft.adjoint", "best"),
        "lightning.qubit": node("lightning.qubit", "adjoint"),
        "default.qubit": node("default.qubit", "backprop"),
    }
    gradients = {name: gradient(call, x) for name, call in ways.items()}  # compiles too
    reference = gradients["lightning.qubit"]
    differences = {
        name: float((gradients[name] - reference).abs().max() / reference.abs().max())
        for name in ("from_qnode", "from_qnode, float64", "qllmft.adjoint")
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, call in ways.items():
            if times[name] and times[name][-1] > SLOWEST_S:
                continue
            repeats = 1 if "qubit" in name else 20
            started = time.process_time()
            for _ in range(repeats):
                gradient(call, x)
            times[name].append((time.process_time() - started) / repeats)
    medians = {
        name: round(1000 * statistics.median(durations), 2) for name, durations in times.items()
    }
    return {"qubits": n, "batch": batch, "ms": medians, "difference": differences}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    os.environ["QLLMFT_THREADS"] = "1"
    facts = machine_facts(1)
    rows = []
    for n, batch in SIZES:
        rows.append(row(n, batch))
        print(rows[-1], flush=True)
        arguments.json.write_text(
            json.dumps({"machine": facts, "results": rows}, indent=1) + "\n", encoding="utf-8"
        )
    peers = arguments.json.with_name("peers.md")
    if peers.exists():
        peers.write_text(with_qnodes(peers.read_text("utf-8"), arguments.json), encoding="utf-8")


if __name__ == "__main__":
    main()
