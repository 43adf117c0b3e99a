"""Size of a circuit in QPY, which is read in a process of its own with little memory and time.

A file of a few kilobytes may have definitions inside definitions, which Qiskit reads as often as they are used, and any
number of qubits.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qiskit import QuantumCircuit

MOST_SECONDS = 60
_READ = "import sys; from qllmft_circuits.qpy_size import read_here; read_here(sys.argv[1], int(sys.argv[2]))"


def qpy_size(path: Path, memory: int) -> tuple[int, int]:
    """Return the number of qubits and of gates of the circuit in a file, with gates inside definitions.

    Args:
        path: of the file.
        memory: bytes that reading may take, on Linux and macOS.

    Raises:
        ValueError: if the file holds no circuit, or reading takes more memory or more than `MOST_SECONDS`.
    """
    try:
        done = subprocess.run(  # noqa: S603 - the file's path is an argument, and no command
            [sys.executable, "-c", _READ, str(path), str(memory)],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it is not read within {MOST_SECONDS} s") from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        reason = f"reading takes more than {memory:,} bytes of memory"
        raise ValueError(reason if "emory" in said or done.returncode < 0 else said)
    n_qubits, gates = map(int, done.stdout.split())
    return n_qubits, gates


def read_here(path: str, memory: int) -> None:
    """Read a file with a bound of memory, and print the size of its circuit."""
    from qllmft_circuits.qasm import from_qpy

    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
            1 if sys.platform == "darwin" else 1024
        )
        statm = Path("/proc/self/statm")
        if statm.exists():  # what is mapped counts, which is more than what is used
            used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    circuit = from_qpy(Path(path).read_bytes())
    print(circuit.num_qubits, gates_of(circuit))  # noqa: T201 - to the process that asked


def gates_of(circuit: QuantumCircuit) -> int:
    """Return the number of gates of a circuit, where a gate that is defined by others counts as those.

    >>> inner = QuantumCircuit(1)
    >>> _ = inner.h(0), inner.h(0)
    >>> circuit = QuantumCircuit(2)
    >>> _ = circuit.cx(0, 1), circuit.append(inner.to_gate(), [0])
    >>> gates_of(circuit)
    3
    """
    total = 0
    for instruction in circuit.data:
        operation = instruction.operation
        inner = list(getattr(operation, "blocks", ()))
        own = type(operation).__module__ in ("qiskit.circuit.gate", "qiskit.circuit.instruction")
        if own and operation.definition is not None:
            inner.append(operation.definition)
        total += sum(map(gates_of, inner)) if inner else 1
    return total
