"""Two-level screening designs: their points, and the main effects with their standard errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard

from qllmft.campaign.grid import Parameter, Point, Value
from qllmft.errors import UserError
from qllmft.tasks.statistics import student_p

MOST_FACTORS = 31  # of a screening design with 32 runs
# first row of the cyclic part, Plackett and Burman 1946
_PLACKETT_BURMAN_12 = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)


def screening_points(parameters: Sequence[Parameter]) -> list[Point]:
    """Return the runs of a two-level design, with every parameter at its first or its last level."""
    return [
        {p.name: p.ends[int(sign > 0)] for p, sign in zip(parameters, row, strict=True)}
        for row in screening_signs(len(parameters))
    ]


def screening_signs(n_factors: int) -> NDArray[np.int64]:
    """Return an orthogonal two-level design (runs, n_factors) of -1 and 1 for 2 to 30 factors, whose runs all differ.

    It has more runs than main effects: a power of two from Sylvester's Hadamard matrix, or Plackett and Burman's 12.
    With up to half as many factors as runs, main effects of the former are free of interactions of two factors
    (resolution IV).
    """
    if not 2 <= n_factors < MOST_FACTORS:
        raise UserError(
            f"a screening design takes 2 to {MOST_FACTORS - 1} parameters, and this search has {n_factors}. "
            "Choose another --sampler."
        )
    runs = next(n for n in (4, 8, 12, 16, 32) if n >= n_factors + 2)
    if runs == 12:
        cyclic = [np.roll(_PLACKETT_BURMAN_12, shift) for shift in range(11)]
        return np.vstack([*cyclic, -np.ones(11, np.int64)])[:, :n_factors].astype(np.int64)
    # column j of Sylvester's matrix is the product of the basic columns that are the bits of j: an
    # odd number first
    order = sorted(range(1, runs), key=lambda j: (j.bit_count() % 2 == 0, j.bit_count(), j))
    return -np.asarray(hadamard(runs), np.int64)[:, order[:n_factors]]


@dataclass(frozen=True)
class Effect:
    """Mean effect of a parameter on the validation score over the design."""

    name: str  # of the parameter
    low: Value  # one of its two levels
    high: Value  # the other
    effect: float  # mean at ``high`` minus mean at ``low``
    standard_error: float  # of the effect
    # of no effect, two-sided, by Student's t; not corrected for the number of parameters
    p_value: float


@dataclass(frozen=True)
class Screening:
    """Main effects, the largest first."""

    effects: tuple[Effect, ...]  # one a parameter
    degrees_of_freedom: int  # of the standard errors
    error_from: str  # source of the standard errors, in words


def main_effects(
    names: Sequence[str],
    levels: Sequence[tuple[Value, Value]],
    signs: NDArray[np.int64],
    values: NDArray[np.float64],
) -> Screening:
    """Return the main effects from an orthogonal design.

    With several seeds the error is the scatter of the effect between seeds. Each seed runs the whole design, so the
    effect of its split of the data cancels. With one seed the error is the residual of the main effects, interactions
    included.

    Args:
        names: k parameters.
        levels: k pairs, low and high.
        signs: (n, k) of -1 and 1.
        values: (n, s), score of run and seed.
    """
    n, k = signs.shape
    seeds = values.shape[1]
    by_seed = 2.0 * signs.T @ values / n  # (k, s)
    estimates = by_seed.mean(axis=1)
    if seeds > 1:
        # pooled over the parameters: their effects have one variance in an orthogonal design
        freedom = k * (seeds - 1)
        scatter = ((by_seed - estimates[:, None]) ** 2).sum() / freedom
        error = float(np.sqrt(scatter / seeds))
        source = f"the scatter of the effects over {seeds} seeds"
    else:
        freedom = n - 1 - k
        means = values[:, 0]
        residuals = means - means.mean() - signs @ estimates / 2.0
        error = float(2.0 * np.sqrt((residuals**2).sum() / freedom / n))
        source = f"the residuals of the main effects in {n} runs, interactions included; "
        source += "--seeds 2 or more would do better"
    found = [
        Effect(name, low, high, float(estimate), error, student_p(float(estimate), error, freedom))
        for name, (low, high), estimate in zip(names, levels, estimates, strict=True)
    ]
    return Screening(tuple(sorted(found, key=lambda effect: -abs(effect.effect))), freedom, source)
