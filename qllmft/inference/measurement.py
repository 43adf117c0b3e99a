"""Answers of a model with their standard errors, on any backend, and their spread over bootstrap samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp
from scipy.special import expit, logit, softmax

from qllmft.config.noise import measured_on
from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.inference.circuits import ModelCircuits
from qllmft.tasks import Task
from qllmft.training import checked_logits
from qllmft_backends import Backend

# a normal variable lies within ±Z95 standard deviations with probability 0.95
Z95 = 1.959963984540054
INTERVAL = (0.025, 0.975)  # quantiles that hold 95 % between them


@dataclass(frozen=True)
class LabelProbabilities:
    """Probabilities of k labels for N samples, and the expectation values that they follow from."""

    probabilities: NDArray[np.floating]  # (N, k) softmax of the logits
    standard_errors: NDArray[np.float64]  # (N, k) of the probabilities; zeros if they are exact
    # (N,) whether the lead of the most probable label exceeds its 95 % interval
    decided: NDArray[np.bool_]
    # (N, C·O) expectation values, circuit after circuit; (N, 0) if not computed
    values: NDArray[np.float64]
    value_errors: NDArray[np.float64]  # (N, C·O) standard errors of the expectation values
    # (L,) of several labels per text; None: one label per text
    thresholds: NDArray[np.float64] | None = None

    @classmethod
    def exact(
        cls, probabilities: NDArray[np.floating], thresholds: NDArray[np.float64] | None = None
    ) -> LabelProbabilities:
        """Return answers (N, k) without statistical error."""
        n = len(probabilities)
        none = np.empty((n, 0))
        return cls(
            probabilities, np.zeros(probabilities.shape), np.ones(n, bool), none, none, thresholds
        )

    @property
    def sets(self) -> NDArray[np.bool_]:
        """Return whether (N, k) each label is given: all over their thresholds, or the most probable one."""
        if self.thresholds is not None:
            return np.asarray(self.probabilities >= self.thresholds)
        return np.asarray(np.arange(self.probabilities.shape[1]) == self.labels[:, None])

    @property
    def labels(self) -> NDArray[np.intp]:
        """Return the index (N,) of the most probable label."""
        return np.asarray(self.probabilities.argmax(axis=1))


def measure(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: Backend,
    thresholds: NDArray[np.float64] | None = None,
) -> LabelProbabilities:
    """Run the circuits of a model on a backend.

    A label's logit is linear in ⟨O_i⟩, so the difference of two logits is itself an observable, Σ_i (w_a - w_b)_i O_i.
    It is estimated from the same shots, so its standard error holds the correlations of the O_i; different circuits
    are independent. The error of a probability is p_a·Σ_b p_b·SE(a, b): exact to first order for two labels, an upper
    bound for more. With ``thresholds`` (L,) of several labels per text, each logit is an observable of its own, the
    error of its probability p is p·(1 - p) times its standard error, and a text is decided if all labels are.

    Args:
        classifier: the model.
        circuits: of N texts, see `model_circuits`.
        backend: runs them.
        thresholds: (L,) of several labels per text; None for one label per text.
    """
    own = circuits.observables
    weights = circuits.weights(classifier)  # (k, C, O)
    k, n_circuits, n_read = weights.shape
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    contrasts = (
        weights if thresholds is not None else np.stack([weights[a] - weights[b] for a, b in pairs])
    )
    differences = [
        SparsePauliOp.sum([w * o for w, o in zip(contrast[c], own, strict=True)])
        for c in range(n_circuits)
        for contrast in contrasts
    ]
    found = backend.expectations(circuits.circuit, circuits.parameters, [*own, *differences])
    with torch.no_grad():
        logits = (
            checked_logits(circuits.logits(classifier, found.values[:, :n_read])).double().numpy()
        )
    values = found.values[:, :n_read].reshape(len(logits), -1)
    value_errors = found.standard_errors[:, :n_read].reshape(len(logits), -1)
    by_pair = found.standard_errors[:, n_read:].reshape(
        len(logits), n_circuits, n_circuits, len(contrasts)
    )
    # each circuit's own differences
    pair_errors = np.sqrt(np.einsum("nccp->ncp", by_pair**2).sum(axis=1))
    if thresholds is not None:
        found_p = expit(logits)
        far = np.abs(logits - logit(thresholds)) > Z95 * pair_errors
        spread = found_p * (1.0 - found_p) * pair_errors
        return LabelProbabilities(
            found_p, spread, far.all(axis=1), values, value_errors, thresholds
        )
    probabilities = softmax(logits, axis=1)
    between = np.zeros((len(values), k, k))  # standard error of the difference of two logits
    for column, (a, b) in enumerate(pairs):
        between[:, a, b] = between[:, b, a] = pair_errors[:, column]
    errors = probabilities * np.einsum("nb,nab->na", probabilities, between)
    top = logits.argmax(axis=1)
    rows = np.arange(len(logits))
    lead = logits[rows, top][:, None] - logits
    lead[rows, top] = np.inf
    decided = np.all(lead > Z95 * between[rows, top], axis=1)
    return LabelProbabilities(probabilities, errors, decided, values, value_errors)


@dataclass(frozen=True)
class BackendAgreement:
    """Comparison of a backend's answers with those of the exact model."""

    samples: int  # N
    flips: int  # samples with another label, or with other labels of several
    undecided: int  # samples whose lead is within its 95 % interval
    mean_abs_difference: float  # mean |Δ⟨Z⟩| over samples and observables
    # mean |Δ⟨Z⟩| from shot noise alone: the mean of sqrt(2/π)·SE, with SE from the exact ⟨Z⟩ and
    # the number of shots; 0 if the backend is exact
    expected_from_shots: float
    mean_standard_error: float = 0.0  # of the expectation values, as the backend states it
    shots: int | None = None  # measurements per circuit; None without shots

    def __str__(self) -> str:
        shots = "exact"
        if self.expected_from_shots:
            shots = f"shot noise alone would give {self.expected_from_shots:.4f}"
        return (
            f"agreement with the exact model over {self.samples} texts: {self.flips} labels differ, {self.undecided} "
            f"undecided at this number of shots, mean |Δ⟨Z⟩| = {self.mean_abs_difference:.4f} ({shots})"
        )


def compare(
    measured: LabelProbabilities,
    exact: LabelProbabilities,
    shots: int | None,
    *,
    mitigated: bool = False,
) -> BackendAgreement:
    """Compare measured with exact answers to the same N samples.

    Args:
        measured: answers of a backend.
        exact: those of the exact model.
        shots: measurements per circuit; None without shots.
        mitigated: the shot noise of the values is that of their standard errors, which mitigation raises.
    """
    sigma = measured.value_errors if mitigated else np.zeros_like(exact.values)
    if shots and not mitigated:
        sigma = np.sqrt(np.clip(1.0 - exact.values**2, 0.0, None) / shots)
    errors = measured.value_errors
    return BackendAgreement(
        samples=len(exact.values),
        flips=int((measured.sets != exact.sets).any(axis=1).sum()),
        undecided=int((~measured.decided).sum()),
        mean_abs_difference=float(np.abs(measured.values - exact.values).mean()),
        expected_from_shots=float(np.sqrt(2.0 / np.pi) * sigma.mean()),
        mean_standard_error=float(errors.mean()) if errors.size else 0.0,
        shots=shots,
    )


@dataclass(frozen=True)
class Bootstrap:
    """Spread of the probabilities (N, k) over bootstrap samples."""

    repeats: int  # number of bootstrap samples
    standard_errors: NDArray[np.float64]  # (N, k) standard deviations
    low: NDArray[np.float64]  # (N, k) 2.5 % quantiles
    high: NDArray[np.float64]  # (N, k) 97.5 % quantiles
    single_shots: bool = False  # drawn from the single shots rather than from their counts


@torch.no_grad()
def bootstrap(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: Backend | None,
    repeats: int,
    seed: int,
    task: Task,
) -> Bootstrap:
    """Draw the shots of measured circuits again, with replacement, and compute the probabilities of each draw.

    Args:
        classifier: the model.
        circuits: of N texts, which ``backend`` has measured.
        backend: keeps their shots.
        repeats: R, number of draws.
        seed: of the draws.
        task: gives probabilities of the logits.

    Raises:
        UserError: if the backend keeps no shots.
    """
    remote: Any = backend
    if not hasattr(backend, "resample"):
        raise UserError(
            f"a bootstrap draws the shots of each circuit again, and {backend.name if backend else 'no backend'} keeps "
            "none. Use it with ionq_forte or ionq_simulator and shots, or omit it."
        )
    drawn = remote.resample(
        circuits.circuit, circuits.parameters, circuits.observables, repeats, seed
    )
    logits = [
        checked_logits(circuits.logits(classifier, values)).double() for values in drawn.values
    ]
    probabilities = np.stack([np.asarray(task.probabilities(each)) for each in logits])  # (R, N, k)
    low, high = np.quantile(probabilities, INTERVAL, axis=0)
    return Bootstrap(repeats, probabilities.std(axis=0, ddof=1), low, high, drawn.single_shots)


def trajectories_of(backend: Backend) -> str:
    """Describe the mitigation, and the shots and error trajectories behind an answer, "" without gate noise."""
    drawn = backend.sampling
    trajectories = (
        measured_on(drawn.shots, drawn.trajectories, per_shot=drawn.per_shot) if drawn else ""
    )
    return ", ".join(part for part in (backend.mitigation, trajectories) if part)
