"""Circuits of any gates on the engine: ``python benchmarks/complex.py`` writes ``benchmarks/complex.json``.

A step is forward and the gradient of sum(w · ⟨Z⟩) over all qubits, for 16 samples, in float32. The random
circuit of all kinds of gates is compared with a real one on the same qubits: R_Y for every gate on one qubit, and CNOT
for every gate on two. It has as many gates, on the engine's real path. Both take turns, so their ratio also holds if
the machine is busy. Values and gradients are first compared with Qiskit's: values by StatevectorEstimator, gradients by
its parameter-shift rule. The other ratio is the time of that rule on a smaller circuit.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.gradients import ParamShiftEstimatorGradient
from qllmft_backends import create
from qllmft_engine import thread_count

from run import machine_facts

BATCH = 16
LAYERS = 28
WARMUP_S = 0.2
ON_ONE = ("rx", "ry", "rz", "p", "u", "h", "sdg", "t", "sx")
ON_TWO = ("cx", "cz", "crx", "cry", "crz", "cp", "rxx", "ryy", "rzz", "swap")
WITHOUT_ANGLE = ("h", "sdg", "t", "sx", "cx", "cz", "swap")
Step = Callable[[], None]


def random_circuits(n_qubits: int, layers: int) -> tuple[QuantumCircuit, QuantumCircuit]:
    """Return a circuit of all kinds of gates and its real counterpart.

    A layer is a gate on every qubit, then on pairs.
    """
    rng = np.random.default_rng(n_qubits)
    size = layers * n_qubits * 4
    angles = iter(ParameterVector("t", size))
    real_angles = iter(ParameterVector("t", size))
    mixed = QuantumCircuit(n_qubits)
    real = QuantumCircuit(n_qubits)
    for _ in range(layers):
        for q in range(n_qubits):
            name = str(rng.choice(ON_ONE))
            count = 3 if name == "u" else int(name not in WITHOUT_ANGLE)
            getattr(mixed, name)(*[next(angles) for _ in range(count)], q)
            real.ry(next(real_angles), q)
        for a, b in rng.permutation(n_qubits)[: n_qubits // 2 * 2].reshape(-1, 2).tolist():
            name = str(rng.choice(ON_TWO))
            getattr(mixed, name)(*[next(angles)] * (name not in WITHOUT_ANGLE), a, b)
            real.cx(a, b)
    return mixed, real


def strings(n_qubits: int) -> list[SparsePauliOp]:
    """Return Z on each qubit."""
    return [SparsePauliOp.from_sparse_list([("Z", [q], 1.0)], n_qubits) for q in range(n_qubits)]


def make_step(circuit: QuantumCircuit) -> Step:
    """Return a step of forward and gradient on a compiled circuit."""
    rng = np.random.default_rng(0)
    engine, _ = create("adjoint").compile(circuit, strings(circuit.num_qubits))
    angles = engine.program.angles(rng.uniform(-np.pi, np.pi, (BATCH, circuit.num_parameters)))
    weights = rng.normal(size=(BATCH, circuit.num_qubits)).astype(np.float32)

    def step() -> None:
        _, tape = engine.forward(angles)
        engine.vjp(tape, weights)

    return step


def turns(steps: list[Step], seconds: float, rounds: int) -> list[tuple[float, float]]:
    """Time the steps in turns.

    Returns:
        For each step, its fastest time in milliseconds and the median over rounds of the ratio to the last step.
    """
    fastest: list[list[float]] = [[] for _ in steps]
    for r in range(rounds + 1):
        for i in np.roll(np.arange(len(steps)), r).tolist():
            durations = []
            stop = time.perf_counter() + (seconds if r else WARMUP_S)
            while not durations or time.perf_counter() < stop:
                start = time.perf_counter()
                steps[i]()
                durations.append(time.perf_counter() - start)
            if r:
                fastest[i].append(1000 * min(durations))
    last = fastest[-1]
    return [
        (min(durations), statistics.median(a / b for a, b in zip(durations, last, strict=True)))
        for durations in fastest
    ]


def qiskit_pair(n_qubits: int) -> tuple[Step, Step, float, float]:
    """Return our and Qiskit's step of estimator and gradient, with the deviations of values and gradients."""
    circuit, _ = random_circuits(n_qubits, 2)
    rng = np.random.default_rng(1)
    values = rng.uniform(-np.pi, np.pi, (2, circuit.num_parameters))
    observable = SparsePauliOp(
        ["Z" * n_qubits, "X" + "I" * (n_qubits - 1), "Y" * n_qubits], [1.0, 0.5, -0.75]
    )
    backend = create("adjoint", {"dtype": "float32"})
    reference = StatevectorEstimator()
    kinds = (
        (backend.estimator(), backend.gradient()),
        (reference, ParamShiftEstimatorGradient(reference)),
    )
    answers: list[tuple[NDArray[Any], NDArray[Any]]] = [(np.empty(0), np.empty(0))] * 2

    def make_gradient_step(i: int) -> Step:
        estimator, gradient = kinds[i]

        def step() -> None:
            expectation_values = (
                estimator.run([(circuit, observable, values)], precision=0.0).result()[0].data.evs
            )
            answers[i] = (
                expectation_values,
                np.array(gradient.run([circuit] * 2, [observable] * 2, values).result().gradients),
            )

        return step

    steps = make_gradient_step(0), make_gradient_step(1)
    for step in steps:
        step()
    by_value, by_gradient = (float(np.abs(a - b).max()) for a, b in zip(*answers, strict=True))
    if max(by_value, by_gradient) > 1e-4:
        raise SystemExit(
            f"got results that differ from Qiskit's: values by {by_value:.1e}, gradients by {by_gradient:.1e}"
        )
    return *steps, by_value, by_gradient


def main() -> None:
    """Check and time the circuits, then write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", default="10,12,14,16,18")
    parser.add_argument("--qiskit-qubits", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=0.5, help="of a turn")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("complex.json"))
    options = parser.parse_args()
    facts = {**machine_facts(thread_count()), "batch": BATCH, "layers": LAYERS}
    *pair, by_value, by_gradient = qiskit_pair(options.qiskit_qubits)
    (ours, ratio), (theirs, _) = turns(pair, options.seconds, options.rounds)
    reference = {
        "qubits": options.qiskit_qubits,
        "ms": ours,
        "qiskit_ms": theirs,
        "qiskit_to_ours": 1 / ratio,
    }
    reference |= {"values_differ_by": by_value, "gradients_differ_by": by_gradient}
    print(
        f"{options.qiskit_qubits} qubits, 2 layers: {ours:.2f} ms, Qiskit {theirs:.0f} ms: {1 / ratio:.0f} times ours"
    )
    rows = []
    for n_qubits in map(int, options.qubits.split(",")):
        circuits = random_circuits(n_qubits, LAYERS)
        (mixed, ratio), (real, _) = turns(
            [make_step(c) for c in circuits], options.seconds, options.rounds
        )
        rows.append(
            {
                "qubits": n_qubits,
                "gates": circuits[0].size(),
                "ms": mixed,
                "real_ms": real,
                "ratio": ratio,
            }
        )
        print(
            f"{n_qubits} qubits, {circuits[0].size()} gates: {mixed:.2f} ms, real {real:.2f} ms, ratio {ratio:.2f}"
        )
    options.out.write_text(
        json.dumps({"machine": facts, "against_real": rows, "against_qiskit": reference}, indent=1)
        + "\n"
    )


if __name__ == "__main__":
    main()
