"""Circuits of a model for given texts, and the logits that follow from their expectation values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from qllmft.errors import UserError
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.training import checked_logits, logits_of
from qllmft_circuits import loading_angles, loading_template, readout_observables

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]  # embeddings (N, D)


@dataclass(frozen=True)
class ModelCircuits:
    """Circuits of a model for N texts, C each, and the answers that their expectation values give.

    With a quantum head C is 1, and the encoder runs here. Without one the circuits are those of the encoders, encoder
    after encoder, each behind the gates that load a text. An odd encoder has two: with the constant and with its
    negative.
    """

    classifier: Classifier
    circuit: QuantumCircuit  # with free parameters, shared by all
    observables: list[SparsePauliOp]  # O
    parameters: Floats  # (N·C, P) in the order of the circuit's parameters, text after text
    latent: Floats | None = None  # (N, Q) angles of the head in radians; None without a head
    n_encoders: int = 1  # E; 1 with a head
    # (C/E,) coefficients of the circuits in an encoder's value
    shares: Floats = field(default_factory=lambda: np.ones(1))
    # (L,) of several labels per text; None: one label per text
    thresholds: Floats | None = None

    @property
    def per_text(self) -> int:
        """Return C."""
        return self.n_encoders * len(self.shares)

    @property
    def n_texts(self) -> int:
        """Return N."""
        return len(self.parameters) // self.per_text

    def take(self, rows: NDArray[np.bool_]) -> ModelCircuits:
        """Return the circuits of some of the texts (N,)."""
        latent = None if self.latent is None else self.latent[rows]
        own = self.parameters[np.repeat(rows, self.per_text)]
        return replace(self, latent=latent, parameters=own)

    @cached_property
    def weights(self) -> Floats:
        """Return the coefficients (k, C, O) of the expectation values in each label's logit."""
        if self.classifier.sign_readout:
            return np.array([[[1.0]], [[-1.0]]])
        assert self.classifier.final is not None
        final = self.classifier.final.weight.detach().double().numpy()
        n_read = len(self.observables)
        # a head may read its latent values before those of its circuit
        own = final[:, -self.n_encoders * n_read :].reshape(len(final), -1, 1, n_read)
        return (own * self.shares[:, None]).reshape(len(final), -1, n_read)

    @cached_property
    def contrasts(self) -> Floats:
        """Return the coefficients (J, C, O) in each difference of two logits, or of several labels in each logit."""
        if self.thresholds is not None:
            return self.weights
        first, second = np.triu_indices(len(self.weights), 1)
        return self.weights[first] - self.weights[second]

    @property
    def n_leads(self) -> int:
        """Return the number of leads that decide an answer: over each other label, or over each threshold."""
        return len(self.weights) - (self.thresholds is None)

    @property
    def contrast_observables(self) -> list[SparsePauliOp]:
        """Return the contrasts as observables, C times J, those of the first circuit first."""
        return [
            SparsePauliOp.sum([w * o for w, o in zip(row, self.observables, strict=True)])
            for by_contrast in self.contrasts.transpose(1, 0, 2)
            for row in by_contrast
        ]

    def logits(self, values: Floats) -> Tensor:
        """Return the logits (N, k) for expectation values (N·C, O)."""
        by_circuit = values.reshape(-1, self.n_encoders, len(self.shares), len(self.observables))
        read = np.einsum("s,nesq->neq", self.shares, by_circuit).reshape(len(by_circuit), -1)
        latent = read if self.latent is None else self.latent
        return self.classifier.read(
            torch.from_numpy(latent).float(), torch.from_numpy(read).float()
        )


@torch.no_grad()
def model_circuits(
    classifier: Classifier, vectors: Vectors, thresholds: Floats | None = None
) -> ModelCircuits:
    """Return the circuits for embeddings (N, D): those of the head, or of the encoders if there is no head.

    ``thresholds`` (L,) are those of several labels per text.
    """
    head, encoder, x = classifier.head, classifier.encoder, torch.from_numpy(vectors)
    classifier.eval()
    if head is None and isinstance(encoder, ParallelEncoders):
        return _encoder_circuits(classifier, encoder, x, thresholds)
    if not isinstance(head, QuantumHead) or encoder is None:
        raise UserError(
            "this model's head is classical; there is no circuit to run on a backend. Omit --backend."
        )
    latent = checked_logits(logits_of(encoder, x), "latent values").double().numpy()
    network = head.connector.neural_network
    weights = head.connector.weight.detach().double().numpy()
    columns = dict(zip(network.input_params, latent.T, strict=True))
    columns |= {
        p: np.full(len(latent), w) for p, w in zip(network.weight_params, weights, strict=True)
    }
    parameters = np.stack([columns[p] for p in head.circuit.parameters], axis=1)
    return ModelCircuits(
        classifier, head.circuit, head.observables, parameters, latent, thresholds=thresholds
    )


def _encoder_circuits(
    classifier: Classifier, encoders: ParallelEncoders, x: Tensor, thresholds: Floats | None
) -> ModelCircuits:
    parts, first = encoders.encoders, encoders.encoders[0]
    circuit = loading_template(first.n_qubits)
    names = [*circuit.parameters, *first.engine.program.parameters]
    circuit.compose(first.circuit, inplace=True)
    states = [encoders.loaded(x.double(), sign).numpy() for sign in first.signs]
    # (N, S, 2^Q - 1)
    loads = np.stack([loading_angles(state, first.n_qubits) for state in states], axis=1)
    thetas = np.stack([part.theta.detach().double().numpy() for part in parts])  # (E, G)
    shape = (len(x), len(parts), len(states))
    loads = np.broadcast_to(loads[:, None], (*shape, loads.shape[2]))
    thetas = np.broadcast_to(thetas[None, :, None], (*shape, thetas.shape[1]))
    angles = np.concatenate([loads, thetas], axis=3).reshape(-1, len(names))
    column = {parameter: i for i, parameter in enumerate(names)}
    return ModelCircuits(
        classifier,
        circuit,
        readout_observables(first.n_qubits),
        angles[:, [column[parameter] for parameter in circuit.parameters]],
        n_encoders=len(parts),
        shares=first.scale.item() * np.array(first.signs) / len(first.signs),
        thresholds=thresholds,
    )
