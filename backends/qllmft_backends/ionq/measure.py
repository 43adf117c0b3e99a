"""From what the server measured to expectation values and their standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.ionq.errors import IonQJobFailedError
from qllmft_backends.ionq.ledger import Probabilities
from qllmft_backends.protocol import Expectations
from qllmft_backends.z_observables import ZObservables

_SUM_TOLERANCE = 1e-3  # servers round probabilities


def read_probabilities(payload: Any, n_qubits: int, where: str) -> Probabilities:
    """A payload of the API, ``{"5": 0.25, ...}``: decimal basis states, qubit 0 the least significant bit.

    Raises:
        IonQJobFailedError: where it is not a distribution on ``n_qubits`` qubits.
    """
    problem = None
    probabilities: Probabilities = {}
    try:
        probabilities = {int(state): float(p) for state, p in payload.items()}
    except (AttributeError, TypeError, ValueError):
        problem = "it is not a mapping from decimal states to numbers"
    if problem is None and not all(0 <= state < 2**n_qubits for state in probabilities):
        problem = f"it names states outside of 0..{2**n_qubits - 1}"
    if problem is None and not all(-_SUM_TOLERANCE <= p <= 1 + _SUM_TOLERANCE for p in probabilities.values()):
        problem = "it holds numbers outside of 0..1"
    if problem is None and not abs(sum(probabilities.values()) - 1) <= _SUM_TOLERANCE:
        problem = f"its numbers sum to {sum(probabilities.values()):.6g}, expected 1"
    if problem is not None:
        raise IonQJobFailedError(
            f"the result of {where} cannot be read: {problem}. Nothing is lost: the job's id is in the ledger and its "
            "result stays at the server; run again to read it anew."
        )
    return probabilities


def expectations(results: Sequence[Mapping[int, float]], shots: int | None, observables: ZObservables) -> Expectations:
    """Expectation values (B, O) and standard errors (B, O).

    The estimator is the plain mean over the shots. A machine, or a noisy simulator, gives p = counts / shots, so that
    counts = round(p · shots) and ⟨O⟩ = Σ_s p(s)·o(s), where o(s) is the observable's value on basis state s: ±1 for a Z
    string, by the parity of s on the string's qubits. Its standard error is sqrt((Σ_s p(s)·o(s)² - ⟨O⟩²) / shots); for
    one Z string this is sqrt((1 - ⟨Z⟩²) / shots). It is 0 where all shots agree, although the true value may then
    differ from ±1 by some 6/shots (95 %). With debiasing the shots are not one sample of one circuit and the formula is
    an approximation.

    Args:
        results: for each of B circuits, probability by basis state (qubit 0 the least significant bit).
        shots: measurements of each circuit; None: the probabilities are exact and the standard errors zero.
        observables: sums of Z strings.
    """
    values = np.empty((len(results), len(observables.coefficients)))
    errors = np.zeros_like(values)
    for b, result in enumerate(results):
        states = np.fromiter(result.keys(), np.int64, len(result))
        p = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
        p /= p.sum()
        parity = np.bitwise_count(states[:, None] & observables.masks) & 1  # (S, T)
        outcomes = (1.0 - 2.0 * parity) @ observables.coefficients.T  # (S, O)
        values[b] = p @ outcomes
        if shots is not None:
            variance = p @ (outcomes - values[b]) ** 2
            errors[b] = np.sqrt(variance / shots)
    return Expectations(values, errors)


def draw(result: Mapping[int, float], shots: int, rng: np.random.Generator) -> Probabilities:
    """Frequencies of ``shots`` measurements drawn from exact probabilities."""
    p: NDArray[np.float64] = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
    counts = rng.multinomial(shots, p / p.sum())
    return {state: count / shots for state, count in zip(result, counts.tolist(), strict=True) if count}
