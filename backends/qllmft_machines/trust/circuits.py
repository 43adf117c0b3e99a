"""Circuits of a model for given texts, and the logits that follow from their expectation values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from torch import Tensor

from qllmft.answers.probabilities import Floats
from qllmft.embed.embedder import Vectors
from qllmft.heads import Classifier, ParallelEncoders, QuantumHead
from qllmft.training import checked_logits, compute_logits
from qllmft_backends import Backend
from qllmft_backends.protocol import Capabilities, Expectations
from qllmft_base.errors import UserError
from qllmft_circuits import data_parameters, readout_observables, weight_parameters
from qllmft_circuits.encoder import loading_angles, loading_template
from qllmft_circuits.head import side_by_side


@dataclass(frozen=True)
class ModelCircuits:
    """Circuits of a model for N texts, C each, and the answers that their expectation values give.

    With a quantum head of one register C is 1, and the encoder runs here. A head of several registers has as many
    circuits as hold them, and no observable reads two registers. Without a head the circuits are those of the encoders,
    encoder after encoder, each behind the gates that load a text. An odd encoder has two: with the constant and with
    its negative.
    """

    classifier: Classifier
    circuit: QuantumCircuit  # with free parameters, shared by all
    observables: list[SparsePauliOp]  # O
    parameters: Floats  # (N·C, P) in the order of the circuit's parameters, text after text
    latent: Floats | None = None  # (N, Q) angles of the head in radians; None without a head
    n_encoders: int = 1  # E; with a head the number of circuits that hold its registers
    # (C/E,) coefficients of the circuits in an encoder's value
    shares: Floats = field(default_factory=lambda: np.ones(1))
    # (L,) of several labels per text; None: one label per text
    thresholds: Floats | None = None

    @property
    def per_text(self) -> int:
        """Return C."""
        return self.n_encoders * len(self.shares)

    @property
    def registers(self) -> int:
        """Return the number of registers of the head in all its circuits."""
        head = self.classifier.head
        return head.registers if isinstance(head, QuantumHead) else 1

    @property
    def n_texts(self) -> int:
        """Return N."""
        return len(self.parameters) // self.per_text

    @property
    def n_values(self) -> int:
        """Return the number of values of a text. Qubits that fill up the last circuit have none."""
        if isinstance(self.classifier.head, QuantumHead):
            return self.classifier.head.n_values
        return self.per_text * len(self.observables)

    @property
    def in_registers(self) -> ModelCircuits:
        """Return the circuits with each register in one of its own, the smallest to simulate."""
        if self.registers == 1 or self.n_encoders == self.registers:
            return self
        assert self.latent is not None
        return _head_circuits(self.classifier, self.latent, self.thresholds, self.registers)

    def take(self, rows: NDArray[np.bool_]) -> ModelCircuits:
        """Return the circuits of some of the texts (N,)."""
        latent = None if self.latent is None else self.latent[rows]
        parameters = self.parameters[np.repeat(rows, self.per_text)]
        return replace(self, latent=latent, parameters=parameters)

    @cached_property
    def weights(self) -> Floats:
        """Return the coefficients (k, C, O) of the expectation values in each label's logit."""
        if self.classifier.sign_readout:
            return np.array([[[1.0]], [[-1.0]]])
        assert self.classifier.final is not None
        final = self.classifier.final.weight.detach().double().numpy()
        n_observables = len(self.observables)
        # a head may read its latent values before those of its circuit
        unfilled = self.n_encoders * n_observables - self.n_values if self.registers > 1 else 0
        circuit_weights = np.pad(final, ((0, 0), (0, unfilled)))
        circuit_weights = circuit_weights[:, -self.n_encoders * n_observables :].reshape(
            len(final), -1, 1, n_observables
        )
        return (circuit_weights * self.shares[:, None]).reshape(len(final), -1, n_observables)

    @cached_property
    def contrasts(self) -> Floats:
        """Return the coefficients (J, C, O) in each difference of two logits, or of several labels in each logit."""
        if self.thresholds is not None:
            return self.weights
        first, second = np.triu_indices(len(self.weights), 1)
        return self.weights[first] - self.weights[second]

    @cached_property
    def contrast_ranges(self) -> Floats:
        """Return the range (J,) of each contrast over all outcomes of a shot of each circuit."""
        sizes = np.array([np.abs(observable.coeffs).sum() for observable in self.observables])
        ranges: Floats = 2 * np.sqrt(((np.abs(self.contrasts) @ sizes) ** 2).sum(axis=1))
        return ranges

    @property
    def n_leads(self) -> int:
        """Return the number of leads that decide an answer: over each other label, or over each threshold."""
        return len(self.weights) - (self.thresholds is None)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Return the pairs of observables within a register, whose values are correlated."""
        of_register = len(self.observables) * self.n_encoders // self._slots
        return [
            pair
            for pair in combinations(range(len(self.observables)), 2)
            if pair[0] // of_register == pair[1] // of_register
        ]

    @property
    def _slots(self) -> int:
        """Return the number of registers that the circuits of a text hold, filled or not."""
        return self.n_encoders * -(-self.registers // self.n_encoders)

    @property
    def companions(self) -> list[SparsePauliOp]:
        """Return what is measured beside the observables for `contrast_errors`.

        These are `contrast_observables`. With several registers these would be too many: the products of `pairs`.
        """
        if self.registers == 1:
            return self.contrast_observables
        observables = self.observables
        return [(observables[i] @ observables[j]).simplify() for i, j in self.pairs]

    def contrast_errors(self, expectations: Expectations) -> Floats:
        """Return the standard errors (N, J) of `contrasts`, from values of the observables and `companions`.

        A label's logit is linear in ⟨O_i⟩, so the difference of two logits is itself an observable, Σ_i (w_a - w_b)_i
        O_i. It is estimated from the same shots, so its standard error holds the correlations of the O_i; different
        circuits are independent. With several registers it follows from the correlations of their observables, which
        square to 1. If texts have several labels, each logit is an observable of its own.
        """
        n = self.n_texts
        n_read = len(self.observables)
        errors = expectations.standard_errors
        if self.registers == 1:
            shape = (n, self.per_text, self.per_text, -1)
            # each circuit's own contrasts
            variances_by_circuit = np.einsum("nccj->ncj", errors[:, n_read:].reshape(shape) ** 2)
            return np.asarray(np.sqrt(variances_by_circuit.sum(axis=1)))
        values = expectations.values[:, :n_read]
        errors = errors[:, :n_read]
        covariance = np.zeros((len(values), n_read, n_read))
        spread = np.sqrt(np.clip(1.0 - values**2, 1e-12, None))
        for (i, j), product in zip(self.pairs, expectations.values[:, n_read:].T, strict=True):
            pair_covariance = product - values[:, i] * values[:, j]
            correlation = np.clip(pair_covariance / (spread[:, i] * spread[:, j]), -1.0, 1.0)
            shared = correlation * errors[:, i] * errors[:, j]
            covariance[:, i, j] = covariance[:, j, i] = shared
        covariance[:, range(n_read), range(n_read)] = errors**2
        covariance_by_text = covariance.reshape(n, self.per_text, n_read, n_read)
        weights = self.weights
        logit_covariance = np.einsum(
            "kco,ncop,lcp->nkl", weights, covariance_by_text, weights, optimize=True
        )
        variances: Floats = np.einsum("nkk->nk", logit_covariance)
        if self.thresholds is None:
            first, second = np.triu_indices(len(weights), 1)
            covariances = logit_covariance[:, first, second]
            variances = variances[:, first] + variances[:, second] - 2 * covariances
        return np.asarray(np.sqrt(np.clip(variances, 0.0, None)))

    @property
    def contrast_observables(self) -> list[SparsePauliOp]:
        """Return the contrasts as observables, C times J, those of the first circuit first."""
        return [
            SparsePauliOp.sum([w * o for w, o in zip(row, self.observables, strict=True)])
            for by_contrast in self.contrasts.transpose(1, 0, 2)
            for row in by_contrast
        ]

    def values_by_text(self, values: Floats) -> Floats:
        """Return the values (N, n_values) of texts, of expectation values (N·C, O)."""
        return values.reshape(self.n_texts, -1)[:, : self.n_values]

    def logits(self, values: Floats) -> Tensor:
        """Return the logits (N, k) for expectation values (N·C, O), or of registers also (N, n_values)."""
        if self.registers > 1 and self.latent is not None:
            circuit_values = torch.from_numpy(self.values_by_text(values)).float()
            return self.classifier.apply_readout(
                torch.from_numpy(self.latent).float(), circuit_values
            )
        by_circuit = values.reshape(-1, self.n_encoders, len(self.shares), len(self.observables))
        circuit_values = np.einsum("s,nesq->neq", self.shares, by_circuit).reshape(
            len(by_circuit), -1
        )
        latent = circuit_values if self.latent is None else self.latent
        return self.classifier.apply_readout(
            torch.from_numpy(latent).float(), torch.from_numpy(circuit_values).float()
        )


@torch.no_grad()
def model_circuits(
    classifier: Classifier,
    vectors: Vectors,
    thresholds: Floats | None = None,
    backend: Backend | None = None,
) -> ModelCircuits:
    """Return the circuits for embeddings (N, D): those of the head, or of the encoders if there is no head.

    Args:
        classifier: the model.
        vectors: embeddings (N, D).
        thresholds: (L,) of several labels per text.
        backend: runs them. A machine that is not here gets as few circuits as hold all registers of a head; else each
            register has a circuit of its own.
    """
    head = classifier.head
    encoder = classifier.encoder
    x = torch.from_numpy(vectors)
    classifier.eval()
    if head is None and isinstance(encoder, ParallelEncoders):
        return _encoder_circuits(classifier, encoder, x, thresholds)
    if not isinstance(head, QuantumHead) or encoder is None:
        raise UserError(
            "this model's head is classical. There is no circuit to run on a backend. Omit --backend."
        )
    latent = checked_logits(compute_logits(encoder, x), "latent values").double().numpy()
    if head.registers > 1:
        per_text = head.registers
        if backend is not None:
            per_text = circuits_of_registers(head, backend.capabilities)
        return _head_circuits(classifier, latent, thresholds, per_text)
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


def circuits_of_registers(head: QuantumHead, capabilities: Capabilities) -> int:
    """Return the number of circuits that hold the registers of a head on a backend."""
    limit = capabilities.max_qubits
    if not capabilities.remote or limit is None:
        return head.registers
    fitting = max(1, limit // int(head.circuit.num_qubits))
    return -(-head.registers // fitting)


def _head_circuits(
    classifier: Classifier, latent: Floats, thresholds: Floats | None, per_text: int
) -> ModelCircuits:
    """Return the circuits of a head of several registers for latent values (N, Q), ``per_text`` of them a text.

    Qubits of the last circuit without a register have angles of 0.
    """
    head = classifier.head
    assert isinstance(head, QuantumHead)
    together = -(-head.registers // per_text)  # registers in a circuit
    circuit = side_by_side(head.circuit, together)
    width = head.circuit.num_qubits
    weights = head.connector.weight.detach().double().numpy()
    of_text = np.broadcast_to(weights, (len(latent), len(weights)))
    parts = []
    for angles in (latent, of_text):
        of_register = angles.shape[1] // head.registers
        unfilled = per_text * together * of_register - angles.shape[1]
        filled = np.pad(angles, ((0, 0), (0, unfilled)))
        parts.append(filled.reshape(len(latent) * per_text, together * of_register))
    names = [*data_parameters(circuit), *weight_parameters(circuit)]
    column = {parameter: i for i, parameter in enumerate(names)}
    observables = [
        observable.apply_layout([*range(first, first + width)], circuit.num_qubits)
        for first in range(0, circuit.num_qubits, width)
        for observable in head.observables
    ]
    return ModelCircuits(
        classifier,
        circuit,
        observables,
        np.concatenate(parts, axis=1)[:, [column[name] for name in circuit.parameters]],
        latent,
        n_encoders=per_text,
        thresholds=thresholds,
    )


def _encoder_circuits(
    classifier: Classifier, encoders: ParallelEncoders, x: Tensor, thresholds: Floats | None
) -> ModelCircuits:
    encoder_list = encoders.encoders
    first_encoder = encoders.encoders[0]
    circuit = loading_template(first_encoder.n_qubits)
    names = [*circuit.parameters, *first_encoder.engine.program.parameters]
    circuit.compose(first_encoder.circuit, inplace=True)
    states = [encoders.load_amplitudes(x.double(), sign).numpy() for sign in first_encoder.signs]
    # (N, S, 2^Q - 1)
    loads = np.stack([loading_angles(state, first_encoder.n_qubits) for state in states], axis=1)
    # (E, G)
    thetas = np.stack([encoder.theta.detach().double().numpy() for encoder in encoder_list])
    shape = (len(x), len(encoder_list), len(states))
    loads = np.broadcast_to(loads[:, None], (*shape, loads.shape[2]))
    thetas = np.broadcast_to(thetas[None, :, None], (*shape, thetas.shape[1]))
    angles = np.concatenate([loads, thetas], axis=3).reshape(-1, len(names))
    column = {parameter: i for i, parameter in enumerate(names)}
    return ModelCircuits(
        classifier,
        circuit,
        readout_observables(first_encoder.n_qubits),
        angles[:, [column[parameter] for parameter in circuit.parameters]],
        n_encoders=len(encoder_list),
        shares=first_encoder.scale.item()
        * np.array(first_encoder.signs)
        / len(first_encoder.signs),
        thresholds=thresholds,
    )
