"""Answers of a model with their standard errors, on any backend, and their spread over bootstrap samples."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from qllmft.counts import format_count
from qllmft.errors import UserError
from qllmft.inference.circuits import Floats, ModelCircuits
from qllmft.tasks import Task
from qllmft.tasks.statistics import INTERVAL_QUANTILES, Z95
from qllmft.training import checked_logits
from qllmft_backends import Backend


@dataclass(frozen=True)
class LabelProbabilities:
    """Probabilities of k labels for N samples, and the expectation values that they follow from."""

    probabilities: NDArray[np.floating]  # (N, k) softmax of the logits
    standard_errors: Floats  # (N, k) of the probabilities; zeros if they are exact
    # (N,) whether the lead of the answer exceeds its interval, see `measure`, `measure_in_rounds` and `trusted`
    decided: NDArray[np.bool_]
    # (N, C·O) expectation values, circuit after circuit; (N, 0) if not computed
    values: Floats
    value_errors: Floats  # (N, C·O) standard errors of the expectation values
    # (L,) of several labels per text; None: one label per text
    thresholds: Floats | None = None
    logits: Floats | None = None  # (N, k); None if no circuit was measured
    lead_errors: Floats | None = None  # (N,) standard error of the least lead
    shots: NDArray[np.int64] | None = None  # (N,) of a circuit, if they differ between texts
    known_texts: int = 0  # texts with known answers behind ``decided``; 0: shot noise alone
    shortage: str = ""  # why known texts decide fewer labels than usual, or none; "" if enough do

    @classmethod
    def exact(
        cls, probabilities: NDArray[np.floating], thresholds: Floats | None = None
    ) -> LabelProbabilities:
        """Return answers (N, k) without statistical error."""
        errors = np.zeros(probabilities.shape)
        no_values = np.empty((len(probabilities), 0))
        return cls(
            probabilities, errors, np.ones(len(no_values), bool), no_values, no_values, thresholds
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
    def least_lead(self) -> Floats:
        """Return the least lead (N,) of each answer, see `leads`."""
        assert self.logits is not None
        return np.asarray(leads(self.logits, self.sets, self.thresholds).min(axis=1))

    def take(self, rows: NDArray[np.bool_]) -> LabelProbabilities:
        """Return the answers to some of the samples."""
        selected_arrays: dict[str, Any] = {
            field.name: array[rows]
            for field in fields(self)
            if field.name != "thresholds"
            and isinstance(array := getattr(self, field.name), np.ndarray)
        }
        return replace(self, **selected_arrays)


def leads(
    logits: Floats, answer_mask: NDArray[np.bool_], thresholds: Floats | None = None
) -> Floats:
    """Return the leads (N, k) of given answers in logits: over each other label, or over the thresholds.

    An answer is that of the logits if all its leads are positive. The lead of a label over itself is infinite.

    Args:
        logits: (N, k).
        answer_mask: (N, k) labels of the answers, see `LabelProbabilities.sets`.
        thresholds: (k,) of several labels per text.
    """
    if thresholds is not None:
        return np.asarray(np.where(answer_mask, 1.0, -1.0) * (logits - logit(thresholds)))
    return np.where(answer_mask, np.inf, logits[answer_mask][:, None] - logits)


class MeasuredValues(NamedTuple):
    """Expectation values of C circuits for each of N texts, and the errors of the leads that follow from them."""

    values: Floats  # (N, C·O)
    errors: Floats  # (N, C·O) standard errors
    contrast_errors: Floats  # (N, J) of `ModelCircuits.contrasts`


def run_circuits(circuits: ModelCircuits, backend: Backend) -> MeasuredValues:
    """Run the circuits of a model on a backend, see `ModelCircuits.contrast_errors`."""
    observables = [*circuits.observables, *circuits.companions]
    expectations = backend.expectations(circuits.circuit, circuits.parameters, observables)
    n_observables = len(circuits.observables)
    values, errors = (
        circuits.values_by_text(statistic[:, :n_observables])
        for statistic in (expectations.values, expectations.standard_errors)
    )
    return MeasuredValues(values, errors, circuits.contrast_errors(expectations))


def derive_answers(
    circuits: ModelCircuits, measured_values: MeasuredValues, half_width: float | Floats = Z95
) -> LabelProbabilities:
    """Return the answers that follow from expectation values.

    The error of a probability is p_a·Σ_b p_b·SE(a, b): exact to first order for two labels, an upper bound for more. Of
    several labels per text it is p·(1 - p) times the standard error of the logit. An answer is decided if all its leads
    exceed ``half_width``, one or (N, 1), in standard errors.
    """
    logit_tensor = circuits.logits(measured_values.values)
    thresholds = circuits.thresholds
    logits = checked_logits(logit_tensor.detach()).double().numpy()
    n, k = logits.shape
    if thresholds is not None:
        probabilities = expit(logits)
        difference_errors = measured_values.contrast_errors
        errors = probabilities * (1.0 - probabilities) * difference_errors
        answer_mask = probabilities >= thresholds
    else:
        probabilities = softmax(logits, axis=1)
        pair_errors = np.zeros((n, k, k))  # standard error of the difference of two logits
        first, second = np.triu_indices(k, 1)
        pair_errors[:, first, second] = pair_errors[:, second, first] = (
            measured_values.contrast_errors
        )
        errors = probabilities * np.einsum("nb,nab->na", probabilities, pair_errors)
        best_labels = logits.argmax(axis=1)
        difference_errors = pair_errors[np.arange(n), best_labels]
        answer_mask = np.arange(k) == best_labels[:, None]
    lead = leads(logits, answer_mask, thresholds)
    decided = np.all(lead > half_width * difference_errors, axis=1)
    least_lead_errors = difference_errors[np.arange(n), lead.argmin(axis=1)]
    return LabelProbabilities(
        probabilities,
        errors,
        decided,
        measured_values.values,
        measured_values.errors,
        thresholds,
        logits,
        least_lead_errors,
    )


def measure(circuits: ModelCircuits, backend: Backend) -> LabelProbabilities:
    """Run the circuits of a model on a backend, all shots at once; an answer is decided by its 95 % interval."""
    return derive_answers(circuits, run_circuits(circuits, backend))


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
    shortage: str = ""  # see `LabelProbabilities`

    def __str__(self) -> str:
        shots = "exact"
        if self.expected_from_shots:
            shots = f"shot noise alone would give {self.expected_from_shots:.4f}"
        if self.most_shots:
            shots += f", {self.shots:,} shots of a circuit on average, {self.most_shots:,} at most"
        by = "at this number of shots"
        n_reliable = self.samples - self.undecided
        if self.known_texts or self.shortage:
            by = f"by {format_count(self.known_texts, 'calibration text')}"
        return (
            f"{format_count(self.flips, 'label', ('differs', 'differ'))} from a noiseless simulation of "
            f"{format_count(self.samples, 'text')}. "
            f"{format_count(self.undecided, 'label', ('is', 'are'))} unreliable {by}. "
            f"Of the {format_count(n_reliable, 'reliable label')}, {self.decided_flips:,} "
            f"{'differs' if self.decided_flips == 1 else 'differ'}. "
            f"Mean |Δ⟨Z⟩| = {self.mean_abs_difference:.4f} ({shots})"
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
        shots_by_text = np.reshape(shots, (-1, 1))
        sigma = np.sqrt(np.clip(1.0 - exact.values**2, 0.0, None) / shots_by_text)
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
        shortage=measured.shortage,
        most_shots=None if measured.shots is None else int(measured.shots.max()),
    )


@dataclass(frozen=True)
class Bootstrap:
    """Spread of the probabilities (N, k) over bootstrap samples."""

    repeats: int  # number of bootstrap samples
    standard_errors: Floats  # (N, k) standard deviations
    low: Floats  # (N, k) 2.5 % quantiles
    high: Floats  # (N, k) 97.5 % quantiles
    single_shots: bool  # drawn from the single shots rather than from their counts


@torch.no_grad()
def bootstrap(
    circuits: ModelCircuits, backend: Backend | None, repeats: int, seed: int, task: Task
) -> Bootstrap:
    """Draw the shots of measured circuits again, with replacement, and compute the probabilities of each draw.

    Args:
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
    resampled_values = remote.resample(
        circuits.circuit, circuits.parameters, circuits.observables, repeats, seed
    )
    logits = [
        checked_logits(circuits.logits(values)).double() for values in resampled_values.values
    ]
    # (R, N, k)
    probabilities = np.stack([np.asarray(task.probabilities(part)) for part in logits])
    low, high = np.quantile(probabilities, INTERVAL_QUANTILES, axis=0)
    return Bootstrap(
        repeats, probabilities.std(axis=0, ddof=1), low, high, resampled_values.single_shots
    )


def describe_sampling(backend: Backend) -> str:
    """Describe the mitigation, and the shots and error trajectories behind an answer, "" without gate noise."""
    parts = (backend.mitigation, str(backend.sampling or ""))
    return ", ".join(part for part in parts if part)
