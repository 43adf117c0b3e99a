"""Shots with an error trajectory each, as on a machine: equal trajectories are simulated once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.chunks import EVALUATION_BYTES
from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.frames import Trajectories
from qllmft_backends.adjoint.shots import draw_outcomes, flip_bits

SITES = 4_000_000  # gates of all trajectories that errors are drawn on at once: bounds memory


def read_outcomes(
    engine: AdjointEngine,
    angles: NDArray[np.floating],
    drawn: Trajectories,
    readout_error: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Measure each trajectory once.

    The ``angles`` are (B, G) in radians, the N trajectories the same number per sample, one sample after the other.

    Returns:
        (N,) the sample of each outcome, and (N,) outcomes as read; bit q is qubit q.
    """
    n_qubits, runs = engine.program.n_qubits, drawn.count // max(1, len(angles))
    distinct, which = patterns(angles, drawn, runs)
    shots = np.bincount(which, minlength=len(distinct))
    shots[: len(angles)] = runs - np.bincount(drawn.rows // runs, minlength=len(angles))
    # shots row after row of `distinct`: whose sample each is, and what its frame flips at the end
    owners = np.repeat(np.arange(len(angles)), shots[: len(angles)])
    order = np.argsort(which, kind="stable")
    owners = np.concatenate([owners, (drawn.rows // runs)[order]])
    flips = np.concatenate([np.zeros(len(owners) - len(order), np.int64), drawn.flips[order]])
    step = max(1, EVALUATION_BYTES // 8 >> n_qubits)
    outcomes = np.concatenate(
        [
            draw_outcomes(engine.probabilities(distinct[i : i + step]), shots[i : i + step], rng)
            for i in range(0, len(distinct), step)
        ]
    )
    return owners, flip_bits(outcomes ^ flips, n_qubits, readout_error, rng)


def patterns(
    angles: NDArray[np.floating], drawn: Trajectories, runs: int
) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
    """Return the distinct angles, and the row of them of each run with an error. ``drawn`` has ``runs`` per sample.

    Returns:
        (B + D, G) angles, the first B those without errors; (K,) rows of it.
    """
    samples = drawn.rows // runs
    keys = np.concatenate(
        [samples[:, None].view(np.uint8), np.packbits(drawn.signs < 0, axis=1)], axis=1
    )
    _, first, which = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    distinct = angles[samples[first]] * drawn.signs[first]
    return np.concatenate([angles, distinct]), len(angles) + which.reshape(-1)
