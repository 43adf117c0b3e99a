"""From what the server measured to expectation values and their standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.counts import expectations_from_frequencies
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
        p = _distribution(result)
        frequencies = dict(zip(result, p.tolist(), strict=True))
        if shots is None:
            values[b], _ = expectations_from_frequencies(frequencies, 2, observables)  # no mean depends on the shots
        else:
            values[b], errors[b] = expectations_from_frequencies(frequencies, shots, observables)
    return Expectations(values, errors)


def draw(result: Mapping[int, float], shots: int, rng: np.random.Generator) -> Probabilities:
    """Frequencies of ``shots`` measurements drawn from exact probabilities."""
    counts = rng.multinomial(shots, _distribution(result))
    return {state: count / shots for state, count in zip(result, counts.tolist(), strict=True) if count}


def _distribution(result: Mapping[int, float]) -> NDArray[np.float64]:
    """Probabilities in the order of ``result``, none below 0, with sum 1: servers round them."""
    p = np.clip(np.fromiter(result.values(), np.float64, len(result)), 0.0, None)
    return np.asarray(p / p.sum())
