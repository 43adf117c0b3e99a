"""Cost of noise in this project and in TorchQuantum: ``python benchmarks/noise.py`` writes ``benchmarks/noise.md``.

A step is encoder, head, linear layer, cross-entropy, backward and Adam on 16 samples; the encoder is noiseless.
``--head`` measures the head alone, of this project only. Only ratios within one run are meaningful. The ratio of wall
times is that of the fastest steps. The ratio of processor times (of all threads) also holds if the machine is busy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import torch
from qllmft.config import ModelConfig, NoiseConfig
from qllmft.heads import QuantumHead, build_classifier, reseed
from qllmft.training import open_step
from qllmft_backends import create
from qllmft_backends.noise import PRESETS

from environments import DEFAULT_CACHE, HERE, Environment, NotAvailableError, prepare
from noise_baseline import NAME, Baseline, check, start_step_worker
from noise_table import markdown
from run import machine_facts
from sessions import PAUSE_S

BATCH = 16
DIMENSION = 768
SHOTS = 8192
NOISES = {
    "none": NoiseConfig(),
    "paper_high": NoiseConfig(gates="paper_high"),
    "8192 shots": NoiseConfig(shots=SHOTS),
    "paper_high, 8192 shots": NoiseConfig(gates="paper_high", shots=SHOTS),
    "forte1, 8192 shots": NoiseConfig(gates="forte1", shots=SHOTS),
}
# kind: row of NOISES
THEIRS = {"none": "none", "gates": "paper_high", "gates and shots": "paper_high, 8192 shots"}
NOTES = (
    "TorchQuantum's gate noise is its `NoiseModelTQ`: after each gate one Pauli error, or none, for the whole batch; "
    "here every sample draws its own. Its shots have no gradient, so equation 2 was written in torch for it.",
)


def make_step(n_qubits: int, noise: NoiseConfig, *, head_only: bool) -> Callable[[], None]:
    """Return one training step as a function without arguments."""
    backend = create("adjoint", noise.backend_options)
    generator = torch.Generator().manual_seed(0)
    if head_only:
        head = QuantumHead(n_qubits, backend=backend, generator=generator)
        model: torch.nn.Module = torch.nn.Sequential(head, torch.nn.Linear(n_qubits, 2))
        x = torch.randn(BATCH, n_qubits, generator=generator, requires_grad=True)
    else:
        model = build_classifier(ModelConfig(n_qubits=n_qubits), DIMENSION, 2, backend=backend)
        x = torch.randn(BATCH, DIMENSION, generator=generator)
    reseed(model, 0)
    labels = torch.arange(BATCH) % 2
    way = ExitStack().enter_context(open_step(model))
    optimizer = torch.optim.Adam(way.parameters(), lr=1e-3, fused=True)
    inputs = way.inputs(x)

    def step() -> None:
        way.gradient(inputs, labels)
        way.move(optimizer)

    return step


def milliseconds(step: Callable[[], None], seconds: float) -> tuple[float, float]:
    """Return the fastest wall time of a step in a burst, and its mean processor time."""
    wall: list[float] = []
    begun = time.perf_counter()
    processor = time.process_time()
    while not wall or time.perf_counter() - begun < seconds:
        started = time.perf_counter()
        step()
        wall.append(time.perf_counter() - started)
    return 1e3 * min(wall), 1e3 * (time.process_time() - processor) / len(wall)


def measure(
    n_qubits: int, baseline: Baseline | None, options: argparse.Namespace
) -> tuple[list[Any], list[Any]]:
    """Return the rows of this project and of TorchQuantum, timed in alternating turns."""
    steps = {
        name: make_step(n_qubits, noise, head_only=options.head) for name, noise in NOISES.items()
    }
    for step in steps.values():
        step()
    rounds = []
    for _ in range(options.rounds):
        rounds.append({name: milliseconds(step, options.burst) for name, step in steps.items()})
        if baseline:
            baseline.turn(len(THEIRS) * options.burst)
            time.sleep(PAUSE_S)
    ours = []
    theirs = []
    for name in NOISES:
        wall = min(r[name][0] for r in rounds)
        by_wall = wall / min(r["none"][0] for r in rounds)
        by_processor = statistics.median(r[name][1] / r["none"][1] for r in rounds)
        ours.append(
            {
                "qubits": n_qubits,
                "noise": name,
                "ms": wall,
                "wall": by_wall,
                "processor": by_processor,
            }
        )
        print(
            f"{n_qubits} qubits  {name:24s} {wall:9.3f} ms   {by_wall:.2f}   {by_processor:.2f}",
            flush=True,
        )
    if baseline:
        times = baseline.outputs()
        fastest = {kind: float(times[kind].min()) for kind in THEIRS}
        for kind, name in THEIRS.items():
            theirs.append(
                {"qubits": n_qubits, "noise": name, "ms": fastest[kind], "steps": len(times[kind])}
            )
            ratio = fastest[kind] / fastest["none"]
            print(
                f"{n_qubits} qubits  TorchQuantum, {name:24s} {fastest[kind]:9.1f} ms   {ratio:.2f}",
                flush=True,
            )
    return ours, theirs


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--qubits", default="10,12,14,16", help="comma-separated; default %(default)s"
    )
    parser.add_argument(
        "--baseline",
        default="10,12,14",
        help='numbers of qubits measured with TorchQuantum, "" for none; 16 takes 14 GB; default %(default)s',
    )
    parser.add_argument("--rounds", type=int, default=9, help="default %(default)s")
    parser.add_argument(
        "--burst", type=float, default=0.3, help="seconds a turn of one step; default %(default)s"
    )
    parser.add_argument(
        "--threads", type=int, default=2, help="threads of both tools (default %(default)s)"
    )
    parser.add_argument(
        "--head", action="store_true", help="the head alone, with the gradient of its data angles"
    )
    parser.add_argument(
        "--limit", type=float, default=300.0, help="seconds after which a silent worker is stopped"
    )
    parser.add_argument(
        "--cache", type=Path, default=DEFAULT_CACHE, help="folder of the environments"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter that makes the environments"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=HERE / "noise.md",
        help="the table; numbers go to a .json of the same name",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return 0, or 1 if TorchQuantum was requested but is unavailable."""
    options = parse(arguments)
    facts = machine_facts(options.threads)
    os.environ["QLLMFT_THREADS"] = str(options.threads)
    torch.set_num_threads(1)
    baseline_qubits = (
        set() if options.head else {int(part) for part in options.baseline.split(",") if part}
    )
    what = (
        "The head alone" if options.head else "Encoder and head of equal width, linear layer, Adam"
    )
    result: dict[str, Any] = {"machine": facts, "what": what, "ours": [], "theirs": [], "notes": []}
    failed = False
    print(f"{what}; ratios to no noise, by wall and by processor time")
    with tempfile.TemporaryDirectory() as name:
        environment: Environment | None = None
        try:
            if baseline_qubits:
                environment = prepare(NAME, options.cache, options.python)
                result["notes"] = [*NOTES, f"{check(environment, Path(name), options).sentence}."]
                print(result["notes"][-1], flush=True)
        except NotAvailableError as failure:
            environment = None
            failed = True
            result["notes"] = [f"TorchQuantum is left out: {failure}"]
            print(result["notes"][-1], file=sys.stderr)
        for n_qubits in map(int, options.qubits.split(",")):
            if environment and n_qubits in baseline_qubits:
                noise = PRESETS["paper_high"]
                with closing(
                    start_step_worker(environment, Path(name), n_qubits, noise, SHOTS, options)
                ) as baseline:
                    rows = measure(n_qubits, baseline, options)
            else:
                rows = measure(n_qubits, None, options)
            result["ours"] += rows[0]
            result["theirs"] += rows[1]
    out = options.out.with_stem(f"{options.out.stem}-head") if options.head else options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(markdown(result))
    out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"The table is {out}.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
