"""Run circuits of QASMBench and MQT Bench on the engine, against Qiskit's state vector and Aer's single shots.

Run: python benchmarks/circuits_of_others.py --qasm FOLDER --mqt 3 5 7
QASMBench is a folder of OpenQASM 2 files; MQT Bench is the package mqt.bench. Neither is part of this repository.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qasm2
from qiskit.circuit import Gate
from qiskit.quantum_info import SparsePauliOp, Statevector
from qllmft_backends import BackendError, create
from qllmft_backends.deferral import defer

SHOTS = 8192


def circuits(folder: Path | None, sizes: list[int]) -> Iterator[tuple[str, QuantumCircuit]]:
    """Yield names and circuits: the files of a folder, then MQT Bench's algorithms at some numbers of qubits."""
    for file in sorted(folder.rglob("*.qasm")) if folder else []:
        try:
            yield file.stem, qasm2.load(file, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
        except qasm2.QASM2ParseError as error:
            print(f"{file.stem}: no OpenQASM 2 that Qiskit reads ({str(error)[:80]})")
    if sizes:
        from mqt.bench import BenchmarkLevel, get_benchmark
        from mqt.bench.benchmarks import get_available_benchmark_names

        for name in get_available_benchmark_names():
            for size in sizes:
                try:
                    circuit = get_benchmark(name, level=BenchmarkLevel.ALG, circuit_size=size)
                except (ValueError, TypeError, AssertionError):
                    continue  # it has no circuit of this size
                yield f"{name}_{size}", circuit


def is_unitary(circuit: QuantumCircuit) -> bool:
    """Return whether a circuit has nothing but gates before its last measurements."""
    gates = circuit.remove_final_measurements(inplace=False)
    return all(isinstance(i.operation, Gate) or i.operation.name == "barrier" for i in gates.decompose(reps=3).data)


def by_engine(circuit: QuantumCircuit) -> NDArray[np.float64]:
    """Return the probability of each value of the classical bits, by the engine in float64."""
    deferred = defer(circuit)
    engine, _ = create("adjoint", {"dtype": "float64"}).compile(
        deferred.circuit, [SparsePauliOp("I" * deferred.circuit.num_qubits)]
    )
    probabilities = engine.probabilities(engine.program.angles(np.empty((1, 0))))[0]  # type: ignore[attr-defined]
    return marginal(probabilities, deferred.clbits)


def marginal(probabilities: NDArray[np.float64], wires: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the probabilities of bits that are on ``wires``; -1: always 0."""
    outcomes = np.arange(len(probabilities))
    keys = sum(((outcomes >> wire & 1) << c for c, wire in enumerate(wires) if wire >= 0), np.zeros_like(outcomes))
    return np.bincount(keys, weights=probabilities, minlength=1 << len(wires))


def by_statevector(circuit: QuantumCircuit) -> NDArray[np.float64]:
    """Return the same for a circuit whose measurements come last, by Qiskit's `Statevector`."""
    wires = [-1] * circuit.num_clbits
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            wires[circuit.find_bit(instruction.clbits[0]).index] = circuit.find_bit(instruction.qubits[0]).index
    gates = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.operation.name != "measure":
            gates.append(instruction)
    return marginal(Statevector(gates).probabilities(), tuple(wires))


def by_shots(circuit: QuantumCircuit) -> NDArray[np.float64]:
    """Return frequencies of the classical bits by Aer, which measures in the middle of a circuit."""
    bits = create("aer_statevector", {"max_parallel_threads": 1}).bits(
        circuit, np.empty((1, 0)), SHOTS, np.random.default_rng(0)
    )[0]
    keys = bits.astype(np.int64) @ (1 << np.arange(circuit.num_clbits))
    return np.bincount(keys, minlength=1 << circuit.num_clbits) / SHOTS


def compare(circuit: QuantumCircuit, unitary: bool) -> tuple[float, bool]:
    """Return the largest difference of a probability, and whether it is as small as it must be."""
    found = by_engine(circuit).clip(0, 1)
    if unitary:
        error = float(np.abs(found - by_statevector(circuit)).max())
        return error, error < 1e-9
    difference = np.abs(found - by_shots(circuit))
    allowed = 5 * np.sqrt(found * (1 - found) / SHOTS) + 2 / SHOTS
    return float(difference.max()), bool((difference <= allowed).all())


def main() -> None:
    """Print one line per circuit and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qasm", type=Path, help="folder of OpenQASM 2 files")
    parser.add_argument("--mqt", type=int, nargs="*", default=[], help="numbers of qubits for MQT Bench")
    parser.add_argument("--qubits", type=int, default=14, help="largest number of qubits or bits, default 14")
    parser.add_argument("--wires", type=int, default=18, help="the same with deferred measurements, default 18")
    parser.add_argument("--json", type=Path, help="file for the counts")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for name, circuit in circuits(arguments.qasm, arguments.mqt):
        if max(circuit.num_qubits, circuit.num_clbits) > arguments.qubits:
            counts["too wide"] += 1
            continue
        if not any("measure" in str(i.operation.name) for i in circuit.decompose(reps=2).data):
            circuit.measure_all()
        try:
            wires = defer(circuit).circuit.num_qubits
        except BackendError:
            wires = 0  # refused below
        if wires > arguments.wires:
            counts["too wide with deferred measurements"] += 1
            print(f"{name}: {wires} qubits with deferred measurements", flush=True)
            continue
        unitary = is_unitary(circuit)
        kind = "measured last" if unitary else "measured in the middle"
        start = time.perf_counter()
        try:
            error, right = compare(circuit, unitary)
        except BackendError as refusal:
            counts[f"{kind}: refused"] += 1
            print(f"{name}: {kind}: refused: {refusal}", flush=True)
            continue
        counts[f"{kind}: {'right' if right else 'WRONG'}"] += 1
        seconds = time.perf_counter() - start
        print(f"{name}: {kind}: {'right' if right else 'WRONG'}, {error:.1e}, {seconds:.1f} s", flush=True)
    print(json.dumps(counts, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
