"""Circuits of a model's encoder and head from its settings alone, without torch and weights."""

from __future__ import annotations

from qiskit import QuantumCircuit

from qllmft.ansatze import ansatz_named
from qllmft.config import ModelConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft_circuits import (
    Ansatz,
    AnsatzOptions,
    encoder_circuit,
    head_circuit,
    readout_observables,
    weight_parameters,
)


def head_ansatz(config: ModelConfig) -> Ansatz:
    """Return the ansatz of the head's layers, or raise UserError as in `ansatz_named`."""
    return _ansatz(config, config.n_qubits, config.connectivity)


def encoder_ansatz(config: ModelConfig) -> Ansatz:
    """Return the ansatz of the encoder, with connectivity 1 as in every printed count of parameters."""
    return _ansatz(config, config.latent_encoder_qubits, 1)


def _ansatz(config: ModelConfig, n_qubits: int, connectivity: int) -> Ansatz:
    if config.ansatz == PAPER_ANSATZ:
        return AnsatzOptions(connectivity, config.ring, config.block)
    return ansatz_named(config.ansatz, n_qubits)


def head_template(config: ModelConfig) -> QuantumCircuit | None:
    """Return the head's circuit, or None if the head is classical."""
    if config.head != "quantum":
        return None
    layers = (config.reuploads, config.reupload_layers, config.main_layers)
    return head_circuit(config.n_qubits, *layers, head_ansatz(config))


def encoder_template(config: ModelConfig) -> QuantumCircuit | None:
    """Return one encoder's circuit, or None if the encoder is classical."""
    if config.encoder != "quantum":
        return None
    return encoder_circuit(config.latent_encoder_qubits, config.encoder_layers, encoder_ansatz(config))


def trained_parameters(config: ModelConfig, dimension: int, n_classes: int) -> int:
    """Return the number of trained parameters on embeddings of ``dimension`` values, without building the model."""
    if config.head == "mlp":
        return _perceptron(config, dimension, n_classes)
    config, head = config.for_labels(n_classes), head_template(config)
    encoder = encoder_template(config)
    if encoder is None:
        latent = _perceptron(config, dimension, config.n_qubits)
    else:
        latent = config.most_encoders * (encoder.num_parameters + (head is not None))
    if head is None:
        return latent + (config.most_encoders * config.encoder_outputs + 1) * n_classes
    values = len(readout_observables(config.n_qubits, config.measured, config.word_weight))
    read = config.n_qubits + 1 if config.skip else values + 1  # with a skip there is no bias
    return latent + len(weight_parameters(head)) + (read * n_classes if config.final_linear else 0)


def _perceptron(config: ModelConfig, dimension: int, n_outputs: int) -> int:
    """Return the number of parameters of a perceptron."""
    width = config.hidden_dim or dimension
    normalised = 2 * width if config.batch_norm else 0
    hidden = (dimension + 1) * width if config.hidden_dim else 0
    return hidden + normalised + (width + 1) * n_outputs
