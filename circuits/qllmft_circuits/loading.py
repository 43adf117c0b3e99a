"""A real vector into amplitudes by R_Y and CNOT: simulators set a state by hand, a circuit's text must spell it out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library import UCRYGate


def loading_circuit(amplitudes: Sequence[float], n_qubits: int) -> QuantumCircuit:
    """The circuit that takes |0…0⟩ to Σ a_i |i⟩ / ‖a‖: a binary tree of multiplexed R_Y (Möttönen et al. 2005).

    For real amplitudes, and ours are, R_Y and CNOT suffice. Qiskit's `StatePreparation` takes general one-qubit gates,
    draws every amplitude into its box, and its QASM 2 text cannot be read back: it uses ``u``, which qelib1.inc lacks.

    Args:
        amplitudes: at most 2^n real numbers, of any length but zero; zeros follow them. Bit q of an index is qubit q.
        n_qubits: n, 1 or more.

    Returns:
        A bound circuit of at most 2^n - 1 R_Y and 2^n - 2 CNOT, named ``load``.

    Raises:
        ValueError: where there are too many amplitudes, or they are not finite, or all zero.

    >>> from qiskit.quantum_info import Statevector
    >>> Statevector(loading_circuit([3.0, -4.0], 1)).data.real.round(6).tolist()
    [0.6, -0.8]
    """
    if not 1 <= len(amplitudes) <= 2**n_qubits:
        raise ValueError(f"got {len(amplitudes)} amplitudes; {n_qubits} qubits hold 1 to {2**n_qubits}.")
    level = [float(a) for a in amplitudes] + [0.0] * (2**n_qubits - len(amplitudes))
    if not 0.0 < math.hypot(*level) < math.inf:
        raise ValueError("the amplitudes are all zero, or not finite; their direction is the state, so it must exist.")
    multiplexed = []  # of qubit q: one angle for every value of the qubits above it
    for _ in range(n_qubits):
        pairs = list(zip(level[::2], level[1::2], strict=True))
        multiplexed.append([2.0 * math.atan2(one, zero) for zero, one in pairs])  # only the first level sees signs
        level = [math.hypot(zero, one) for zero, one in pairs]
    circuit = QuantumCircuit(n_qubits, name="load")
    for qubit in reversed(range(n_qubits)):
        circuit.append(UCRYGate(multiplexed[qubit]), range(qubit, n_qubits))
    flat: QuantumCircuit = transpile(circuit, basis_gates=["ry", "cx"], optimization_level=0)
    return flat
