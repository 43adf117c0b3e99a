"""Circuits of a model's encoder and head, from its settings alone: no torch, no weights."""

from __future__ import annotations

from qiskit import QuantumCircuit

from qllmft.config import ModelConfig
from qllmft_circuits import AnsatzOptions, encoder_circuit, head_circuit


def head_options(config: ModelConfig) -> AnsatzOptions:
    """Connectivity, ring and block of the head's ansatz."""
    return AnsatzOptions(config.connectivity, config.ring, config.block)


def encoder_options(config: ModelConfig) -> AnsatzOptions:
    """Ring and block as in the head; the connectivity is 1, as in every count of parameters that the paper prints."""
    return AnsatzOptions(1, config.ring, config.block)


def head_template(config: ModelConfig) -> QuantumCircuit | None:
    """The head's circuit; None where the head is classical."""
    if config.head != "quantum":
        return None
    return head_circuit(
        config.n_qubits, config.reuploads, config.reupload_layers, config.main_layers, head_options(config)
    )


def encoder_template(config: ModelConfig) -> QuantumCircuit | None:
    """One encoder's circuit; None where the encoder is classical."""
    if config.encoder != "quantum":
        return None
    return encoder_circuit(config.latent_encoder_qubits, config.encoder_layers, encoder_options(config))
