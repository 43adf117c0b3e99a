"""Answers of a model with their standard errors, on any backend, and their spread over bootstrap samples."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
_BY_TEXT = ("probabilities", "standard_errors", "decided", "values", "value_errors")
INTERVAL = (0.025, 0.975)  # quantiles that hold 95 % between them


@dataclass(frozen=True)
class LabelProbabilities:
    """Probabilities of k labels for N samples, and the expectation values that they follow from."""

    probabilities: NDArray[np.floating]  # (N, k) softmax of the logits
    standard_errors: NDArray[np.float64]  # (N, k) of the probabilities; zeros if they are exact
    # (N,) whether the lead of the answer exceeds its interval, see `measure`, `measure_in_rounds` and `trusted`
    decided: NDArray[np.bool_]
    # (N, C·O) expectation values, circuit after circuit; (N, 0) if not computed
    values: NDArray[np.float64]
    value_errors: NDArray[np.float64]  # (N, C·O) standard errors of the expectation values
    # (L,) of several labels per text; None: one label per text
    thresholds: NDArray[np.float64] | None = None
    logits: NDArray[np.float64] | None = None  # (N, k); None if no circuit was measured
    lead_errors: NDArray[np.float64] | None = None  # (N,) standard error of the least lead
    shots: NDArray[np.int64] | None = None  # (N,) of a circuit, if they differ between texts
    known_texts: int = 0  # texts with known answers behind ``decided``; 0: shot noise alone

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

    @property
    def least_lead(self) -> NDArray[np.float64]:
        """Return the least lead (N,) of each answer, see `leads`."""
        assert self.logits is not None
        return np.asarray(leads(self.logits, self.sets, self.thresholds).min(axis=1))

    def take(self, rows: NDArray[np.bool_]) -> LabelProbabilities:
        """Return the answers to some of the samples."""
        parts: dict[str, Any] = {
            name: part[rows]
            for name in (*_BY_TEXT, "lead_errors", "logits", "shots")
            if (part := getattr(self, name)) is not None
        }
        return replace(self, **parts)


def leads(
    logits: NDArray[np.float64],
    given: NDArray[np.bool_],
    thresholds: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return the leads (N, k) of given answers in logits: over each other label, or over the thresholds.

    An answer is that of the logits if all its leads are positive. The lead of a label over itself is infinite.

    Args:
        logits: (N, k).
        given: (N, k) labels of the answers, see `LabelProbabilities.sets`.
        thresholds: (k,) of several labels per text.
    """
    if thresholds is not None:
        return np.asarray(np.where(given, 1.0, -1.0) * (logits - logit(thresholds)))
    return np.where(given, np.inf, logits[given][:, None] - logits)


@dataclass(frozen=True)
class Reading:
    """Expectation values of C circuits for each of N texts, and the errors of the leads that follow from them."""

    values: NDArray[np.float64]  # (N·C, O)
    errors: NDArray[np.float64]  # (N·C, O) standard errors
    # (N, J) of each difference of two logits, in the order of `_pairs`, or of each logit
    contrast_errors: NDArray[np.float64]


def read(
    classifier: Classifier, circuits: ModelCircuits, backend: Backend, *, several: bool
) -> Reading:
    """Run the circuits of a model on a backend.

    A label's logit is linear in ⟨O_i⟩, so the difference of two logits is itself an observable, Σ_i (w_a - w_b)_i O_i.
    It is estimated from the same shots, so its standard error holds the correlations of the O_i; different circuits
    are independent. With ``several`` labels per text, each logit is an observable of its own.
    """
    own = circuits.observables
    contrasts = contrasts_of(classifier, circuits, several=several)  # (J, C, O)
    n_contrasts, n_circuits, n_read = contrasts.shape
    differences = [
        SparsePauliOp.sum([w * o for w, o in zip(contrast[c], own, strict=True)])
        for c in range(n_circuits)
        for contrast in contrasts
    ]
    found = backend.expectations(circuits.circuit, circuits.parameters, [*own, *differences])
    by_pair = found.standard_errors[:, n_read:].reshape(-1, n_circuits, n_circuits, n_contrasts)
    # each circuit's own differences
    errors = np.sqrt(np.einsum("nccp->ncp", by_pair**2).sum(axis=1))
    return Reading(found.values[:, :n_read], found.standard_errors[:, :n_read], errors)


def contrasts_of(
    classifier: Classifier, circuits: ModelCircuits, *, several: bool
) -> NDArray[np.float64]:
    """Return the coefficients (J, C, O) of expectation values in each difference of two logits, or in each logit."""
    weights = circuits.weights(classifier)  # (k, C, O)
    if several:
        return weights
    return np.stack([weights[a] - weights[b] for a, b in _pairs(len(weights))])


def answers_of(
    classifier: Classifier,
    circuits: ModelCircuits,
    reading: Reading,
    thresholds: NDArray[np.float64] | None = None,
    half_width: float | NDArray[np.float64] = Z95,
) -> LabelProbabilities:
    """Return the answers that follow from expectation values.

    The error of a probability is p_a·Σ_b p_b·SE(a, b): exact to first order for two labels, an upper bound for more. Of
    several labels per text it is p·(1 - p) times the standard error of the logit.

    Args:
        classifier: the model.
        circuits: of N texts.
        reading: of the circuits.
        thresholds: (L,) of several labels per text; None for one label per text.
        half_width: of the interval of a lead in standard errors, one or (N, 1); an answer is decided if all its leads
            exceed theirs.
    """
    with torch.no_grad():
        logits = checked_logits(circuits.logits(classifier, reading.values)).double().numpy()
    n, k = logits.shape
    if thresholds is not None:
        probabilities, between = expit(logits), reading.contrast_errors
        errors = probabilities * (1.0 - probabilities) * between
        given = probabilities >= thresholds
    else:
        probabilities = softmax(logits, axis=1)
        of_pairs = np.zeros((n, k, k))  # standard error of the difference of two logits
        for column, (a, b) in enumerate(_pairs(k)):
            of_pairs[:, a, b] = of_pairs[:, b, a] = reading.contrast_errors[:, column]
        errors = probabilities * np.einsum("nb,nab->na", probabilities, of_pairs)
        top = logits.argmax(axis=1)
        between, given = of_pairs[np.arange(n), top], np.arange(k) == top[:, None]
    lead = leads(logits, given, thresholds)
    return LabelProbabilities(
        probabilities,
        errors,
        np.all(lead > half_width * between, axis=1),
        reading.values.reshape(n, -1),
        reading.errors.reshape(n, -1),
        thresholds,
        logits,
        between[np.arange(n), lead.argmin(axis=1)],
    )


def measure(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: Backend,
    thresholds: NDArray[np.float64] | None = None,
) -> LabelProbabilities:
    """Run the circuits of a model on a backend, all shots at once; an answer is decided by its 95 % interval.

    Args:
        classifier: the model.
        circuits: of N texts, see `model_circuits`.
        backend: runs them.
        thresholds: (L,) of several labels per text; None for one label per text.
    """
    reading = read(classifier, circuits, backend, several=thresholds is not None)
    return answers_of(classifier, circuits, reading, thresholds)


def _pairs(k: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(k) for b in range(a + 1, k)]


@dataclass(frozen=True)
class BackendAgreement:
    """Comparison of a backend's answers with those of the exact model."""

    samples: int  # N
    flips: int  # samples with another label, or with other labels of several
    undecided: int  # samples whose lead is within its interval, or that known texts do not decide
    mean_abs_difference: float  # mean |Δ⟨Z⟩| over samples and observables
    # mean |Δ⟨Z⟩| from shot noise alone: the mean of sqrt(2/π)·SE, with SE from the exact ⟨Z⟩ and
    # the number of shots; 0 if the backend is exact
    expected_from_shots: float
    mean_standard_error: float = 0.0  # of the expectation values, as the backend states it
    shots: int | None = None  # measurements per circuit, the mean over texts; None without shots
    decided_flips: int = 0  # decided samples with another label
    known_texts: int = 0  # texts with known answers that decide; 0: shot noise alone does
    most_shots: int | None = None  # of a circuit, if they differ between texts

    def __str__(self) -> str:
        shots = "exact"
        if self.expected_from_shots:
            shots = f"shot noise alone would give {self.expected_from_shots:.4f}"
        if self.most_shots:
            shots += f"; {self.shots:,} shots of a circuit on average, {self.most_shots:,} at most"
        by = "at this number of shots"
        if self.known_texts:
            by = f"by {self.known_texts} training texts with known answers"
        return (
            f"agreement with the exact model over {self.samples} texts: {self.flips} labels differ, {self.undecided} "
            f"undecided {by}; of the {self.samples - self.undecided} decided {self.decided_flips} differ; mean |Δ⟨Z⟩| "
            f"= {self.mean_abs_difference:.4f} ({shots})"
        )


def compare(
    measured: LabelProbabilities,
    exact: LabelProbabilities,
    shots: int | NDArray[np.int64] | None,
    *,
    mitigated: bool = False,
) -> BackendAgreement:
    """Compare measured with exact answers to the same N samples.

    Args:
        measured: answers of a backend.
        exact: those of the exact model.
        shots: measurements per circuit, one number or (N,); None without shots.
        mitigated: the shot noise of the values is that of their standard errors, which mitigation raises.
    """
    sigma = measured.value_errors if mitigated else np.zeros_like(exact.values)
    if shots is not None and not mitigated:
        each = np.reshape(shots, (-1, 1))
        sigma = np.sqrt(np.clip(1.0 - exact.values**2, 0.0, None) / each)
    errors = measured.value_errors
    differs = (measured.sets != exact.sets).any(axis=1)
    return BackendAgreement(
        samples=len(exact.values),
        flips=int(differs.sum()),
        undecided=int((~measured.decided).sum()),
        mean_abs_difference=float(np.abs(measured.values - exact.values).mean()),
        expected_from_shots=float(np.sqrt(2.0 / np.pi) * sigma.mean()),
        mean_standard_error=float(errors.mean()) if errors.size else 0.0,
        shots=None if shots is None else round(float(np.mean(shots))),
        decided_flips=int((differs & measured.decided).sum()),
        known_texts=measured.known_texts,
        most_shots=None if measured.shots is None else int(measured.shots.max()),
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
