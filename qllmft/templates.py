"""Circuits of a model's encoder and head, from its settings alone: no torch, no weights."""

from __future__ import annotations

from qiskit import QuantumCircuit

from qllmft.ansatze import ansatz_named
from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft_circuits import Ansatz, AnsatzOptions, encoder_circuit, head_circuit


def head_ansatz(config: ModelConfig) -> Ansatz:
    """What makes the head's layers.

    Raises:
        UserError: where there is no such ansatz, or it fails on so many qubits; see `ansatz_named`.
    """
    return _ansatz(config, config.n_qubits, config.connectivity)


def encoder_ansatz(config: ModelConfig) -> Ansatz:
    """As in the head; the connectivity is 1, as in every count of parameters that the paper prints."""
    return _ansatz(config, config.latent_encoder_qubits, 1)


def _ansatz(config: ModelConfig, n_qubits: int, connectivity: int) -> Ansatz:
    if config.ansatz == PAPER_ANSATZ:
        return AnsatzOptions(connectivity, config.ring, config.block)
    return ansatz_named(config.ansatz, n_qubits)


def head_template(config: ModelConfig) -> QuantumCircuit | None:
    """The head's circuit; None where the head is classical."""
    if config.head != "quantum":
        return None
    layers = (config.reuploads, config.reupload_layers, config.main_layers)
    return head_circuit(config.n_qubits, *layers, head_ansatz(config))


def encoder_template(config: ModelConfig) -> QuantumCircuit | None:
    """One encoder's circuit; None where the encoder is classical."""
    if config.encoder != "quantum":
        return None
    return encoder_circuit(config.latent_encoder_qubits, config.encoder_layers, encoder_ansatz(config))
