"""Answers of heads and classifiers by Qiskit's `Statevector` alone: the second route of these tests.

Qubit 0 is the least significant bit of an index, as everywhere in Qiskit.
"""

import numpy as np
from qiskit import QuantumCircuit
from reference_circuits import expectations_by_statevector
from torch import Tensor

from qllmft.config import ModelConfig
from qllmft.heads import Classifier
from qllmft.templates import encoder_template, head_template
from qllmft_circuits import data_parameters, readout_observables, weight_parameters


def rows(circuit: QuantumCircuit, data: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Parameters (B, P) of a head in Qiskit's order, from data angles (B, Q) and weights (G,)."""
    order = [*data_parameters(circuit), *weight_parameters(circuit)]
    side_by_side = np.hstack([data, np.tile(weights, (len(data), 1))])
    return side_by_side[:, [order.index(parameter) for parameter in circuit.parameters]]


def z_values(
    circuit: QuantumCircuit, parameters: np.ndarray, amplitudes: np.ndarray | None = None
) -> np.ndarray:
    """Expectation values of Z of every qubit, (B, Q)."""
    operators = readout_observables(circuit.num_qubits)
    return expectations_by_statevector(circuit, parameters, operators, amplitudes)


def logits(model: Classifier, config: ModelConfig, x: Tensor) -> np.ndarray:
    """Logits (B, k) of embeddings (B, D): one encoder, quantum or classical, the head, then W z + b."""
    state = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    head = head_template(config)
    encoder = encoder_template(config)
    if encoder is None:
        latent = model.encoder(x).detach().double().numpy()
    else:
        unit = (x / x.norm(dim=1, keepdim=True)).double().numpy()
        theta = np.tile(state["encoder.encoders.0.theta"], (len(x), 1))
        latent = state["encoder.encoders.0.scale"] * z_values(encoder, theta, unit)
    measured = z_values(head, rows(head, latent, state["head.connector.weight"]))
    return measured @ state["final.weight"].T + state["final.bias"]


def central_differences(function, x: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """Derivatives of a scalar function by x, of fourth order: error ~ step^4."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        delta = np.zeros_like(x)
        delta[index] = step
        near = function(x + delta) - function(x - delta)
        far = function(x + 2 * delta) - function(x - 2 * delta)
        gradient[index] = (8 * near - far) / (12 * step)
    return gradient
