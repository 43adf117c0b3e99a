"""Probabilities of a model's labels, with their standard errors if a backend measured them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
        from scipy.special import (
            logit,
        )  # exact labels need none, and SciPy takes a part of a second

        return np.asarray(np.where(answer_mask, 1.0, -1.0) * (logits - logit(thresholds)))
    return np.where(answer_mask, np.inf, logits[answer_mask][:, None] - logits)


@dataclass(frozen=True)
class Bootstrap:
    """Spread of the probabilities (N, k) over bootstrap samples."""

    repeats: int  # number of bootstrap samples
    standard_errors: Floats  # (N, k) standard deviations
    low: Floats  # (N, k) 2.5 % quantiles
    high: Floats  # (N, k) 97.5 % quantiles
    single_shots: bool  # drawn from the single shots rather than from their counts
