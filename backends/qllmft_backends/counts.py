"""Expectation values, their standard errors, and single shots from measured counts or frequencies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Expectations
from qllmft_backends.z_observables import ZObservables


def expectations_from_counts(
    counts: Mapping[int, int], observables: ZObservables
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expectation values of one circuit, all from the same shots.

    See `expectations_from_frequencies` for counts divided by their sum.

    >>> from qiskit.quantum_info import SparsePauliOp
    >>> z0 = ZObservables.from_operators([SparsePauliOp("IZ")], 2)
    >>> values, errors = expectations_from_counts({0b00: 60, 0b11: 20, 0b10: 20}, z0)
    >>> values, errors.round(4)
    (array([0.6]), array([0.0804]))
    """
    shots = sum(counts.values())
    return expectations_from_frequencies(
        {o: n / max(shots, 1) for o, n in counts.items()}, shots, observables
    )


def expectations_of_counts(
    counts: Iterable[Mapping[int, int]], observables: ZObservables
) -> Expectations:
    """Return expectation values (B, O) and standard errors (B, O) of B circuits from the counts of each."""
    found = [expectations_from_counts(of_circuit, observables) for of_circuit in counts]
    shape = len(found), len(observables.coefficients)
    return Expectations(*(np.reshape([part[i] for part in found], shape) for i in (0, 1)))


def expectations_from_frequencies(
    probabilities: Mapping[int, float], shots: int, observables: ZObservables
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the expectation values of one circuit from the relative frequencies of its outcomes.

    Args:
        probabilities: relative frequency by outcome, not negative, with sum 1; bit q of an outcome is qubit q.
        shots: S, the number of measurements behind them.
        observables: O sums of Z strings.

    Returns:
        (O,) means over the shots, and (O,) standard errors sqrt(s²/S) with the sample variance s² (S - 1 below it);
        infinity for one shot. If all shots agree the error is 0, and the true value may still differ: with probability
        0.95 another outcome is rarer than 3/S.

    Raises:
        BackendError: if there are no shots.
    """
    if shots < 1:
        raise BackendError("got counts of no shots, expected one or more.")
    weights = np.fromiter(probabilities.values(), np.float64, len(probabilities))
    per_shot = outcome_values(
        np.fromiter(probabilities.keys(), np.int64, len(probabilities)), observables
    )
    means = weights @ per_shot
    if shots == 1:
        return means, np.full_like(means, np.inf)
    variances = weights @ (per_shot - means) ** 2 * shots / (shots - 1)
    return means, np.sqrt(variances / shots)


def outcome_values(outcomes: NDArray[np.int64], observables: ZObservables) -> NDArray[np.float64]:
    """Return the value of each observable in a shot, (K, O) for K outcomes (K,). Bit q of an outcome is qubit q."""
    # (K, T) qubits in state 1 of each string
    ones = np.bitwise_count(outcomes[:, None] & observables.masks[None, :])
    return np.asarray((1.0 - 2.0 * (ones & 1)) @ observables.coefficients.T)


def expectations(
    results: Sequence[Mapping[int, float]], shots: int | None, observables: ZObservables
) -> Expectations:
    """Return expectation values (B, O) and standard errors (B, O).

    A machine, or a noisy simulator, gives p = counts / shots: values and errors are those of its counts. With debiasing
    the shots are not one sample of one circuit and the error is an approximation.

    The ``results`` of B circuits are probabilities by basis state; without ``shots`` they are exact.
    """
    values = np.empty((len(results), len(observables.coefficients)))
    errors = np.zeros_like(values)
    for b, result in enumerate(results):
        frequencies = dict(zip(result, distribution(result).tolist(), strict=True))
        values[b], errors[b] = expectations_from_frequencies(frequencies, shots or 2, observables)
    if shots is None:
        errors[:] = 0  # and no mean depends on the number of shots
    return Expectations(values, errors)


def draw(result: Mapping[int, float], shots: int, rng: np.random.Generator) -> dict[int, float]:
    """Return the frequencies of ``shots`` measurements drawn from exact probabilities."""
    counts = rng.multinomial(shots, distribution(result))
    return {
        state: count / shots for state, count in zip(result, counts.tolist(), strict=True) if count
    }


def single_shots(
    result: Mapping[int, float], shots: int, rng: np.random.Generator, *, exact: bool
) -> NDArray[np.int64]:
    """Return ``shots`` outcomes (S,) in random order.

    Args:
        result: measured frequencies, or ``exact`` probabilities, which shots are drawn from.
        shots: S. Frequencies that are no whole numbers of shots, as with debiasing, have a random draw of the rest.
        rng: random numbers.
        exact: the result has no shots.
    """
    p = distribution(result)
    whole = np.zeros(len(p), np.int64) if exact else np.floor(p * shots + 1e-6).astype(np.int64)
    rest = np.clip(p * shots - whole, 0.0, None)
    missing = shots - int(whole.sum())
    if missing > 0:
        whole += rng.multinomial(missing, rest / rest.sum())
    return rng.permutation(np.repeat(np.fromiter(result, np.int64, len(result)), whole))


def distribution(result: Mapping[int, float]) -> NDArray[np.float64]:
    """Return the probabilities in the order of ``result``, none below 0, with sum 1: servers round them."""
    p = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
    return np.asarray(p / p.sum())
