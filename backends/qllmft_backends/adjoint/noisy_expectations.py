"""Noisy expectation values with their standard errors: many trajectories, each distinct one simulated once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.frames import FrameProgram, Trajectories
from qllmft_backends.adjoint.noisy import NoisyPass, readout_factors, stream
from qllmft_backends.adjoint.outcomes import SITES as _SITES
from qllmft_backends.adjoint.outcomes import patterns, read_outcomes
from qllmft_backends.counts import expectations_from_counts
from qllmft_backends.noise import CircuitNoise
from qllmft_backends.protocol import Expectations
from qllmft_backends.z_observables import ZObservables

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NoisySampler:
    """Expectation values of a circuit under noise. The engine measures the strings of ``sums``.

    - ``exact``: the mean over the trajectories; its standard error is that of the trajectories.
    - ``multinomial``: every shot is a trajectory of its own, as on a machine; its standard error is that of the shots.
    - ``gaussian``: the mean over the trajectories of training's passes, each with all shots; its standard error is
    their scatter, infinite for one trajectory under gate noise.
    """

    engine: AdjointEngine
    frames: FrameProgram
    noise: CircuitNoise
    sums: ZObservables

    def expectations(self, angles: Floats, seed: int) -> Expectations:
        """Return expectation values (B, O) for ``angles`` (B, G) in radians."""
        step = max(1, _SITES // max(1, self.runs * len(self.frames.gates)))
        starts = range(0, len(angles), step)
        parts = [
            self.estimates(angles[start : start + step], seed, number)
            for number, start in enumerate(starts)
        ]
        none = np.empty((0, len(self.sums.coefficients)))
        means, errors = zip((none, none), *parts, strict=True)
        return Expectations(np.concatenate(means), np.concatenate(errors))

    @property
    def runs(self) -> int:
        """Return N, random runs per sample: its shots if each has a trajectory of its own, else its trajectories."""
        return (self.noise.shots or 1) if self.noise.model == "multinomial" else self.noise.runs

    def estimates(self, angles: Floats, seed: int, part: int) -> tuple[Floats, Floats]:
        """Return means (B, O) and their standard errors for angles (B, G). Each ``part`` draws anew."""
        if self.noise.model == "gaussian":
            return self._by_passes(angles, int(stream(seed, part).integers(2**63)))
        count, first = len(angles) * self.runs, int(stream(seed, part, 0).integers(2**63))
        drawn = self.frames.draw(self.noise.gates, count, first)
        if self.noise.model == "multinomial":
            return self._by_counts(angles, drawn, stream(seed, part, 1))
        return self._by_trajectories(angles, drawn)

    def _by_trajectories(self, angles: Floats, drawn: Trajectories) -> tuple[Floats, Floats]:
        runs, masks, coefficients = self.runs, self.engine.masks, self.sums.coefficients
        distinct, which = patterns(angles, drawn, runs)
        strings = self.engine.values(distinct).astype(np.float64) * readout_factors(
            self.noise.gates, masks
        )
        ideal = strings[: len(angles)] @ coefficients.T  # (B, O)
        samples = drawn.rows // runs
        # (K, O)
        changes = strings[which] * drawn.string_signs(masks) @ coefficients.T - ideal[samples]
        # moments of the change, nothing in most runs
        first, second = np.zeros_like(ideal), np.zeros_like(ideal)
        np.add.at(first, samples, changes / runs)
        np.add.at(second, samples, changes**2 / runs)
        if not self.noise.gates.is_on_gates:
            return ideal, np.zeros_like(ideal)
        if runs == 1:
            return ideal + first, np.full_like(ideal, np.inf)
        return ideal + first, np.sqrt(np.maximum(second - first**2, 0) / (runs - 1))

    def _by_counts(
        self, angles: Floats, drawn: Trajectories, rng: np.random.Generator
    ) -> tuple[Floats, Floats]:
        """Estimate from shots, each on a trajectory of its own."""
        n_qubits = self.engine.program.n_qubits
        owners, read = read_outcomes(
            self.engine, angles, drawn, self.noise.gates.readout_error, rng
        )
        places, counts = np.unique(owners << n_qubits | read, return_counts=True)
        bounds = np.searchsorted(places, np.arange(len(angles) + 1) << n_qubits)
        answers = [
            expectations_from_counts(
                dict(
                    zip(
                        (places[i:j] & (1 << n_qubits) - 1).tolist(),
                        counts[i:j].tolist(),
                        strict=True,
                    )
                ),
                self.sums,
            )
            for i, j in pairwise(bounds.tolist())
        ]
        return np.array([mean for mean, _ in answers]), np.array([error for _, error in answers])

    def _by_passes(self, angles: Floats, seed: int) -> tuple[Floats, Floats]:
        """Estimate from passes of eq. 2, one per trajectory."""
        runs = self.runs
        single = NoisyPass(
            self.engine, self.frames, self.noise.model_copy(update={"trajectories": 1}), seed
        )
        strings = single.values(np.repeat(angles, runs, axis=0)).astype(np.float64)
        values = (strings @ self.sums.coefficients.T).reshape(len(angles), runs, -1)
        means = values.mean(axis=1)
        if runs > 1:
            return means, values.std(axis=1, ddof=1) / np.sqrt(runs)
        if self.noise.gates.is_on_gates:
            return means, np.full_like(means, np.inf)
        return means, self._shot_errors(angles)

    def _shot_errors(self, angles: Floats) -> Floats:
        """Return sqrt((⟨O²⟩ - ⟨O⟩²)/S) (B, O) by exact moments.

        The product of two Z strings is the string of their XOR.
        """
        engine, coefficients = self.engine, self.sums.coefficients
        products = np.unique(
            np.concatenate([engine.masks, (engine.masks[:, None] ^ engine.masks).reshape(-1)])
        )
        moments = (
            AdjointEngine(engine.program, products, engine.dtype).values(angles).astype(np.float64)
        )
        moments *= readout_factors(self.noise.gates, products)
        first = moments[:, np.searchsorted(products, engine.masks)]  # (B, T)
        # (B, T, T)
        second = moments[:, np.searchsorted(products, engine.masks[:, None] ^ engine.masks)]
        covariance = second - first[:, :, None] * first[:, None, :]
        variances = np.einsum("ot,btu,ou->bo", coefficients, covariance, coefficients)
        return np.asarray(np.sqrt(np.maximum(variances, 0) / (self.noise.shots or 1)))
