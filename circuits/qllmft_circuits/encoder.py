"""The simulated quantum encoder (sQE): ansatz layers behind an amplitude-loaded state."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qllmft_circuits.ansatz import AnsatzOptions, append_ansatz_layer

PAPER_ENCODER_LAYERS = 28  # the only depth that gives the paper's 28·Q_e + 1 parameters


def encoder_circuit(
    n_qubits: int, layers: int = PAPER_ENCODER_LAYERS, options: AnsatzOptions | None = None
) -> QuantumCircuit:
    """The encoder's circuit, section III-C: ``layers`` ansatz layers.

    The state |ψ(x)⟩ = Σ x_i |i⟩ that it starts from is loaded by the simulator and is not part of the circuit.

    Args:
        n_qubits: Q_e, qubits of one encoder.
        layers: ansatz layers.
        options: ansatz options; the paper's by default.

    Returns:
        A circuit with one parameter vector ``theta``; theta[g] is the angle of the g-th block.
        Qubit 0 is the least significant bit of an amplitude's index (Qiskit's order).

    >>> encoder_circuit(10).num_parameters
    280
    """
    options = options or AnsatzOptions()
    if layers < 0:
        raise ValueError(f"layers is {layers}, expected 0 or more.")
    size = options.layer_size(n_qubits)
    theta = ParameterVector("theta", layers * size)
    circuit = QuantumCircuit(n_qubits, name=f"encoder_{n_qubits}q")
    for layer in range(layers):
        append_ansatz_layer(circuit, theta[layer * size : (layer + 1) * size], options)
    return circuit
