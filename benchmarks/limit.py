"""Time that the arithmetic of a step takes at least: its multiply-adds at the speed of registers.

A rotation by a tangent, (a, b) → (a − t·b, b + t·a), is one multiply-add for each real number. Phases are multiplied
into the half of the amplitudes on which they act. Every gate is applied once to the state, and undone on state and
co-state. A derivative is one sum of products. Memory, the values and the calls come on top.
"""

from __future__ import annotations

from workloads import BATCH, CX, RY, Gate, gates_of

# gate: multiply-adds to apply it, and of its derivative, for two complex amplitudes
COMPLEX = {
    "rx": (4, 4),
    "ry": (4, 4),
    "rz": (4, 2),
    "p": (4, 2),
    "u": (12, 10),
    "h": (4, 0),
    "s": (0, 0),
    "t": (4, 0),
    "sx": (4, 0),
    "cx": (0, 0),
    "cz": (0, 0),
    "swap": (0, 0),
    "crx": (2, 2),
    "cry": (2, 2),
    "crz": (4, 2),
    "cp": (2, 1),
    "rxx": (4, 4),
    "ryy": (4, 4),
    "rzz": (4, 2),
}
REAL_RY = (2, 2)


def multiply_adds(gate: Gate, *, is_real: bool) -> int:
    """Return the multiply-adds of a gate in a step, for two amplitudes: applied, undone twice, and its derivative."""
    if isinstance(gate, CX):
        return 0
    if isinstance(gate, RY):
        application, derivative = REAL_RY if is_real else COMPLEX["ry"]
    else:
        application, derivative = COMPLEX[gate.name]
    return 3 * application + derivative


def limit_ms(workload: str, n_qubits: int, peak_gflops: float, batch: int = BATCH) -> float:
    """Return the milliseconds of a step at ``peak_gflops`` (10⁹ operations per second; a multiply-add counts twice)."""
    gates = gates_of(workload, n_qubits)
    count = sum(multiply_adds(gate, is_real=workload != "mixed") for gate in gates)
    pairs = batch * 2 ** (n_qubits - 1)
    return 2 * count * pairs / peak_gflops / 1e6
