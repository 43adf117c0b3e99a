"""What noise costs: a training step of the paper's model with and without it, in turns: ``python benchmarks/noise.py``.

A step is encoder, head, linear layer, cross-entropy, backward and Adam on 16 samples; ``--head`` leaves out the
encoder, which is noiseless. Ratios in one run are what counts. The ratio of wall times is that of the fastest turns;
that of processor times (of all threads) holds on a busy machine too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from qllmft.config import ModelConfig, NoiseConfig
from qllmft.heads import QuantumHead, build_classifier, reseed
from qllmft_backends import create

BATCH, DIMENSION = 16, 768
NOISES = {
    "none": NoiseConfig(),
    "paper_high": NoiseConfig(gates="paper_high"),
    "8192 shots": NoiseConfig(shots=8192),
    "paper_high, 8192 shots": NoiseConfig(gates="paper_high", shots=8192),
    "forte1, 8192 shots": NoiseConfig(gates="forte1", shots=8192),
}


def make_step(n_qubits: int, noise: NoiseConfig, *, head_only: bool) -> Callable[[], None]:
    """One training step as a function of nothing."""
    backend = create("adjoint", noise.backend_options)
    generator = torch.Generator().manual_seed(0)
    if head_only:
        model: torch.nn.Module = torch.nn.Sequential(QuantumHead(n_qubits, backend=backend, generator=generator))
        x = torch.randn(BATCH, n_qubits, generator=generator, requires_grad=True)
    else:
        model = build_classifier(ModelConfig(n_qubits=n_qubits), DIMENSION, 2, backend=backend)
        x = torch.randn(BATCH, DIMENSION, generator=generator)
    reseed(model, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    labels = torch.arange(BATCH) % 2

    def step() -> None:
        loss = torch.nn.functional.cross_entropy(model(x)[:, :2], labels)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def milliseconds(step: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Fastest wall time of a step in a burst, and mean processor time."""
    wall: list[float] = []
    begun, processor = time.perf_counter(), time.process_time()
    while not wall or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        step()
        wall.append(time.perf_counter() - started)
    return 1e3 * min(wall), 1e3 * (time.process_time() - processor) / len(wall)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qubits", default="10,12,14,16", help="comma-separated; default %(default)s")
    parser.add_argument("--rounds", type=int, default=9, help="default %(default)s")
    parser.add_argument("--burst", type=float, default=0.3, help="seconds a turn; default %(default)s")
    parser.add_argument("--head", action="store_true", help="the head alone, with the gradient of its data angles")
    parser.add_argument("--out", type=Path, help="folder for noise.json")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rows = []
    print(f"{'the head alone' if options.head else 'a whole step'}; ratios to no noise, by wall and by processor time")
    for n_qubits in map(int, options.qubits.split(",")):
        steps = {name: make_step(n_qubits, noise, head_only=options.head) for name, noise in NOISES.items()}
        for step in steps.values():
            step()
        rounds = [
            {name: milliseconds(step, options.burst) for name, step in steps.items()} for _ in range(options.rounds)
        ]
        for name in NOISES:
            wall = min(r[name][0] for r in rounds)
            by_wall = wall / min(r["none"][0] for r in rounds)
            by_processor = statistics.median(r[name][1] / r["none"][1] for r in rounds)
            rows.append({"qubits": n_qubits, "noise": name, "ms": wall, "wall": by_wall, "processor": by_processor})
            print(f"{n_qubits} qubits  {name:24s} {wall:9.3f} ms   {by_wall:.2f}   {by_processor:.2f}")
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        name = "noise-head.json" if options.head else "noise.json"
        (options.out / name).write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
