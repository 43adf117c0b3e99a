"""Shots in rounds: after each, the texts whose labels are decided get no more.

The interval of a lead is a confidence sequence: it holds at all rounds together with probability 0.95, so that looking
after each costs nothing. It is the asymptotic one of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (*Time-uniform
central limit theory and asymptotic confidence sequences*, Annals of Statistics 52, 2024).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from qiskit.quantum_info import SparsePauliOp
from scipy.special import ndtr

from qllmft.errors import UserError
from qllmft.heads.quantum import exact_backend
from qllmft.inference.circuits import Floats, ModelCircuits
from qllmft.inference.measurement import LabelProbabilities, Reading, answers_of, read
from qllmft_backends import Backend
from qllmft_backends.protocol import Expectations
from qllmft_backends.remote.cost import CostEstimate
from qllmft_backends.remote.jobs import LEAST_SHOTS, JobsBackend

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
    circuits: ModelCircuits, backend: Backend, rounds: Rounds
) -> LabelProbabilities:
    """Run the circuits of a model in rounds, each with those of the texts that are not decided yet.

    Every round is a call of its own in a ledger, so that a repeated command continues in the round that was stopped.
    Consent is asked for once, to the price of all rounds that are left.

    Raises:
        BackendError: if the backend cannot measure in rounds.
        CostRefusedError: if the price of all rounds is above a limit, or not agreed to; nothing was sent.
    """
    n, n_values = circuits.n_texts, circuits.n_values
    sizes = np.array([np.abs(each.coeffs).sum() for each in circuits.observables])
    ranges = 2 * np.sqrt(((np.abs(circuits.contrasts) @ sizes) ** 2).sum(axis=1))  # (J,)
    # sums of values times shots, and of squares of errors times shots
    sums = Reading(np.zeros((n, n_values)), np.zeros((n, n_values)), np.zeros((n, len(ranges))))
    shots, half_width = np.zeros((n, 1), np.int64), np.zeros((n, 1))
    active, agreed = np.ones(n, bool), False
    widths = rounds.half_widths(circuits.n_leads)
    for number, (size, width) in enumerate(zip(rounds.shots, widths, strict=True)):
        part = circuits.take(active)
        if not agreed and isinstance(backend, JobsBackend) and backend.jobs is not None:
            own = backend.in_round(size, number)
            agreed = own.estimate(part.circuit, part.parameters).circuits > 0
            if agreed:
                backend.authorize(bound(part, backend, rounds, first=number))
        measured = read(part, backend.in_round(size, number))
        for total, of_round, power in zip(sums, measured, (1, 2, 2), strict=True):
            total[active] += (size * of_round) ** power
        shots[active] += size
        half_width[active] = width
        errors, contrast_errors = (np.sqrt(each) / shots for each in sums[1:])
        # the error if all shots agreed but for one more at the other end of the range: without it, a
        # text whose few shots agree would have none, and be decided
        contrast_errors = np.maximum(contrast_errors, ranges / (shots + 1))
        reading = Reading(sums.values / shots, errors, contrast_errors)
        found = answers_of(circuits, reading, half_width)
        active = ~found.decided
        if not active.any():
            break
    return replace(found, shots=shots[:, 0])


def undecided(circuits: ModelCircuits, rounds: Rounds) -> Floats:
    """Return the expected share of texts (R,) that each round measures, from exact values and normal shot noise."""
    circuits = circuits.in_registers
    values, per_shot = _moments(circuits)
    widths = rounds.half_widths(circuits.n_leads)
    shares = np.ones(len(widths))
    for number, (total, width) in enumerate(zip(rounds.totals[:-1], widths, strict=False)):
        reading = Reading(values, np.zeros_like(values), np.sqrt(per_shot / total))
        answers = answers_of(circuits, reading)
        assert answers.lead_errors is not None
        lead = answers.least_lead / np.maximum(answers.lead_errors, 1e-12)
        left = ndtr(width - lead) - ndtr(-width - lead)
        shares[number + 1] = min(shares[number], float(left.mean()))
    return shares


def _moments(circuits: ModelCircuits) -> tuple[Floats, Floats]:
    """Return exact values (N, n_values), and the variance (N, J) of each contrast in one shot."""
    n, n_read = circuits.n_texts, len(circuits.observables)
    backend = exact_backend(circuits.circuit, "float64")

    def exact(asked: list[SparsePauliOp]) -> Floats:
        return backend.expectations(circuits.circuit, circuits.parameters, asked).values

    if circuits.registers > 1:
        found = exact([*circuits.observables, *circuits.companions])
        of_shot = np.sqrt(np.clip(1.0 - found**2, 0.0, None))
        variances = circuits.contrast_errors(Expectations(found, of_shot)) ** 2
        return circuits.of_texts(found[:, :n_read]), variances
    sums = circuits.contrast_observables
    found = exact([*circuits.observables, *sums, *((each @ each).simplify() for each in sums)])
    means, squares = np.split(found[:, n_read:], 2, axis=1)
    shape = (n, circuits.per_text, circuits.per_text, -1)
    variances = np.clip((squares - means**2).reshape(shape), 0.0, None)
    return found[:, :n_read].reshape(n, -1), np.einsum("nccj->nj", variances)


def bound(
    circuits: ModelCircuits,
    backend: JobsBackend,
    rounds: Rounds,
    *,
    first: int = 0,
    offline: bool = False,
) -> CostEstimate:
    """Return the circuits and the price of all rounds if no text is decided early, and the expected price.

    Args:
        circuits: of N texts, which the first of these rounds measures all.
        backend: sends jobs.
        rounds: shots of a circuit in each.
        first: index of the first round to count.
        offline: see `RemoteBackend.estimate`.
    """
    circuit, values, left = circuits.circuit, circuits.parameters, rounds.shots[first:]
    parts = [
        backend.in_round(size, number).estimate(circuit, values, offline=offline)
        for number, size in enumerate(left, start=first)
    ]
    shares = undecided(circuits, rounds)[first:]
    prices = [part.price for part in parts if part.price is not None]
    expected = None
    if len(prices) == len(parts):
        expected = float(np.dot(prices, shares / max(shares[0], 1e-12)))
    return replace(backend.merged(parts), rounds=left, expected=expected)
