"""Shots in rounds: after each, the texts whose labels are decided get no more.

The interval of a lead is a confidence sequence: it holds at all rounds together with probability 0.95, so that looking
after each costs nothing. It is the asymptotic one of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (*Time-uniform
central limit theory and asymptotic confidence sequences*, Annals of Statistics 52, 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import log, sqrt
from typing import cast

import numpy as np
from qiskit.quantum_info import SparsePauliOp
from scipy.special import ndtr

from qllmft.answers.probabilities import Floats, LabelProbabilities
from qllmft.heads.quantum import exact_backend
from qllmft_backends import Backend, BackendError
from qllmft_backends.protocol import (
    Estimate,
    Expectations,
    LedgerBackend,
    RoundsBackend,
    remote_or_none,
)
from qllmft_backends.requests import MIN_CHECKED_SHOTS
from qllmft_base.errors import UserError
from qllmft_machines.trust.circuits import ModelCircuits
from qllmft_machines.trust.measurement import (
    MeasuredValues,
    derive_answers,
    run_circuits,
    with_least_errors,
)

ERROR_PROBABILITY = 0.05  # probability that an interval fails at any round, at most
# the first round's shots times the variance of the mixture, in units of a shot's
_FIRST_ROUND_VARIANCE = 2.0


@dataclass(frozen=True)
class Rounds:
    """Shots of a circuit in each of R rounds. The total doubles from round to round."""

    shots: tuple[int, ...]  # (R,)

    @classmethod
    def from_total(cls, shots: int, rounds: int) -> Rounds:
        """Return the rounds that end with a number of shots.

        Raises:
            UserError: if the first one would have fewer than `MIN_CHECKED_SHOTS`.
        """
        totals = [round(shots / 2**remaining) for remaining in reversed(range(rounds))]
        if totals[0] < MIN_CHECKED_SHOTS:
            raise UserError(
                f"{rounds} rounds that end with {shots:,} shots begin with {totals[0]}, expected "
                f"{MIN_CHECKED_SHOTS} or more. Ask for fewer rounds, or more shots."
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
        mixture_variances = [_FIRST_ROUND_VARIANCE * total / self.shots[0] for total in self.totals]
        share = ERROR_PROBABILITY / comparisons
        return tuple(sqrt(2 * (1 + 1 / m) * log(sqrt(1 + m) / share)) for m in mixture_variances)


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
    sums = RoundSums(circuits, rounds)
    has_consent = False
    with ExitStack() as consents:
        for number, size in enumerate(rounds.shots):
            active_circuits = sums.active_circuits
            if isinstance(backend, RoundsBackend) and remote_or_none(backend) and not has_consent:
                has_consent = _sends_in_round(active_circuits, backend, size, number)
                if has_consent:
                    bound = bound_cost(active_circuits, backend, rounds, first=number)
                    consents.enter_context(backend.consent(bound))
            answers = sums.add_round(
                number, run_circuits(active_circuits, backend.in_round(size, number))
            )
            if not sums.active.any():
                break
    return replace(answers, shots=sums.shots[:, 0])


class RoundSums:
    """Sums of the values of N texts over the rounds so far, and the texts whose labels are not decided yet.

    Attributes:
        active: (N,) whether the next round measures a text.
        shots: (N, 1) of a circuit so far.
    """

    def __init__(self, circuits: ModelCircuits, rounds: Rounds) -> None:
        n = circuits.n_texts
        n_values = circuits.n_values
        self.active = np.ones(n, bool)
        self.shots = np.zeros((n, 1), np.int64)
        self._circuits = circuits
        self._rounds = rounds
        self._widths = rounds.half_widths(circuits.n_leads)
        self._half_width = np.zeros((n, 1))
        # of values times shots, and of squares of errors times shots
        self._sums = MeasuredValues(
            np.zeros((n, n_values)), np.zeros((n, n_values)), np.zeros((n, len(circuits.contrasts)))
        )

    @property
    def active_circuits(self) -> ModelCircuits:
        """Return the circuits of the next round."""
        return self._circuits.take(self.active)

    def add_round(self, number: int, round_values: MeasuredValues) -> LabelProbabilities:
        """Add the values of `active_circuits` in the round of a number, and return the answers of all rounds so far."""
        size = self._rounds.shots[number]
        active = self.active
        for total, round_statistic, power in zip(self._sums, round_values, (1, 2, 2), strict=True):
            total[active] += (size * round_statistic) ** power
        self.shots[active] += size
        self._half_width[active] = self._widths[number]
        errors, contrast_errors = (np.sqrt(squares) / self.shots for squares in self._sums[1:])
        measured_values = MeasuredValues(self._sums.values / self.shots, errors, contrast_errors)
        measured_values = with_least_errors(self._circuits, measured_values, self.shots)
        answers = derive_answers(self._circuits, measured_values, self._half_width)
        self.active = ~answers.decided
        return answers


def _sends_in_round(
    circuits: ModelCircuits, backend: RoundsBackend, shots: int, number: int
) -> bool:
    """Return whether a round would send circuits, or has all of them in the ledger."""
    round_backend = backend.in_round(shots, number)
    return round_backend.estimate(circuits.circuit, circuits.parameters).circuits > 0


def estimate_rounds(
    circuits: ModelCircuits, backend: RoundsBackend, rounds: Rounds, *, offline: bool = False
) -> Estimate:
    """Return the cost of the rounds that are left. Those that a ledger has decide the texts of the next ones.

    Args:
        circuits: of N texts.
        backend: sends jobs.
        rounds: shots of a circuit in each.
        offline: see `RemoteBackend.estimate`.
    """
    sums = RoundSums(circuits, rounds)
    estimates: list[Estimate] = []
    for number, size in enumerate(rounds.shots):
        active_circuits = sums.active_circuits
        round_backend = backend.in_round(size, number)
        round_values = _read_ledger(active_circuits, round_backend)
        if round_values is None:
            return bound_cost(
                active_circuits, backend, rounds, first=number, earlier=estimates, offline=offline
            )
        values = active_circuits.parameters
        estimates.append(round_backend.estimate(circuits.circuit, values, offline=offline))
        sums.add_round(number, round_values)
        if not sums.active.any():
            break
    return backend.merge_estimates(estimates)


def _read_ledger(circuits: ModelCircuits, backend: RoundsBackend) -> MeasuredValues | None:
    """Return the values of circuits from the ledger, or None if it lacks one."""
    if not isinstance(backend, LedgerBackend):
        return None
    try:
        return run_circuits(circuits, cast("Backend", backend.in_ledger()))
    except BackendError:
        return None


def expected_shares(circuits: ModelCircuits, rounds: Rounds) -> Floats:
    """Return the expected share of texts (R,) that each round measures, from exact values and normal shot noise."""
    circuits = circuits.in_registers
    values, per_shot = _moments(circuits)
    widths = rounds.half_widths(circuits.n_leads)
    shares = np.ones(len(widths))
    for number, (total, width) in enumerate(zip(rounds.totals[:-1], widths, strict=False)):
        measured_values = MeasuredValues(values, np.zeros_like(values), np.sqrt(per_shot / total))
        answers = derive_answers(circuits, measured_values)
        assert answers.lead_errors is not None
        lead = answers.least_lead / np.maximum(answers.lead_errors, 1e-12)
        undecided_probability = ndtr(width - lead) - ndtr(-width - lead)
        shares[number + 1] = min(shares[number], float(undecided_probability.mean()))
    return shares


def _moments(circuits: ModelCircuits) -> tuple[Floats, Floats]:
    """Return exact values (N, n_values), and the variance (N, J) of each contrast in one shot."""
    n = circuits.n_texts
    n_read = len(circuits.observables)
    backend = exact_backend(circuits.circuit, "float64")

    def exact(asked: list[SparsePauliOp]) -> Floats:
        return backend.expectations(circuits.circuit, circuits.parameters, asked).values

    if circuits.registers > 1:
        values = exact([*circuits.observables, *circuits.companions])
        shot_errors = np.sqrt(np.clip(1.0 - values**2, 0.0, None))
        variances = circuits.contrast_errors(Expectations(values, shot_errors)) ** 2
        return circuits.values_by_text(values[:, :n_read]), variances
    sums = circuits.contrast_observables
    squared_sums = [(observable @ observable).simplify() for observable in sums]
    values = exact([*circuits.observables, *sums, *squared_sums])
    means, squares = np.split(values[:, n_read:], 2, axis=1)
    shape = (n, circuits.per_text, circuits.per_text, -1)
    variances = np.clip((squares - means**2).reshape(shape), 0.0, None)
    return values[:, :n_read].reshape(n, -1), np.einsum("nccj->nj", variances)


def bound_cost(
    circuits: ModelCircuits,
    backend: RoundsBackend,
    rounds: Rounds,
    *,
    first: int = 0,
    earlier: Sequence[Estimate] = (),
    offline: bool = False,
) -> Estimate:
    """Return the circuits and the price of all rounds if no text is decided early, and the expected price.

    Args:
        circuits: of N texts, which the first of these rounds measures all.
        backend: sends jobs.
        rounds: shots of a circuit in each.
        first: index of the first round to count.
        earlier: estimates of the rounds before it, which are in the ledger.
        offline: see `RemoteBackend.estimate`.
    """
    circuit = circuits.circuit
    values = circuits.parameters
    round_shots = rounds.shots[first:]
    round_estimates = [
        backend.in_round(size, number).estimate(circuit, values, offline=offline)
        for number, size in enumerate(round_shots, start=first)
    ]
    shares = expected_shares(circuits, rounds)[first:]
    prices = [
        round_estimate.price
        for round_estimate in round_estimates
        if round_estimate.price is not None
    ]
    expected = None
    if len(prices) == len(round_estimates):
        expected = float(np.dot(prices, shares / max(shares[0], 1e-12)))
    all_estimates = [*earlier, *round_estimates]
    return backend.merge_estimates(all_estimates, rounds=round_shots, expected=expected)
