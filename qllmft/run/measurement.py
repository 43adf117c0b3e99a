"""Inference with the head on any backend: the encoder runs here, the circuit there; answers say how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qllmft.errors import UserError
from qllmft.heads import Classifier, QuantumHead
from qllmft.training import checked_logits, logits_of
from qllmft_backends import Backend

Z95 = 1.959963984540054  # a normal variable lies within ±Z95 standard deviations with probability 0.95


@dataclass(frozen=True)
class Measurement:
    """What a head's circuit gave for N samples, and the probabilities that follow.

    Attributes:
        probabilities: (N, k) softmax of the logits.
        standard_errors: (N, k) of the probabilities, from the measured statistics; zeros where the backend is exact.
        decided: (N,) whether the lead of the most probable label is more than its 95 % interval.
        values: (N, O) expectation values of the head's O observables.
        value_errors: (N, O) their standard errors.
    """

    probabilities: NDArray[np.float64]
    standard_errors: NDArray[np.float64]
    decided: NDArray[np.bool_]
    values: NDArray[np.float64]
    value_errors: NDArray[np.float64]


@dataclass(frozen=True)
class HeadRequest:
    """What a backend is asked for N samples.

    Attributes:
        head: the quantum head.
        latent: (N, Q) angles in radians.
        parameters: (N, P) values in the order of the circuit's parameters.
    """

    head: QuantumHead
    latent: NDArray[np.float64]
    parameters: NDArray[np.float64]


@torch.no_grad()
def head_request(classifier: Classifier, vectors: NDArray[np.float32]) -> HeadRequest:
    """Run the encoder here: embeddings (N, D) to what the head's backend is asked; UserError where it has none."""
    head = classifier.head
    if not isinstance(head, QuantumHead) or classifier.encoder is None:
        raise UserError("this model's head is classical; there is no circuit to run on a backend. Leave --backend out.")
    classifier.eval()
    latent = logits_of(classifier.encoder, torch.from_numpy(vectors)).double().numpy()
    network = head.connector.neural_network
    weights = head.connector.weight.detach().double().numpy()
    columns = {p: latent[:, i] for i, p in enumerate(network.input_params)}
    columns |= {p: np.full(len(latent), w) for p, w in zip(network.weight_params, weights, strict=True)}
    parameters = np.stack([columns[p] for p in head.circuit.parameters], axis=1)
    return HeadRequest(head, latent, parameters)


def measure(classifier: Classifier, request: HeadRequest, backend: Backend) -> Measurement:
    """Ask ``backend`` for the head's observables O_i and for what separates each pair of labels, from the same shots.

    A label's logit is linear in ⟨O_i⟩, so the difference of two logits is itself an observable, Σ_i (w_a - w_b)_i O_i:
    its standard error holds the correlations between them. The error of a probability is p_a·Σ_b p_b·SE(a, b): exact
    to first order for two labels, an upper bound for more.
    """
    own = request.head.observables
    weights = _logit_weights(classifier, len(own))  # (k, O)
    k = len(weights)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    differences = [
        SparsePauliOp.sum([w * o for w, o in zip(weights[a] - weights[b], own, strict=True)]) for a, b in pairs
    ]
    answer = backend.expectations(request.head.circuit, request.parameters, [*own, *differences])
    n_read = len(own)
    values, value_errors = answer.values[:, :n_read], answer.standard_errors[:, :n_read]
    latent = torch.from_numpy(request.latent).float()
    with torch.no_grad():
        logits = checked_logits(classifier.read(latent, torch.from_numpy(values).float())).double().numpy()
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    between = np.zeros((len(values), k, k))  # standard error of the difference of two logits
    for column, (a, b) in enumerate(pairs, start=n_read):
        between[:, a, b] = between[:, b, a] = answer.standard_errors[:, column]
    errors = probabilities * np.einsum("nb,nab->na", probabilities, between)
    top = logits.argmax(axis=1)
    rows = np.arange(len(logits))
    lead = logits[rows, top][:, None] - logits
    lead[rows, top] = np.inf
    decided = np.all(lead > Z95 * between[rows, top], axis=1)
    return Measurement(probabilities, errors, decided, values, value_errors)


def _logit_weights(classifier: Classifier, n_read: int) -> NDArray[np.float64]:
    """(k, O): how each label's logit depends on the values of the head's observables."""
    if classifier.sign_readout:
        return np.array([[1.0], [-1.0]])
    assert classifier.final is not None
    return classifier.final.weight.detach().double().numpy()[:, -n_read:]


@dataclass(frozen=True)
class Agreement:
    """A backend's answers beside those of the exact model.

    Attributes:
        samples: N.
        flips: samples whose most probable label differs.
        undecided: samples whose lead is within its 95 % interval.
        mean_abs_difference: mean |Δ⟨Z⟩| over samples and observables.
        expected_from_shots: what shot noise alone would give for it: the mean of sqrt(2/π)·SE, with SE from the exact
            ⟨Z⟩ and the number of shots; 0 where the backend is exact.
    """

    samples: int
    flips: int
    undecided: int
    mean_abs_difference: float
    expected_from_shots: float

    def __str__(self) -> str:
        shots = f"shot noise alone would give {self.expected_from_shots:.4f}" if self.expected_from_shots else "exact"
        return (
            f"agreement with the exact model over {self.samples} texts: {self.flips} labels differ, {self.undecided} "
            f"undecided at this number of shots, mean |Δ⟨Z⟩| = {self.mean_abs_difference:.4f} ({shots})"
        )


def compare(measured: Measurement, exact: Measurement, shots: int | None) -> Agreement:
    """Lay ``measured`` beside ``exact``, of the same samples and so many shots a sample; None: exact."""
    sigma = np.sqrt(np.clip(1.0 - exact.values**2, 0.0, None) / shots) if shots else np.zeros_like(exact.values)
    return Agreement(
        samples=len(exact.values),
        flips=int((measured.probabilities.argmax(axis=1) != exact.probabilities.argmax(axis=1)).sum()),
        undecided=int((~measured.decided).sum()),
        mean_abs_difference=float(np.abs(measured.values - exact.values).mean()),
        expected_from_shots=float(np.sqrt(2.0 / np.pi) * sigma.mean()),
    )


def shots_of(backend: Backend) -> int | None:
    """Measurements of a circuit on ``backend``, as its options have it; None where it makes none."""
    shots = getattr(getattr(backend, "options", None), "shots", None)
    return int(shots) if shots is not None else None
