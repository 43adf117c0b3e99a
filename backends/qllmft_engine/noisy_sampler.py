"""Expectations with noise and their standard errors, without a gradient."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from qllmft_backends.noise import CircuitNoise
from qllmft_backends.observables import ZObservables, expectations_from_counts, readout_factors
from qllmft_backends.protocol import Expectations, Floats
from qllmft_engine.engine import AdjointEngine
from qllmft_engine.frames import FrameProgram, Trajectories
from qllmft_engine.interface import MeasuringEngine
from qllmft_engine.noisy import NoisyPass, spawn_generator
from qllmft_engine.outcomes import (
    GATES_AT_ONCE,
    find_distinct_angles,
    measure_trajectories,
)


@dataclass(frozen=True)
class NoisySampler:
    """Expectation values of a circuit under noise. The engine measures the strings of ``sums``.

    - ``exact``: the mean over the trajectories; its standard error is that of the trajectories.
    - ``multinomial``: every shot is a trajectory of its own, as on a machine; its standard error is that of the shots.
    - ``gaussian``: the mean over the trajectories of training's passes, each with all shots; its standard error is
    their scatter, infinite for one trajectory under gate noise.
    """

    engine: MeasuringEngine
    frames: FrameProgram
    noise: CircuitNoise
    sums: ZObservables

    @property
    def runs(self) -> int:
        """Return N, random runs per sample: its shots if each has a trajectory of its own, else its trajectories."""
        return (self.noise.shots or 1) if self.noise.model == "multinomial" else self.noise.runs

    def expectations(self, angles: Floats, seed: int) -> Expectations:
        """Return expectation values (B, O) for ``angles`` (B, G) in radians."""
        step = max(1, GATES_AT_ONCE // max(1, self.runs * len(self.frames.gates)))
        means = [np.empty((0, len(self.sums.coefficients)))]
        errors = list(means)
        for number, start in enumerate(range(0, len(angles), step)):
            part = angles[start : start + step]
            if self.noise.model == "gaussian":
                part_expectations = self._by_passes(
                    part, int(spawn_generator(seed, number).integers(2**63))
                )
            else:
                trajectory_seed = int(spawn_generator(seed, number, 0).integers(2**63))
                trajectories = self.frames.draw(
                    self.noise.gate_noise, len(part) * self.runs, trajectory_seed
                )
                if self.noise.model == "multinomial":
                    part_expectations = self._by_counts(
                        part, trajectories, spawn_generator(seed, number, 1)
                    )
                else:
                    part_expectations = self._by_trajectories(part, trajectories)
            means.append(part_expectations[0])
            errors.append(part_expectations[1])
        return Expectations(np.concatenate(means), np.concatenate(errors))

    def _by_trajectories(self, angles: Floats, trajectories: Trajectories) -> tuple[Floats, Floats]:
        runs = self.runs
        masks = self.engine.masks
        coefficients = self.sums.coefficients
        distinct, pattern_rows = find_distinct_angles(angles, trajectories, runs)
        strings = self.engine.values(distinct).astype(np.float64)
        strings = strings * readout_factors(self.noise.gate_noise, masks)
        ideal = strings[: len(angles)] @ coefficients.T  # (B, O)
        samples = trajectories.rows // runs
        # (K, O)
        changes = (
            strings[pattern_rows] * trajectories.string_signs(masks) @ coefficients.T
            - ideal[samples]
        )
        # moments of the change, nothing in most runs
        mean_change = np.zeros_like(ideal)
        mean_square_change = np.zeros_like(ideal)
        np.add.at(mean_change, samples, changes / runs)
        np.add.at(mean_square_change, samples, changes**2 / runs)
        if not self.noise.gate_noise.is_on_gates:
            return ideal, np.zeros_like(ideal)
        if runs == 1:
            return ideal + mean_change, np.full_like(ideal, np.inf)
        return ideal + mean_change, np.sqrt(
            np.maximum(mean_square_change - mean_change**2, 0) / (runs - 1)
        )

    def _by_counts(
        self, angles: Floats, trajectories: Trajectories, rng: Generator
    ) -> tuple[Floats, Floats]:
        """Estimate from shots, each on a trajectory of its own."""
        n_qubits = self.engine.program.n_qubits
        error = self.noise.readout_error
        owners, measured_bits = measure_trajectories(self.engine, angles, trajectories, error, rng)
        places, counts = np.unique(owners << n_qubits | measured_bits, return_counts=True)
        bounds = np.searchsorted(places, np.arange(len(angles) + 1) << n_qubits)
        states = (places & (1 << n_qubits) - 1).tolist()
        shot_counts = counts.tolist()
        counts_by_sample = (
            dict(zip(states[i:j], shot_counts[i:j], strict=True))
            for i, j in pairwise(bounds.tolist())
        )
        estimates = expectations_from_counts(counts_by_sample, self.sums)
        return estimates.values, estimates.standard_errors

    def _by_passes(self, angles: Floats, seed: int) -> tuple[Floats, Floats]:
        """Estimate from passes of eq. 2, one per trajectory."""
        runs = self.runs
        one_run_noise = self.noise.model_copy(update={"trajectories": 1})
        one_run_pass = NoisyPass(self.engine, self.frames, one_run_noise, seed)
        strings = one_run_pass.values(np.repeat(angles, runs, axis=0)).astype(np.float64)
        values = (strings @ self.sums.coefficients.T).reshape(len(angles), runs, -1)
        means = values.mean(axis=1)
        if runs > 1:
            return means, values.std(axis=1, ddof=1) / np.sqrt(runs)
        if self.noise.gate_noise.is_on_gates:
            return means, np.full_like(means, np.inf)
        return means, self._shot_errors(angles)

    def _shot_errors(self, angles: Floats) -> Floats:
        """Return sqrt((⟨O²⟩ - ⟨O⟩²)/S) (B, O) by exact moments.

        The product of two Z strings is the string of their XOR.
        """
        engine = self.engine
        coefficients = self.sums.coefficients
        pairs = engine.masks[:, None] ^ engine.masks
        products = np.unique(np.concatenate([engine.masks, pairs.reshape(-1)]))
        product_engine = AdjointEngine(engine.program, products, engine.dtype)
        moments = product_engine.values(angles).astype(np.float64)
        moments *= readout_factors(self.noise.gate_noise, products)
        first_moments = moments[:, np.searchsorted(products, engine.masks)]  # (B, T)
        second_moments = moments[:, np.searchsorted(products, pairs)]  # (B, T, T)
        covariance = second_moments - first_moments[:, :, None] * first_moments[:, None, :]
        variances = np.einsum("ot,btu,ou->bo", coefficients, covariance, coefficients)
        return np.asarray(np.sqrt(np.maximum(variances, 0) / (self.noise.shots or 1)))
