"""Time that the arithmetic of a step takes at least: its multiply-adds at the speed of registers.

A rotation by a tangent, (a, b) → (a − t·b, b + t·a), is one multiply-add for each real number. Phases are multiplied
into the half of the amplitudes on which they act. Every gate is applied once to the state, and undone on state and
co-state. A derivative is one sum of products. From |0…0⟩ a real circuit needs the amplitudes of those qubits alone that
a gate has coupled by then. Memory, the values and the calls come on top.
"""

from __future__ import annotations

from collections.abc import Sequence

from workloads import BATCH, CX, RY, Gate, circuit_gates

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
# of the first rotation of a qubit that joins: one product there, one multiply-add for each array
# back, and two for the derivative, for two amplitudes
JOINING_RY = 5


def multiply_adds(gate: Gate, *, is_real: bool) -> int:
    """Return the multiply-adds of a gate in a step, for two amplitudes: applied, undone twice, and its derivative."""
    if isinstance(gate, CX):
        return 0
    if isinstance(gate, RY):
        application, derivative = REAL_RY if is_real else COMPLEX["ry"]
    else:
        application, derivative = COMPLEX[gate.name]
    return 3 * application + derivative


def growing_multiply_adds(gates: Sequence[Gate], n_qubits: int) -> float:
    """Return the multiply-adds of a real circuit from |0…0⟩ for one sample.

    Its lowest qubits have joined, up to the highest one that a CNOT has coupled. The rotations of the others wait.
    """
    joined = 0
    waiting = dict.fromkeys(range(n_qubits), 0)
    total = 0.0

    def join_up_to(count: int) -> float:
        nonlocal joined
        cost = 0.0
        while joined < count:
            pairs = 2**joined
            rotations = waiting[joined]
            full = max(0, rotations - 1) * multiply_adds(RY(joined, 0), is_real=True)
            cost += pairs * (full + (JOINING_RY if rotations else 0))
            joined += 1
        return cost

    for gate in gates:
        if isinstance(gate, CX):
            total += join_up_to(1 + max(gate.control, gate.target))
        elif isinstance(gate, RY) and gate.qubit >= joined:
            waiting[gate.qubit] += 1
        else:
            total += 2 ** (joined - 1) * multiply_adds(gate, is_real=True)
    return total + join_up_to(n_qubits)


def limit_ms(workload: str, n_qubits: int, peak_gflops: float, batch: int = BATCH) -> float:
    """Return the milliseconds of a step at ``peak_gflops`` (10⁹ operations per second; a multiply-add counts twice)."""
    gates = circuit_gates(workload, n_qubits)
    if workload == "head":
        per_sample = growing_multiply_adds(gates, n_qubits)
    else:
        count = sum(multiply_adds(gate, is_real=workload == "enc") for gate in gates)
        per_sample = count * 2 ** (n_qubits - 1)
    return 2 * per_sample * batch / peak_gflops / 1e6
