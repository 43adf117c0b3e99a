"""The simulated quantum encoder (sQE): ansatz layers behind an amplitude-loaded state.

Simulators set the state directly. Circuits as text load a real vector by R_Y and CNOT.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_circuits.ansatz import Ansatz, AnsatzOptions, trainable_blocks

PAPER_ENCODER_LAYERS = 28  # the only depth that gives the paper's 28·Q_e + 1 parameters


def encoder_circuit(
    n_qubits: int, layers: int = PAPER_ENCODER_LAYERS, ansatz: Ansatz | None = None
) -> QuantumCircuit:
    """Return the encoder's circuit, section III-C: ``layers`` ansatz layers.

    Its initial state |ψ(x)⟩ = Σ x_i |i⟩ is loaded by the simulator and is not part of the circuit.

    Args:
        n_qubits: Q_e, qubits of one encoder.
        layers: ansatz layers.
        ansatz: makes the layers; the paper's by default.

    Returns:
        A circuit with one parameter vector ``theta``; in the paper's ansatz theta[g] is the angle of the g-th U_i.
        Qubit 0 is the least significant bit of an amplitude's index (Qiskit's order).

    Raises:
        ValueError: if ``layers`` is negative.

    >>> encoder_circuit(10).num_parameters
    280
    """
    if layers < 0:
        raise ValueError(f"layers is {layers}, expected 0 or more.")
    circuit = QuantumCircuit(n_qubits, name=f"encoder_{n_qubits}q")
    circuit.compose(*trainable_blocks(n_qubits, [layers], ansatz or AnsatzOptions()), inplace=True)
    return circuit


def loading_circuit(amplitudes: Sequence[float], n_qubits: int) -> QuantumCircuit:
    """Return the circuit from |0…0⟩ to Σ a_i |i⟩ / ‖a‖: `loading_template`, bound.

    For real amplitudes R_Y and CNOT suffice. Qiskit's `StatePreparation` uses general one-qubit gates, draws every
    amplitude into its box, and its QASM 2 text cannot be read back: it uses ``u``, which qelib1.inc lacks.

    Args:
        amplitudes: at most 2^n real numbers, of any length but zero; if they are fewer, zeros follow. Bit q of an
            index is qubit q.
        n_qubits: n, 1 or more.

    Returns:
        A bound circuit of 2^n - 1 R_Y and 2^n - 2 CNOT, named ``load``.

    Raises:
        ValueError: if there are too many amplitudes, or they are not finite, or all zero.

    >>> from qiskit.quantum_info import Statevector
    >>> Statevector(loading_circuit([3.0, -4.0], 1)).data.real.round(6).tolist()
    [0.6, -0.8]
    """
    angles = loading_angles(np.array([amplitudes], np.float64), n_qubits)
    circuit = loading_template(n_qubits)
    circuit.assign_parameters(angles[0].tolist(), inplace=True)
    return circuit


def loading_template(n_qubits: int) -> QuantumCircuit:
    """Return a binary tree of multiplexed R_Y, each as R_Y and CNOT in the order of a Gray code (Möttönen et al. 2005).

    Returns:
        A circuit, named ``load``, with one parameter vector ``a`` of 2^n - 1 angles; see `loading_angles`.
    """
    angles = ParameterVector("a", 2**n_qubits - 1)
    circuit = QuantumCircuit(n_qubits, name="load")
    n_used = 0
    for target in reversed(range(n_qubits)):
        controls = n_qubits - 1 - target
        for i in range(1, 2**controls + 1):
            circuit.ry(angles[n_used], target)
            n_used += 1
            if controls:  # the bit that the Gray code turns next; the last one turns it back to 0
                circuit.cx(target + 1 + min((i & -i).bit_length() - 1, controls - 1), target)
    return circuit


def loading_angles(amplitudes: NDArray[np.float64], n_qubits: int) -> NDArray[np.float64]:
    """Return angles (N, 2^n - 1) in radians of `loading_template` for N nonzero vectors (N, D), D ≤ 2^n.

    Raises:
        ValueError: if there are too many amplitudes, or they are not finite, or all zero.
    """
    if not 1 <= amplitudes.shape[1] <= 2**n_qubits:
        raise ValueError(
            f"got {amplitudes.shape[1]} amplitudes, expected 1 to {2**n_qubits} for {n_qubits} qubits."
        )
    largest = np.abs(amplitudes).max(axis=1)
    if not (np.isfinite(largest) & (largest > 0)).all():
        raise ValueError(
            "the amplitudes are all zero, or not finite. Their direction is the state, so it must exist."
        )
    level_amplitudes = np.zeros((len(amplitudes), 2**n_qubits))
    level_amplitudes[:, : amplitudes.shape[1]] = amplitudes / largest[:, None]
    angles_by_qubit: list[NDArray[np.float64]] = []
    for _ in range(n_qubits):  # of qubit q: one angle for every value j of the qubits above it
        even_amplitudes = level_amplitudes[:, ::2]
        odd_amplitudes = level_amplitudes[:, 1::2]
        j = np.arange(even_amplitudes.shape[1])
        # [j, i]: what the CNOTs make of angle i
        signs = 1.0 - 2.0 * (np.bitwise_count(j[:, None] & (j ^ j >> 1)) & 1)
        # only the first level sees signs
        angles_by_qubit.append(2.0 * np.arctan2(odd_amplitudes, even_amplitudes) @ signs / len(j))
        level_amplitudes = np.hypot(even_amplitudes, odd_amplitudes)
    return np.concatenate(angles_by_qubit[::-1], axis=1)
