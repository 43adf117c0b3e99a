"""What a backend is asked for a model's texts, and how its answers become logits."""

from __future__ import annotations

from dataclasses import dataclass
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
class HeadRequest:
    """A quantum head's circuit, one a sample; the encoder runs here."""

    head: QuantumHead
    latent: Floats  # (N, Q) angles in radians
    parameters: Floats  # (N, P) values in the order of the circuit's parameters

    @property
    def circuit(self) -> QuantumCircuit:
        """The head's, its parameters free."""
        return self.head.circuit

    @property
    def observables(self) -> list[SparsePauliOp]:
        """O observables of the circuit."""
        return self.head.observables

    def weights(self, classifier: Classifier) -> Floats:
        """(k, 1, O): how each label's logit depends on the circuit's values; it is linear in them."""
        if classifier.sign_readout:
            return np.array([[[1.0]], [[-1.0]]])
        return _final_weights(classifier)[:, None, -len(self.observables) :]

    def logits(self, classifier: Classifier, values: Floats) -> Tensor:
        """Logits (N, k) from the values (N, O)."""
        return classifier.read(torch.from_numpy(self.latent).float(), torch.from_numpy(values).float())


@dataclass(frozen=True)
class EncoderRequest:
    """The encoders' own circuits, behind the gates that load a sample: for a linear layer that reads them directly.

    A sample's circuits are those of the encoders one after the other, of an odd one first that with the constant and
    then that with its negative.
    """

    circuit: QuantumCircuit  # loading and encoder, one circuit for all
    observables: list[SparsePauliOp]  # Z of every qubit
    parameters: Floats  # (N·C, P) values in the order of the circuit's parameters, sample after sample
    n_encoders: int  # E
    signs: tuple[float, ...]  # of one encoder's circuits; the constant's

    @property
    def shares(self) -> Floats:
        """(C/E,) what a circuit's value counts for in an encoder's."""
        return np.array(self.signs) / len(self.signs)

    def weights(self, classifier: Classifier) -> Floats:
        """(k, C, O): how each label's logit depends on each circuit's values; it is linear in them."""
        final = _final_weights(classifier).reshape(-1, self.n_encoders, 1, len(self.observables))
        return (final * self.shares[:, None]).reshape(len(final), -1, len(self.observables))

    def logits(self, classifier: Classifier, values: Floats) -> Tensor:
        """Logits (N, k) from the values (N·C, O)."""
        by_circuit = values.reshape(-1, self.n_encoders, len(self.signs), len(self.observables))
        read = np.einsum("s,nesq->neq", self.shares, by_circuit)
        latent = torch.from_numpy(read.reshape(len(read), -1)).float()
        return classifier.read(latent, latent)


Request = HeadRequest | EncoderRequest  # for N samples, C circuits each; C = 1 with a quantum head


@torch.no_grad()
def head_request(classifier: Classifier, vectors: NDArray[np.float32]) -> Request:
    """What a backend is asked for embeddings (N, D): the head's circuit, or the encoders' where there is no head.

    Raises:
        UserError: where the model has no quantum head.
    """
    head, encoder = classifier.head, classifier.encoder
    classifier.eval()
    if head is None and isinstance(encoder, ParallelEncoders):
        return _encoder_request(encoder, torch.from_numpy(vectors))
    if not isinstance(head, QuantumHead) or encoder is None:
        raise UserError("this model's head is classical; there is no circuit to run on a backend. Leave --backend out.")
    latent = logits_of(encoder, torch.from_numpy(vectors)).double().numpy()
    network = head.connector.neural_network
    weights = head.connector.weight.detach().double().numpy()
    columns = {p: latent[:, i] for i, p in enumerate(network.input_params)}
    columns |= {p: np.full(len(latent), w) for p, w in zip(network.weight_params, weights, strict=True)}
    parameters = np.stack([columns[p] for p in head.circuit.parameters], axis=1)
    return HeadRequest(head, latent, parameters)


def _encoder_request(encoders: ParallelEncoders, x: Tensor) -> EncoderRequest:
    parts = cast("list[QuantumEncoder]", list(encoders.encoders))
    first = parts[0]
    circuit = loading_template(first.n_qubits)
    loading = list(circuit.parameters)
    circuit.compose(first.circuit, inplace=True)
    states = [amplitudes(encoders.mapped(x.double()), first.pad, sign).numpy() for sign in first.signs]
    loads = np.stack([loading_angles(state, first.n_qubits) for state in states], axis=1)  # (N, S, 2^Q - 1)
    thetas = np.stack([part.theta.detach().double().numpy() for part in parts])  # (E, G)
    shape = (len(x), len(parts), len(states))
    angles = np.concatenate(
        [
            np.broadcast_to(loads[:, None], (*shape, loads.shape[2])),
            np.broadcast_to(thetas[None, :, None], (*shape, thetas.shape[1])),
        ],
        axis=3,
    ).reshape(-1, loads.shape[2] + thetas.shape[1])
    place = {parameter: i for i, parameter in enumerate([*loading, *first.engine.program.parameters])}
    order = [place[parameter] for parameter in circuit.parameters]
    observables = readout_observables(first.n_qubits)
    return EncoderRequest(circuit, observables, angles[:, order], len(parts), first.signs)


def _final_weights(classifier: Classifier) -> Floats:
    assert classifier.final is not None
    return classifier.final.weight.detach().double().numpy()
