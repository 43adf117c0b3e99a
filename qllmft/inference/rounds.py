"""Shots in rounds: after each, the texts whose labels are decided get no more.

The interval of a lead is a confidence sequence: it holds at all rounds together with probability 0.95, so that looking
after each costs nothing. It is the asymptotic one of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (*Time-uniform
central limit theory and asymptotic confidence sequences*, Annals of Statistics 52, 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparsePauliOp
from scipy.special import ndtr

from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.heads.quantum import exact_backend
from qllmft.inference.circuits import ModelCircuits
from qllmft.inference.measurement import (
    LabelProbabilities,
    Reading,
    answers_of,
    contrasts_of,
    read,
)
from qllmft_backends import Backend
from qllmft_backends.remote.cost import CostEstimate
from qllmft_backends.remote.jobs import JobsBackend

Floats = NDArray[np.float64]

LEAST_SHOTS = 20  # of the first round: fewer can turn a known answer
ERROR = 0.05  # probability that an interval fails at any round, at most
_FIRST = 2.0  # the first round's shots times the variance of the mixture, in units of a shot's


@dataclass(frozen=True)
class Rounds:
    """Shots of a circuit in each of R rounds. The total doubles from round to round."""

    shots: tuple[int, ...]  # (R,)

    @classmethod
    def of(cls, shots: int, rounds: int) -> Rounds:
        """Return the rounds that end with a number of shots.

        Raises:
            UserError: if the first one would have fewer than `LEAST_SHOTS`.
        """
        totals = [round(shots / 2**left) for left in reversed(range(rounds))]
        if totals[0] < LEAST_SHOTS:
            raise UserError(
                f"{rounds} rounds that end with {shots:,} shots begin with {totals[0]}; expected {LEAST_SHOTS} or "
                "more. Ask for fewer rounds, or more shots."
            )
        return cls((totals[0], *np.diff(totals).tolist()))

    @property
    def totals(self) -> tuple[int, ...]:
        """Return the shots (R,) of a circuit after each round."""
        return tuple(np.cumsum(self.shots).tolist())

    def half_widths(self, comparisons: int) -> tuple[float, ...]:
        """Return the half-width of a lead's interval after each round (R,), in standard errors.

        ``comparisons`` leads share the probability of an error.
        """
        grown = [_FIRST * total / self.shots[0] for total in self.totals]
        share = ERROR / comparisons
        return tuple(sqrt(2 * (1 + 1 / m) * log(sqrt(1 + m) / share)) for m in grown)


def measure_in_rounds(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: Backend,
    rounds: Rounds,
    thresholds: Floats | None = None,
) -> LabelProbabilities:
    """Run the circuits of a model in rounds, each with those of the texts that are not decided yet.

    Every round is a call of its own in a ledger, so that a repeated command continues in the round that was stopped.

    Args:
        classifier: the model.
        circuits: of N texts.
        backend: one with shots.
        rounds: shots of a circuit in each.
        thresholds: (L,) of several labels per text; None for one label per text.

    Raises:
        BackendError: if the backend cannot measure in rounds.
        CostRefusedError: if the price of all rounds is above a limit, or not agreed to; nothing was sent.
    """
    several, n = thresholds is not None, circuits.n_texts
    contrasts = contrasts_of(classifier, circuits, several=several)
    k = len(circuits.weights(classifier))
    widths = rounds.half_widths(k if several else k - 1)
    pooled = _Pooled.empty(circuits, len(contrasts))
    half_width, active, agreed = np.zeros((n, 1)), np.ones(n, bool), False
    for number, (shots, width) in enumerate(zip(rounds.shots, widths, strict=True)):
        part = circuits.take(active)
        agreed = agreed or _agree(classifier, part, backend, rounds, number, thresholds)
        reading = read(classifier, part, backend.in_round(shots, number), several=several)
        pooled.add(active, shots, reading)
        half_width[active] = width
        least = _least_errors(contrasts, circuits, pooled.shots)
        found = answers_of(classifier, circuits, pooled.reading(least), thresholds, half_width)
        active = ~found.decided
        if not active.any():
            break
    return replace(found, shots=pooled.shots)


@dataclass
class _Pooled:
    """Sums over the rounds of N texts, weighted by the shots."""

    shots: NDArray[np.int64]  # (N,) of a circuit
    values: Floats  # (N, C·O) values times shots
    squares: Floats  # (N, C·O) squares of standard errors times shots
    contrast_squares: Floats  # (N, J)
    n_read: int  # O

    @classmethod
    def empty(cls, circuits: ModelCircuits, n_contrasts: int) -> _Pooled:
        n, n_read = circuits.n_texts, len(circuits.observables)
        width = n_read * (len(circuits.parameters) // n)
        parts = np.zeros((n, width)), np.zeros((n, width)), np.zeros((n, n_contrasts))
        return cls(np.zeros(n, np.int64), *parts, n_read)

    def add(self, rows: NDArray[np.bool_], shots: int, reading: Reading) -> None:
        """Add a round of some of the texts."""
        size = int(rows.sum())
        self.shots[rows] += shots
        self.values[rows] += shots * reading.values.reshape(size, -1)
        self.squares[rows] += (shots * reading.errors.reshape(size, -1)) ** 2
        self.contrast_squares[rows] += (shots * reading.contrast_errors) ** 2

    def reading(self, least: Floats) -> Reading:
        """Return the means over all shots, with errors of the contrasts of ``least`` (N, J) or more."""
        total = self.shots[:, None]
        values, errors = self.values / total, np.sqrt(self.squares) / total
        contrasts = np.maximum(np.sqrt(self.contrast_squares) / total, least)
        return Reading(values.reshape(-1, self.n_read), errors.reshape(-1, self.n_read), contrasts)


def _least_errors(contrasts: Floats, circuits: ModelCircuits, shots: NDArray[np.int64]) -> Floats:
    """Return the standard errors (N, J) if all shots agreed but for one more at the other end of the range.

    Without it, a text whose few shots agree would have no error, and be decided.
    """
    sizes = np.array([np.abs(each.coeffs).sum() for each in circuits.observables])
    ranges = 2 * np.sqrt(((np.abs(contrasts) @ sizes) ** 2).sum(axis=1))  # (J,)
    return np.asarray(ranges / (shots[:, None] + 1))


def undecided(
    classifier: Classifier,
    circuits: ModelCircuits,
    rounds: Rounds,
    thresholds: Floats | None = None,
) -> Floats:
    """Return the expected share of texts (R,) that each round measures, from exact values and normal shot noise.

    Args:
        classifier: the model.
        circuits: of N texts.
        rounds: shots of a circuit in each.
        thresholds: see `measure_in_rounds`.
    """
    several = thresholds is not None
    contrasts = contrasts_of(classifier, circuits, several=several)
    n_contrasts, n_circuits, n_read = contrasts.shape
    sums = [
        SparsePauliOp.sum([w * o for w, o in zip(row, circuits.observables, strict=True)])
        for contrast in contrasts
        for row in contrast
    ]
    asked = [*circuits.observables, *sums, *((each @ each).simplify() for each in sums)]
    backend = exact_backend(circuits.circuit, "float64")
    found = backend.expectations(circuits.circuit, circuits.parameters, asked).values
    means, squares = np.split(found[:, n_read:], 2, axis=1)
    variances = (squares - means**2).reshape(-1, n_circuits, n_contrasts, n_circuits)
    per_shot = np.einsum("ncjc->nj", np.clip(variances, 0.0, None))  # of a contrast
    errors = np.sqrt(per_shot[:, None, :] / np.array(rounds.totals)[None, :, None])  # (N, R, J)
    k = len(circuits.weights(classifier))
    widths = rounds.half_widths(k if several else k - 1)
    shares = np.ones(len(widths))
    for number, width in enumerate(widths[:-1]):
        values = found[:, :n_read]
        exact = Reading(values, np.zeros_like(values), errors[:, number])
        answers = answers_of(classifier, circuits, exact, thresholds)
        assert answers.lead_errors is not None
        lead = answers.least_lead / np.maximum(answers.lead_errors, 1e-12)
        left = ndtr(width - lead) - ndtr(-width - lead)
        shares[number + 1] = min(shares[number], float(left.mean()))
    return shares


def bound(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: JobsBackend,
    rounds: Rounds,
    thresholds: Floats | None = None,
    *,
    first: int = 0,
    offline: bool = False,
) -> CostEstimate:
    """Return the circuits and the price of all rounds if no text is decided early, and the expected price.

    Args:
        classifier: the model.
        circuits: of N texts, which the first of these rounds measures all.
        backend: sends jobs.
        rounds: shots of a circuit in each.
        thresholds: see `measure_in_rounds`.
        first: index of the first round to count.
        offline: see `RemoteBackend.estimate`.
    """
    circuit, values = circuits.circuit, circuits.parameters
    left = range(first, len(rounds.shots))
    made = [backend.in_round(rounds.shots[number], number) for number in left]
    parts = [each.estimate(circuit, values, offline=offline) for each in made]
    shares = undecided(classifier, circuits, rounds, thresholds)[first:]
    prices = [part.price for part in parts if part.price is not None]
    expected = None
    if len(prices) == len(parts):
        expected = float(np.dot(prices, shares / max(shares[0], 1e-12)))
    total = backend.merged(parts)
    return replace(total, rounds=tuple(rounds.shots[number] for number in left), expected=expected)


def _agree(
    classifier: Classifier,
    circuits: ModelCircuits,
    backend: Backend,
    rounds: Rounds,
    number: int,
    thresholds: Floats | None,
) -> bool:
    """Ask once for consent to the price of all rounds that are left, if this one sends circuits."""
    if not isinstance(backend, JobsBackend) or backend.jobs is None:
        return True
    own = backend.in_round(rounds.shots[number], number)
    if not own.estimate(circuits.circuit, circuits.parameters).circuits:
        return False
    backend.authorize(bound(classifier, circuits, backend, rounds, thresholds, first=number))
    return True
