"""Expectation values and their standard errors from measured distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.counts import expectations_from_frequencies
from qllmft_backends.ionq.payload import Probabilities
from qllmft_backends.protocol import Expectations
from qllmft_backends.z_observables import ZObservables


def expectations(results: Sequence[Mapping[int, float]], shots: int | None, observables: ZObservables) -> Expectations:
    """Return expectation values (B, O) and standard errors (B, O).

    A machine, or a noisy simulator, gives p = counts / shots: values and errors are those of `counts`. With debiasing
    the shots are not one sample of one circuit and the error is an approximation.

    Args:
        results: for each of B circuits, probability by basis state (qubit 0 the least significant bit).
        shots: measurements of each circuit; None: the probabilities are exact and the standard errors zero.
        observables: sums of Z strings.
    """
    values = np.empty((len(results), len(observables.coefficients)))
    errors = np.zeros_like(values)
    for b, result in enumerate(results):
        frequencies = dict(zip(result, distribution(result).tolist(), strict=True))
        values[b], errors[b] = expectations_from_frequencies(frequencies, shots or 2, observables)
    if shots is None:
        errors[:] = 0  # and no mean depends on the number of shots
    return Expectations(values, errors)


def draw(result: Mapping[int, float], shots: int, rng: np.random.Generator) -> Probabilities:
    """Return the frequencies of ``shots`` measurements drawn from exact probabilities."""
    counts = rng.multinomial(shots, distribution(result))
    return {state: count / shots for state, count in zip(result, counts.tolist(), strict=True) if count}


def distribution(result: Mapping[int, float]) -> NDArray[np.float64]:
    """Return the probabilities in the order of ``result``, none below 0, with sum 1: servers round them."""
    p = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
    return np.asarray(p / p.sum())
