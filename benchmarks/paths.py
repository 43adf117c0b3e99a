"""Circuits of real gates on the engine's real and complex path: ``python benchmarks/paths.py`` writes ``paths.json``.

A step is forward and the gradient of sum(w · ⟨Z⟩) over all qubits, in float32. The engine runs a circuit of real gates
on the real path; here the complex path runs the same circuit too. Both take turns, so their ratio also holds if the
machine is busy. A ratio above 1.05 would say that the engine takes the slower path.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.library import n_local, real_amplitudes
from qllmft_backends import create
from qllmft_backends.observables import PauliObservables
from qllmft_circuits import head_circuit
from qllmft_circuits.ansatz import brickwork
from qllmft_engine import thread_count
from qllmft_engine.complex_engine import ComplexEngine
from qllmft_engine.program import lower_complex

from complex import Step, strings, turns
from run import machine_facts

LAYERS = 4


def ring(n_qubits: int, layers: int) -> QuantumCircuit:
    """Return layers of R_Y and a ring of CNOTs."""
    circuit = QuantumCircuit(n_qubits)
    angles = iter(ParameterVector("t", layers * n_qubits))
    for _ in range(layers):
        for q in range(n_qubits):
            circuit.ry(next(angles), q)
        for q in range(n_qubits):
            circuit.cx(q, (q + 1) % n_qubits)
    return circuit


def hadamards(n_qubits: int, layers: int) -> QuantumCircuit:
    """Return layers of H, R_Y, CZ on neighbours and SWAP on pairs: gates without an angle outnumber the others."""
    circuit = QuantumCircuit(n_qubits)
    angles = iter(ParameterVector("t", layers * n_qubits))
    for _ in range(layers):
        for q in range(n_qubits):
            circuit.h(q)
            circuit.ry(next(angles), q)
        for q in range(n_qubits - 1):
            circuit.cz(q, q + 1)
        for q in range(0, n_qubits - 1, 2):
            circuit.swap(q, q + 1)
    return circuit


CIRCUITS: dict[str, Callable[[int], QuantumCircuit]] = {
    "head": head_circuit,
    "ring": lambda n: ring(n, LAYERS),
    "real_amplitudes, linear": lambda n: real_amplitudes(n, "linear", LAYERS),
    "real_amplitudes, full": lambda n: real_amplitudes(n, "full", LAYERS),
    "brickwork": lambda n: brickwork(n, LAYERS),
    "ry and cz": lambda n: n_local(n, "ry", "cz", "circular", LAYERS),
    "h, ry, cz and swap": lambda n: hadamards(n, LAYERS),
}


def make_path_steps(circuit: QuantumCircuit, batch: int) -> list[Step]:
    """Return a step on the real path and one on the complex path, whose results are equal."""
    rng = np.random.default_rng(0)
    n_qubits = circuit.num_qubits
    observables = strings(n_qubits)
    real, _ = create("adjoint").compile(circuit, observables)
    sums = PauliObservables.from_operators(observables, n_qubits)
    engines: list[Any] = [real, ComplexEngine(lower_complex(circuit), sums)]
    values = rng.uniform(-np.pi, np.pi, (batch, circuit.num_parameters))
    weights = rng.normal(size=(batch, n_qubits)).astype(np.float32)
    steps = []
    path_answers = []
    for engine in engines:
        angles = engine.program.angles(values)

        def step(engine: Any = engine, angles: Any = angles) -> Any:
            answer, tape = engine.forward(angles)
            return answer, engine.vjp(tape, weights)[0]

        answer, by_angle = step()
        path_answers.append(np.hstack([answer, engine.program.by_parameter(by_angle, values)]))
        steps.append(step)
    difference = float(np.abs(path_answers[0] - path_answers[1]).max())
    if difference > 1e-3:
        raise SystemExit(f"got results of the two paths that differ by {difference:.1e}")
    return steps


def main() -> None:
    """Time the circuits, then write the record."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--qubits", default="10,12,14,16,18,20,22")
    parser.add_argument("--batches", default="1,2,4")
    parser.add_argument("--seconds", type=float, default=0.1, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("paths.json"))
    options = parser.parse_args()
    facts = machine_facts(thread_count())
    rows = []
    for n_qubits in map(int, options.qubits.split(",")):
        for batch in map(int, options.batches.split(",")):
            if batch << n_qubits > 1 << 22:  # many seconds for a step
                continue
            for name, make in CIRCUITS.items():
                steps = make_path_steps(make(n_qubits), batch)
                (real_ms, ratio), (complex_ms, _) = turns(steps, options.seconds, options.rounds)
                rows.append(
                    {
                        "circuit": name,
                        "qubits": n_qubits,
                        "batch": batch,
                        "ms": real_ms,
                        "complex_ms": complex_ms,
                        "ratio": ratio,
                    }
                )
                print(
                    f"{n_qubits} qubits, batch {batch}, {name}: {real_ms:.3f} ms, complex path {complex_ms:.3f} ms, "
                    f"ratio {ratio:.2f}",
                    flush=True,
                )
    largest = max(row["ratio"] for row in rows)
    print(f"largest ratio {largest:.2f}")
    record = {"machine": facts, "layers": LAYERS, "largest_ratio": largest, "results": rows}
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
