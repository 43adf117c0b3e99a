"""Run circuits of QASMBench and MQT Bench on the engine, against Qiskit's state vector and Aer's single shots.

Run: python -m lab.experiments.circuits_of_others --qasm FOLDER --mqt 3 5 7 --json FILE
QASMBench is a folder of OpenQASM 2 files; MQT Bench is the package mqt.bench. Neither is part of this repository.
Circuits that the file has are not run again; narrow circuits come first.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit, qasm2
from qiskit.circuit import Gate
from qiskit.quantum_info import SparsePauliOp, Statevector

from lab.experiments.common import options
from qllmft_backends import BackendError, create
from qllmft_backends.deferral import defer

SHOTS = 8192


def circuits(folder: Path | None, sizes: list[int]) -> Iterator[tuple[str, QuantumCircuit | None]]:
    """Yield names and circuits: the files of a folder, then MQT Bench's algorithms at some numbers of qubits.

    A file that Qiskit's parser does not read has None.
    """
    for file in sorted(folder.rglob("*.qasm")) if folder else []:
        if file.stem.endswith("_transpiled"):  # QASMBench has each circuit in IBM's gates too
            continue
        try:
            yield file.stem, qasm2.load(file, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)
        except qasm2.QASM2ParseError:
            yield file.stem, None
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
    return all(
        isinstance(i.operation, Gate) or i.operation.name == "barrier"
        for i in gates.decompose(reps=3).data
    )


def by_engine(circuit: QuantumCircuit) -> NDArray[np.float64]:
    """Return the probability of each value of the classical bits, by the engine in float64."""
    deferred = defer(circuit)
    backend: Any = create("adjoint", {"dtype": "float64"})
    engine, _ = backend.compile(
        deferred.circuit, [SparsePauliOp("I" * deferred.circuit.num_qubits)]
    )
    probabilities = engine.probabilities(engine.program.angles(np.empty((1, 0))))[0]
    return marginal(probabilities, deferred.clbits)


def marginal(probabilities: NDArray[np.float64], wires: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the probabilities of bits that are on ``wires``; -1: always 0."""
    outcomes = np.arange(len(probabilities))
    keys = sum(
        ((outcomes >> wire & 1) << c for c, wire in enumerate(wires) if wire >= 0),
        np.zeros_like(outcomes),
    )
    return np.asarray(np.bincount(keys, probabilities, 1 << len(wires)), np.float64)


def by_statevector(circuit: QuantumCircuit) -> NDArray[np.float64]:
    """Return the same for a circuit whose measurements come last, by Qiskit's `Statevector`."""
    wires = [-1] * circuit.num_clbits
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            wires[circuit.find_bit(instruction.clbits[0]).index] = circuit.find_bit(
                instruction.qubits[0]
            ).index
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
    probabilities = by_engine(circuit).clip(0, 1)
    if unitary:
        error = float(np.abs(probabilities - by_statevector(circuit)).max())
        return error, error < 1e-9
    difference = np.abs(probabilities - by_shots(circuit))
    allowed = 5 * np.sqrt(probabilities * (1 - probabilities) / SHOTS) + 2 / SHOTS
    return float(difference.max()), bool((difference <= allowed).all())


def main() -> None:
    """Print one line per new circuit and the counts."""
    parser = options(__doc__)
    parser.add_argument("--qasm", type=Path, help="folder of OpenQASM 2 files")
    parser.add_argument(
        "--mqt", type=int, nargs="*", default=[], help="numbers of qubits for MQT Bench"
    )
    parser.add_argument(
        "--qubits", type=int, default=14, help="largest number of qubits or bits, default 14"
    )
    parser.add_argument(
        "--wires", type=int, default=18, help="the same with deferred measurements, default 18"
    )
    parser.add_argument(
        "--json", type=Path, help="file of the results, which a later run continues"
    )
    arguments = parser.parse_args()
    verdicts: dict[str, dict[str, Any]] = {}
    if arguments.json and arguments.json.exists():
        verdicts = json.loads(arguments.json.read_text())["circuits"]
    named_circuits = list(circuits(arguments.qasm, arguments.mqt))
    for name, circuit in sorted(
        named_circuits, key=lambda pair: pair[1].num_qubits if pair[1] else 0
    ):
        if name not in verdicts:
            start = time.perf_counter()
            verdicts[name] = verdict(circuit, arguments.qubits, arguments.wires)
            print(f"{name}: {verdicts[name]}, {time.perf_counter() - start:.1f} s", flush=True)
        counts = Counter(f"{row['measured']}: {row['result']}" for row in verdicts.values())
        if arguments.json:
            text = json.dumps(
                {"counts": dict(sorted(counts.items())), "circuits": verdicts}, indent=1
            )
            arguments.json.write_text(text + "\n")
    print(json.dumps(counts, indent=1))


def verdict(circuit: QuantumCircuit | None, most_qubits: int, most_wires: int) -> dict[str, Any]:
    """Return the result of one circuit: right, WRONG, refused, too wide or not read, with the largest difference."""
    if circuit is None:
        return {"measured": "unknown", "result": "not read by Qiskit"}
    if max(circuit.num_qubits, circuit.num_clbits) > most_qubits:
        return {"measured": "unknown", "result": "too wide"}
    if not any("measure" in str(i.operation.name) for i in circuit.decompose(reps=2).data):
        circuit.measure_all()
    measured = "last" if is_unitary(circuit) else "in the middle"
    try:
        if defer(circuit).circuit.num_qubits > most_wires:
            return {"measured": measured, "result": "too wide with deferred measurements"}
        error, right = compare(circuit, measured == "last")
    except BackendError as refusal:
        return {"measured": measured, "result": "refused", "reason": str(refusal)}
    return {"measured": measured, "result": "right" if right else "WRONG", "difference": error}


if __name__ == "__main__":
    main()
