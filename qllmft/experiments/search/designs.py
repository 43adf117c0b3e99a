"""Points that are known beforehand: a quasi-Monte Carlo sequence, a two-level screening design."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.stats import qmc

from qllmft.errors import UserError
from qllmft.experiments.search.space import Parameter, Point
from qllmft.randomness import derive_seed

MOST_FACTORS = 31  # of a screening design with 32 runs
_PLACKETT_BURMAN_12 = (1, 1, -1, 1, 1, 1, -1, -1, -1, 1, -1)  # first row of the cyclic part, Plackett and Burman 1946


def sobol_points(parameters: Sequence[Parameter], seed: int) -> Iterator[Point]:
    """Points of a scrambled Sobol' sequence without end: a longer search contains the shorter one.

    A parameter with a scale takes numbers between its levels, another one the level of its interval.
    """
    sequence = qmc.Sobol(len(parameters), scramble=True, rng=np.random.default_rng(derive_seed(seed, "sobol")))
    while True:
        for row in sequence.random(1):
            yield {p.name: p.at_fraction(float(fraction)) for p, fraction in zip(parameters, row, strict=True)}


def screening_points(parameters: Sequence[Parameter]) -> list[Point]:
    """The runs of a two-level design: every parameter at its first or its last level."""
    ends = [(parameter.labels[0], parameter.labels[-1]) for parameter in parameters]
    return [
        {p.name: end[int(sign > 0)] for p, end, sign in zip(parameters, ends, row, strict=True)}
        for row in screening_signs(len(parameters))
    ]


def screening_signs(n_factors: int) -> NDArray[np.int64]:
    """An orthogonal two-level design (runs, n_factors) of -1 and 1, all runs different, with room beyond main effects.

    A power of two from Sylvester's Hadamard matrix, or Plackett and Burman's 12 runs. With up to half as many factors
    as runs, main effects of the former are free of interactions of two factors (resolution IV).

    Args:
        n_factors: from 2 to 30.

    Raises:
        UserError: where there are too many factors, or too few.
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
    # column j of Sylvester's matrix is the product of the basic columns that are the bits of j: an odd number first
    order = sorted(range(1, runs), key=lambda j: (j.bit_count() % 2 == 0, j.bit_count(), j))
    return -np.asarray(hadamard(runs), np.int64)[:, order[:n_factors]]
