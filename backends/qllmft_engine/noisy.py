"""Noise on the engine: differentiable passes of training.

Errors, shots and flips of a pass are drawn from one seed. Of many trajectories each distinct one is simulated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator

from qllmft_backends.errors import BackendError
from qllmft_backends.noise import CircuitNoise
from qllmft_backends.observables import readout_factors
from qllmft_engine.chunks import EVALUATION_BYTES, GaussianShots, Real
from qllmft_engine.frames import FrameProgram, Trajectories
from qllmft_engine.interface import MeasuringEngine
from qllmft_engine.outcomes import (
    GATES_AT_ONCE,
    draw_outcomes,
    flip_bits,
    flip_probabilities,
    measure_trajectories,
)


def spawn_generator(seed: int, *place: int) -> Generator:
    """Return a generator of its own for one use of a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


@dataclass
class NoisyTape:
    """Record of a forward pass for `NoisyPass.vjp`."""

    angles: Real  # (B, G), or (G,)
    # the engine's tape; None of true shots, whose gradient measures shifted angles
    engine: Any = None
    runs: Trajectories | None = None  # None without gate noise
    # (B·N, T) normalised ⟨Z-string⟩ before signs and flips, and (B·N, 1) sums of frequencies; None
    # without `CircuitNoise.renormalize`
    normal: tuple[Real, Real] | None = None


@dataclass(frozen=True)
class NoisyPass:
    """Noisy pass of an engine, with the engine's methods, for angles (B, G) and the state |0...0⟩.

    Shots of eq. 2 alone are also for loaded amplitudes (B, D), with angles (G,) or (B, G).

    All shots of a sample are measured on the same trajectory (or trajectories), drawn anew in every step of a training.
    The gradient is that of the trajectory; with shots, that of the outcomes which eq. 2 did not rectify, and of their
    sum if frequencies are divided by it. With ``multinomial`` it comes from two more measurements of a sample for each
    angle, by the parameter-shift rule, as on a machine.

    The same ``seed`` gives the same bits, on any number of threads. A pass that ``evaluates`` is one of validation or
    test, in which shots may have trajectories of their own.

    Raises:
        BackendError: if eq. 2 is to have readout error and strings overlap: their errors would be correlated.
    """

    engine: MeasuringEngine
    frames: FrameProgram
    noise: CircuitNoise
    seed: int
    evaluates: bool = False

    def __post_init__(self) -> None:
        if not self.noise.readout_error or self.noise.model != "gaussian":
            return
        masks = self.engine.masks
        if int(np.bitwise_or.reduce(masks, initial=0)) != int(masks.sum()):
            raise BackendError(
                "readout error with shot_model='gaussian' needs observables on qubits of their own, got strings that "
                f"share some: {[bin(m) for m in masks.tolist()]}. Measure single qubits, or set "
                "shot_model='multinomial'."
            )

    @property
    def device(self) -> str:
        """Return the device that computes."""
        return self.engine.device

    @property
    def double(self) -> NoisyPass:
        """Return the same errors on the engine in float64."""
        return replace(self, engine=self.engine.double)

    @property
    def in_evaluation(self) -> NoisyPass:
        """Return the same trajectories with the shots of validation and test."""
        return replace(self, noise=self.noise.in_evaluation, evaluates=True)

    def values(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return noisy ⟨Z-string⟩ (B, T)."""
        if self.evaluates and self.noise.shot_test == "per_shot":
            self._check(angles, amplitudes)
            return self._values_per_shot(angles)
        signed_angles, runs = self._draw_runs(angles, amplitudes)
        if self.noise.model == "multinomial":
            return self._average_runs(self._values_by_outcomes(signed_angles, runs))
        engine_values = self._measuring_engine.values(signed_angles, amplitudes, shots=self._shots)
        return self._apply_readout(engine_values, runs)[0]

    def forward(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, NoisyTape]:
        """Return noisy ⟨Z-string⟩ (B, T), and a tape for one backward sweep."""
        if self.noise.model == "multinomial":
            return self.values(angles, amplitudes), NoisyTape(angles)
        signed_angles, runs = self._draw_runs(angles, amplitudes)
        engine_values, tape = self._measuring_engine.forward(
            signed_angles, amplitudes, shots=self._shots
        )
        values, normal = self._apply_readout(engine_values, runs)
        return values, NoisyTape(angles, tape, runs, normal)

    def vjp(
        self, tape: NoisyTape, cotangent: Real, *, amplitudes: bool = False
    ) -> tuple[Real, Real | None]:
        """Return the gradients of the angles, (B, G) or (G,), and of ``amplitudes`` for ``cotangent`` (B, T)."""
        if amplitudes and not self._loads_amplitudes:
            raise BackendError(
                "a noisy pass begins in |0...0⟩. It has no amplitudes to differentiate by."
            )
        if tape.engine is None:
            return self._gradient_by_shifts(tape.angles, cotangent), None
        count = self.noise.runs
        weights = cotangent.copy() if count == 1 else np.repeat(cotangent, count, axis=0) / count
        if self.noise.readout_error:
            weights = weights * readout_factors(self.noise.gate_noise, self.engine.masks)
        if tape.runs is not None:
            tape.runs.sign_strings(weights, self.engine.masks)
        if tape.normal is not None:
            values, sums = tape.normal
            weights = weights / sums  # of v/s: 1/s by v, -v/s² by s
            by_sum = -(weights * values).sum(axis=1, keepdims=True)
            weights = np.concatenate([weights, by_sum], axis=1)
        gradient, by_amplitude = self._measuring_engine.vjp(
            tape.engine, weights, amplitudes=amplitudes
        )
        if tape.runs is not None:
            tape.runs.sign_angles(gradient)
        if count > 1:
            gradient = gradient.reshape(len(tape.angles), count, -1).sum(axis=1)
        return gradient, by_amplitude

    # --- parts

    @property
    def _loads_amplitudes(self) -> bool:
        """Return whether the noise is that of eq. 2 alone, which any state can have."""
        gate_noise = self.noise.gate_noise
        has_gate_noise = gate_noise.is_on_gates or gate_noise.readout_error
        return self.noise.model == "gaussian" and self.noise.runs == 1 and not has_gate_noise

    def _check(self, angles: Real, amplitudes: Real | None) -> None:
        if (amplitudes is not None or angles.ndim != 2) and not self._loads_amplitudes:
            raise BackendError(
                "a noisy pass takes angles (B, G) and begins in |0...0⟩. Loaded amplitudes belong to an encoder, whose "
                "only noise is that of shot_model='gaussian'."
            )

    def _draw_runs(self, angles: Real, amplitudes: Real | None) -> tuple[Real, Trajectories | None]:
        """Return angles (B·N, G) of N trajectories per sample, one sample after the other."""
        self._check(angles, amplitudes)
        noise = self.noise.gate_noise
        count = self.noise.runs
        signed_angles = angles if count == 1 else np.repeat(angles, count, axis=0)
        if not noise.is_on_gates:
            return signed_angles, None
        if self.noise.draw == "batch":
            runs = self.frames.draw(noise, count, self.seed).repeat(len(angles))
        else:
            runs = self.frames.draw(noise, len(signed_angles), self.seed)
        if not runs.rows.size:
            return signed_angles, None
        signed_angles = np.array(signed_angles)
        runs.sign_angles(signed_angles)
        return signed_angles, runs

    @property
    def _measuring_engine(self) -> MeasuringEngine:
        """Return the engine, which also measures the sum of the frequencies if they are divided by it."""
        return self.engine.with_identity if self.noise.renormalize else self.engine

    @property
    def _shots(self) -> GaussianShots | None:
        if self.noise.shots is None or self.noise.model != "gaussian":
            return None
        reparametrised = self.noise.gradient == "reparametrised"
        return GaussianShots(self.noise.shots, self.seed, reparametrised=reparametrised)

    def _apply_readout(
        self, values: Real, runs: Trajectories | None
    ) -> tuple[Real, tuple[Real, Real] | None]:
        """Return ⟨Z-string⟩ (B, T) as read, and `NoisyTape.normal`, from the values of the engine (B·N, T or T + 1).

        The frames' signs and the flips of the readout are applied. Flips multiply the mean with f = (1 - 2e)^weight.
        For shots they also raise the variance from f²(1 - z²)/S to (1 - f²z²)/S, independently for strings on different
        qubits: by (1 - f²)/S.
        """
        normal = None
        if self.noise.renormalize:
            sums = values[:, -1:]  # at least 1: before rectification the frequencies add up to 1
            values = values[:, :-1] / sums
            normal = values.copy(), sums
        if runs is not None:
            runs.sign_strings(values, self.engine.masks)
        if self.noise.readout_error:
            factors = readout_factors(self.noise.gate_noise, self.engine.masks)
            values *= factors
            if self.noise.shots is not None:
                readout_std = np.sqrt((1 - factors**2) / self.noise.shots)
                values += readout_std * spawn_generator(self.seed, 2).standard_normal(values.shape)
        return self._average_runs(values), normal

    def _values_by_outcomes(self, angles: Real, runs: Trajectories | None) -> Real:
        """Return ⟨Z-string⟩ (B·N, T) from true shots."""
        shots = self.noise.shots or 0
        n_qubits = self.engine.program.n_qubits
        flips = np.zeros(len(angles), np.int64)
        if runs is not None:
            flips[runs.rows] = runs.flips
        out = np.empty((len(angles), self.engine.masks.size), self.engine.dtype)
        rng = spawn_generator(self.seed, 1)
        step = max(1, min(EVALUATION_BYTES // 8 >> n_qubits, EVALUATION_BYTES // (8 * shots)))
        for start in range(0, len(angles), step):
            part = slice(start, start + step)
            probabilities = self.engine.probabilities(angles[part])
            outcomes = draw_outcomes(probabilities, np.full(len(probabilities), shots), rng)
            measured_bits = flip_bits(outcomes, n_qubits, self.noise.readout_error, rng)
            measured_bits = measured_bits.reshape(-1, shots) ^ flips[part, None]
            for t, mask in enumerate(self.engine.masks):
                out[part, t] = 1 - 2 * (np.bitwise_count(measured_bits & mask) & 1).mean(axis=1)
        return out

    def _gradient_by_shifts(self, angles: Real, cotangent: Real) -> Real:
        """Return the gradient (B, G) of Σ cotangent · values by the angles (B, G), from values at shifted angles.

        Each angle is that of one R_Y, so ∂⟨Z⟩/∂θ = (⟨Z⟩(θ + π/2) - ⟨Z⟩(θ - π/2)) / 2, under gate noise too.
        """
        gradient = np.zeros(angles.shape, self.engine.dtype)
        samples, slots = map(np.ravel, np.indices(angles.shape))
        step = max(1, GATES_AT_ONCE // (2 * self.noise.runs * max(1, len(self.frames.gates))))
        for start in range(0, len(slots), step):
            sample = samples[start : start + step]
            slot = slots[start : start + step]
            shifted = np.repeat(angles[np.newaxis, sample], 2, axis=0)  # plus and minus π/2
            shifted[:, np.arange(len(slot)), slot] += np.array([[np.pi / 2], [-np.pi / 2]])
            seed = int(spawn_generator(self.seed, 5, start).integers(2**63))
            values = replace(self, seed=seed)._values_by_counts(
                shifted.reshape(-1, angles.shape[1])
            )
            plus, minus = values.reshape(2, len(slot), self.engine.masks.size)
            gradient[sample, slot] = ((plus - minus) / 2 * cotangent[sample]).sum(axis=1)
        return gradient

    def _values_by_counts(self, angles: Real) -> Real:
        """Return ⟨Z-string⟩ (B, T) from true shots, in other draws than `values`.

        The number of each outcome is drawn, which takes the same time for any number of shots.
        """
        if self.evaluates and self.noise.shot_test == "per_shot":
            return self._values_per_shot(angles)
        signed_angles, runs = self._draw_runs(angles, None)
        shots = self.noise.shots or 0
        n_qubits = self.engine.program.n_qubits
        masks = self.engine.masks
        signs = 1.0 - 2 * (np.bitwise_count(np.arange(1 << n_qubits)[:, None] & masks) & 1)
        out = np.empty((len(signed_angles), masks.size), self.engine.dtype)
        rng = spawn_generator(self.seed, 1)
        step = max(1, EVALUATION_BYTES // 8 >> n_qubits)
        for start in range(0, len(signed_angles), step):
            part = slice(start, start + step)
            probabilities = self.engine.probabilities(signed_angles[part]).astype(np.float64)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            read_probabilities = flip_probabilities(probabilities, self.noise.readout_error)
            out[part] = rng.multinomial(shots, read_probabilities) @ signs / shots
        if runs is not None:
            runs.sign_strings(out, masks)
        return self._average_runs(out)

    def _values_per_shot(self, angles: Real) -> Real:
        """Return ⟨Z-string⟩ (B, T) from true shots with a trajectory each."""
        shots = self.noise.shots or 0
        noise = self.noise.gate_noise
        out = np.empty((len(angles), self.engine.masks.size), self.engine.dtype)
        step = max(1, GATES_AT_ONCE // (shots * max(1, len(self.frames.gates))))
        for start in range(0, len(angles), step):
            part = angles[start : start + step]
            seed = int(spawn_generator(self.seed, 3, start).integers(2**63))
            trajectories = self.frames.draw(noise, len(part) * shots, seed)
            rng = spawn_generator(self.seed, 4, start)
            owners, measured_bits = measure_trajectories(
                self.engine, part, trajectories, noise.readout_error, rng
            )
            for t, mask in enumerate(self.engine.masks):
                ones = np.bincount(owners, np.bitwise_count(measured_bits & mask) & 1, len(part))
                out[start : start + step, t] = 1 - 2 * ones / shots
        return out

    def _average_runs(self, values: Real) -> Real:
        if self.noise.runs == 1:
            return values
        return np.asarray(values.reshape(-1, self.noise.runs, values.shape[1]).mean(axis=1))
