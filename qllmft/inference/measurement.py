"""Inference with a model's circuits on any backend; answers say how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp

from qllmft.config.noise import measured_on
from qllmft.heads import Classifier
from qllmft.inference.requests import HeadRequest as HeadRequest
from qllmft.inference.requests import Request
from qllmft.inference.requests import head_request as head_request
from qllmft.training import checked_logits
from qllmft_backends import Backend

Z95 = 1.959963984540054  # a normal variable lies within ±Z95 standard deviations with probability 0.95


@dataclass(frozen=True)
class Measurement:
    """What a model's circuits, C a sample, gave for N samples, and the probabilities that follow."""

    probabilities: NDArray[np.float64]  # (N, k) softmax of the logits
    standard_errors: NDArray[np.float64]  # (N, k) of the probabilities, as measured; zeros where the backend is exact
    decided: NDArray[np.bool_]  # (N,) whether the lead of the most probable label is more than its 95 % interval
    values: NDArray[np.float64]  # (N, C·O) of the O observables, circuit after circuit; C = 1 with a quantum head
    value_errors: NDArray[np.float64]  # (N, C·O) standard errors of these expectation values


def measure(classifier: Classifier, request: Request, backend: Backend) -> Measurement:
    """Ask ``backend`` for the observables O_i and for what separates each pair of labels, from the same shots.

    A label's logit is linear in ⟨O_i⟩, so the difference of two logits is itself an observable, Σ_i (w_a - w_b)_i O_i:
    its standard error holds the correlations between them; those of several circuits are independent. The error of a
    probability is p_a·Σ_b p_b·SE(a, b): exact to first order for two labels, an upper bound for more.

    Raises:
        UserError: where a logit is no finite number.
    """
    own = request.observables
    weights = request.weights(classifier)  # (k, C, O)
    k, n_circuits, n_read = weights.shape
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    differences = [
        SparsePauliOp.sum([w * o for w, o in zip(weights[a, c] - weights[b, c], own, strict=True)])
        for c in range(n_circuits)
        for a, b in pairs
    ]
    answer = backend.expectations(request.circuit, request.parameters, [*own, *differences])
    with torch.no_grad():
        logits = checked_logits(request.logits(classifier, answer.values[:, :n_read])).double().numpy()
    values = answer.values[:, :n_read].reshape(len(logits), -1)
    value_errors = answer.standard_errors[:, :n_read].reshape(len(logits), -1)
    by_pair = answer.standard_errors[:, n_read:].reshape(len(logits), n_circuits, n_circuits, len(pairs))
    pair_errors = np.sqrt(np.einsum("nccp->ncp", by_pair**2).sum(axis=1))  # each circuit's own differences
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    between = np.zeros((len(values), k, k))  # standard error of the difference of two logits
    for column, (a, b) in enumerate(pairs):
        between[:, a, b] = between[:, b, a] = pair_errors[:, column]
    errors = probabilities * np.einsum("nb,nab->na", probabilities, between)
    top = logits.argmax(axis=1)
    rows = np.arange(len(logits))
    lead = logits[rows, top][:, None] - logits
    lead[rows, top] = np.inf
    decided = np.all(lead > Z95 * between[rows, top], axis=1)
    return Measurement(probabilities, errors, decided, values, value_errors)


@dataclass(frozen=True)
class Agreement:
    """A backend's answers beside those of the exact model."""

    samples: int  # N
    flips: int  # samples whose most probable label differs
    undecided: int  # samples whose lead is within its 95 % interval
    mean_abs_difference: float  # mean |Δ⟨Z⟩| over samples and observables
    # what shot noise alone would give for it: the mean of sqrt(2/π)·SE, with SE from the exact ⟨Z⟩ and the number of
    # shots; 0 where the backend is exact
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


def trajectories_of(backend: Backend) -> str:
    """Return the draws behind an answer of ``backend`` in words, "" without gate noise."""
    drawn = backend.sampling
    return measured_on(drawn.shots, drawn.trajectories, per_shot=drawn.per_shot) if drawn else ""


def shots_of(backend: Backend) -> int | None:
    """Measurements of a circuit on ``backend``, as its options have it; None where it makes none."""
    shots = getattr(getattr(backend, "options", None), "shots", None)
    return int(shots) if shots is not None else None
