"""Answers of a model with their standard errors, on any backend."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from qllmft.answers.probabilities import Floats, LabelProbabilities, leads
from qllmft.heads.quantum import exact_backend
from qllmft.tasks.statistics import Z95
from qllmft.training import checked_logits
from qllmft_backends import Backend
from qllmft_backends.requests import MIN_CHECKED_SHOTS, check_expectations, number_of_shots
from qllmft_machines.trust.circuits import ModelCircuits


class MeasuredValues(NamedTuple):
    """Expectation values of C circuits for each of N texts, and the errors of the leads that follow from them."""

    values: Floats  # (N, C·O)
    errors: Floats  # (N, C·O) standard errors
    contrast_errors: Floats  # (N, J) of `ModelCircuits.contrasts`


def run_circuits(circuits: ModelCircuits, backend: Backend) -> MeasuredValues:
    """Run the circuits of a model on a backend, see `ModelCircuits.contrast_errors`."""
    observables = [*circuits.observables, *circuits.companions]
    expectations = backend.expectations(circuits.circuit, circuits.parameters, observables)
    check_expectations(backend, expectations, circuits.parameters, observables)
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
    measured_values = run_circuits(circuits, backend)
    shots = number_of_shots(backend)
    if shots is not None and shots < MIN_CHECKED_SHOTS:
        measured_values = with_least_errors(circuits, measured_values, shots)
    return derive_answers(circuits, measured_values)


def measure_exactly(circuits: ModelCircuits) -> LabelProbabilities:
    """Return the exact answers of a model, with the expectation values of its circuits in float64."""
    return measure(circuits, exact_backend(circuits.circuit, "float64"))


def with_least_errors(
    circuits: ModelCircuits, measured_values: MeasuredValues, shots: int | NDArray[np.int64]
) -> MeasuredValues:
    """Return values whose leads have at least the error of shots that agree but for one more, at the other end.

    Without it, a text whose few shots agree would have no error, and be decided.

    Args:
        circuits: the measured ones.
        measured_values: of N texts.
        shots: of each circuit, one number or (N, 1).
    """
    least_errors = circuits.contrast_ranges / (shots + 1)
    contrast_errors = np.maximum(measured_values.contrast_errors, least_errors)
    return measured_values._replace(contrast_errors=contrast_errors)
