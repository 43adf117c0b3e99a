"""The simulated quantum encoder (sQE): ansatz layers behind an amplitude-loaded state."""

from __future__ import annotations

from qiskit import QuantumCircuit

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
