"""Circuits of a model for given texts, and the logits that follow from their expectation values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from qllmft.errors import UserError
from qllmft.heads import Classifier, ParallelEncoders, QuantumEncoder, QuantumHead
from qllmft.heads.encoder import amplitudes
from qllmft.training import logits_of
from qllmft_circuits import loading_angles, loading_template, readout_observables

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HeadCircuits:
    """Circuits of a quantum head, one per sample; the encoder runs here."""

    circuit: QuantumCircuit  # the head's, with free parameters
    observables: list[SparsePauliOp]  # O of the circuit
    latent: Floats  # (N, Q) angles in radians
    parameters: Floats  # (N, P) values in the order of the circuit's parameters

    @property
    def n_texts(self) -> int:
        """Return N."""
        return len(self.latent)

    def take(self, rows: NDArray[np.bool_]) -> HeadCircuits:
        """Return the circuits of some of the samples (N,)."""
        return replace(self, latent=self.latent[rows], parameters=self.parameters[rows])

    def weights(self, classifier: Classifier) -> Floats:
        """Return the coefficients (k, 1, O) of the expectation values in each label's logit."""
        if classifier.sign_readout:
            return np.array([[[1.0]], [[-1.0]]])
        return _final_weights(classifier)[:, None, -len(self.observables) :]

    def logits(self, classifier: Classifier, values: Floats) -> Tensor:
        """Return the logits (N, k) for expectation values (N, O)."""
        return classifier.read(
            torch.from_numpy(self.latent).float(), torch.from_numpy(values).float()
        )


@dataclass(frozen=True)
class EncoderCircuits:
    """Circuits of the encoders of a model without a head, each behind the gates that load a sample.

    A sample has C circuits, encoder after encoder. An odd encoder has two: with the constant and with its negative.
    """

    circuit: QuantumCircuit  # loading and encoder, shared by all
    observables: list[SparsePauliOp]  # Z of every qubit
    # (N·C, P) values in the order of the circuit's parameters, sample after sample
    parameters: Floats
    n_encoders: int  # E
    signs: tuple[float, ...]  # signs of the constant in the circuits of one encoder
    scale: float  # factor of an encoder's values

    @property
    def n_texts(self) -> int:
        """Return N."""
        return len(self.parameters) // (self.n_encoders * len(self.signs))

    def take(self, rows: NDArray[np.bool_]) -> EncoderCircuits:
        """Return the circuits of some of the samples (N,)."""
        each = np.repeat(rows, self.n_encoders * len(self.signs))
        return replace(self, parameters=self.parameters[each])

    @property
    def shares(self) -> Floats:
        """Return the coefficients (C/E,) of the circuits in an encoder's value."""
        return self.scale * np.array(self.signs) / len(self.signs)

    def weights(self, classifier: Classifier) -> Floats:
        """Return the coefficients (k, C, O) of the expectation values in each label's logit."""
        final = _final_weights(classifier).reshape(-1, self.n_encoders, 1, len(self.observables))
        return (final * self.shares[:, None]).reshape(len(final), -1, len(self.observables))

    def logits(self, classifier: Classifier, values: Floats) -> Tensor:
        """Return the logits (N, k) for expectation values (N·C, O)."""
        by_circuit = values.reshape(-1, self.n_encoders, len(self.signs), len(self.observables))
        read = np.einsum("s,nesq->neq", self.shares, by_circuit)
        latent = torch.from_numpy(read.reshape(len(read), -1)).float()
        return classifier.read(latent, latent)


# of N samples, C circuits each; C = 1 with a quantum head
ModelCircuits = HeadCircuits | EncoderCircuits


@torch.no_grad()
def model_circuits(classifier: Classifier, vectors: NDArray[np.float32]) -> ModelCircuits:
    """Return the circuits for embeddings (N, D): those of the head, or of the encoders if there is no head."""
    head, encoder = classifier.head, classifier.encoder
    classifier.eval()
    if head is None and isinstance(encoder, ParallelEncoders):
        return _encoder_circuits(encoder, torch.from_numpy(vectors))
    if not isinstance(head, QuantumHead) or encoder is None:
        raise UserError(
            "this model's head is classical; there is no circuit to run on a backend. Omit --backend."
        )
    latent = logits_of(encoder, torch.from_numpy(vectors)).double().numpy()
    network = head.connector.neural_network
    weights = head.connector.weight.detach().double().numpy()
    columns = {p: latent[:, i] for i, p in enumerate(network.input_params)}
    columns |= {
        p: np.full(len(latent), w) for p, w in zip(network.weight_params, weights, strict=True)
    }
    parameters = np.stack([columns[p] for p in head.circuit.parameters], axis=1)
    return HeadCircuits(head.circuit, head.observables, latent, parameters)


def _encoder_circuits(encoders: ParallelEncoders, x: Tensor) -> EncoderCircuits:
    parts = cast("list[QuantumEncoder]", list(encoders.encoders))
    first = parts[0]
    circuit = loading_template(first.n_qubits)
    loading = list(circuit.parameters)
    circuit.compose(first.circuit, inplace=True)
    states = [
        amplitudes(encoders.mapped(x.double()), first.pad, sign).numpy() for sign in first.signs
    ]
    # (N, S, 2^Q - 1)
    loads = np.stack([loading_angles(state, first.n_qubits) for state in states], axis=1)
    thetas = np.stack([part.theta.detach().double().numpy() for part in parts])  # (E, G)
    shape = (len(x), len(parts), len(states))
    loads = np.broadcast_to(loads[:, None], (*shape, loads.shape[2]))
    thetas = np.broadcast_to(thetas[None, :, None], (*shape, thetas.shape[1]))
    angles = np.concatenate([loads, thetas], axis=3)
    column = {
        parameter: i for i, parameter in enumerate([*loading, *first.engine.program.parameters])
    }
    order = [column[parameter] for parameter in circuit.parameters]
    parameters = angles.reshape(-1, angles.shape[3])[:, order]
    return EncoderCircuits(
        circuit,
        readout_observables(first.n_qubits),
        parameters,
        len(parts),
        first.signs,
        first.scale.item(),
    )


def _final_weights(classifier: Classifier) -> Floats:
    assert classifier.final is not None
    return classifier.final.weight.detach().double().numpy()
