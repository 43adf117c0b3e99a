"""Noise on the engine: differentiable passes of training, and expectation values with their standard errors.

Errors, shots and flips of a pass are drawn from one seed. Of many trajectories each distinct one is simulated once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.chunks import EVALUATION_BYTES, Real
from qllmft_backends.adjoint.engine import AdjointEngine, GaussianShots, Tape
from qllmft_backends.adjoint.frames import FrameProgram, Trajectories
from qllmft_backends.adjoint.outcomes import (
    SITES,
    draw_outcomes,
    flip_bits,
    patterns,
    read_outcomes,
)
from qllmft_backends.errors import BackendError
from qllmft_backends.noise import CircuitNoise, GateNoise
from qllmft_backends.observables import ZObservables, expectations_of_counts
from qllmft_backends.protocol import Expectations

Floats = NDArray[np.float64]


def stream(seed: int, *place: int) -> np.random.Generator:
    """Return a generator of its own for one use of a seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=place))


def readout_factors(noise: GateNoise, masks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (T,) the factors of readout error on the Z strings ``masks``."""
    return np.array([noise.readout_factor(int(mask).bit_count()) for mask in masks])


@dataclass
class NoisyTape:
    """Record of a forward pass for `NoisyPass.vjp`."""

    # the engine's tape; None if the gradient is blocked
    engine: Tape | None
    runs: Trajectories | None  # None without gate noise
    shape: tuple[int, ...]  # (B, G) of the angles
    # (B·N, T) normalised ⟨Z-string⟩ before signs and flips, and (B·N, 1) sums of frequencies; None
    # without `CircuitNoise.renormalize`
    normal: tuple[Real, Real] | None = None


@dataclass(frozen=True)
class NoisyPass:
    """Noisy pass of an engine, with the engine's methods, for angles (B, G) and the state |0...0⟩.

    Shots of eq. 2 alone are also for loaded amplitudes (B, D), with angles (G,) or (B, G).

    All shots of a sample are measured on the same trajectory (or trajectories), drawn anew in every step of a training.
    The gradient is that of the trajectory; with shots, that of the outcomes which eq. 2 did not rectify, and of their
    sum if frequencies are divided by it; with ``multinomial`` it is zero.

    The same ``seed`` gives the same bits, on any number of threads. A pass that ``evaluates`` is one of validation or
    test, in which shots may have trajectories of their own.

    Raises:
        BackendError: if eq. 2 is to have readout error and strings overlap: their errors would be correlated.
    """

    device: ClassVar[str] = "cpu"
    engine: AdjointEngine
    frames: FrameProgram
    noise: CircuitNoise
    seed: int
    evaluates: bool = False

    def __post_init__(self) -> None:
        if not self.noise.gate_noise.readout_error or self.noise.model != "gaussian":
            return
        masks = self.engine.masks
        if int(np.bitwise_or.reduce(masks, initial=0)) != int(masks.sum()):
            raise BackendError(
                "readout error with shot_model='gaussian' needs observables on qubits of their own, got strings that "
                f"share some: {[bin(m) for m in masks.tolist()]}. Measure single qubits, or set "
                "shot_model='multinomial'."
            )

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
            return self._of_each_shot(angles, amplitudes)
        drawn, runs = self._drawn(angles, amplitudes)
        if self.noise.model == "multinomial":
            return self._means(self._counted(drawn, runs))
        values, _ = self._normalised(self._measuring.values(drawn, amplitudes, shots=self._shots()))
        return self._means(self._read(values, runs))

    def forward(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, NoisyTape]:
        """Return noisy ⟨Z-string⟩ (B, T), and a tape for one backward sweep."""
        if self.noise.model == "multinomial":
            return self.values(angles, amplitudes), NoisyTape(None, None, angles.shape)
        drawn, runs = self._drawn(angles, amplitudes)
        measured, tape = self._measuring.forward(drawn, amplitudes, shots=self._shots())
        values, sums = self._normalised(measured)
        normal = None if sums is None else (values.copy(), sums)
        return self._means(self._read(values, runs)), NoisyTape(tape, runs, angles.shape, normal)

    def vjp(
        self, tape: NoisyTape, cotangent: Real, *, amplitudes: bool = False
    ) -> tuple[Real, Real | None]:
        """Return the gradients of the angles, (B, G) or (G,), and of ``amplitudes`` for ``cotangent`` (B, T)."""
        if amplitudes and not self._loads_amplitudes:
            raise BackendError(
                "a noisy pass begins in |0...0⟩; it has no amplitudes to differentiate by."
            )
        if tape.engine is None:
            return np.zeros(tape.shape, self.engine.dtype), None
        count = self.noise.runs
        weights = cotangent.copy() if count == 1 else np.repeat(cotangent, count, axis=0) / count
        if self.noise.gate_noise.readout_error:
            weights = weights * readout_factors(self.noise.gate_noise, self.engine.masks)
        if tape.runs is not None:
            tape.runs.sign_strings(weights, self.engine.masks)
        if tape.normal is not None:
            values, sums = tape.normal
            weights = weights / sums  # of v/s: 1/s by v, -v/s² by s
            weights = np.concatenate(
                [weights, -(weights * values).sum(axis=1, keepdims=True)], axis=1
            )
        gradient, by_amplitude = self._measuring.vjp(tape.engine, weights, amplitudes=amplitudes)
        if tape.runs is not None:
            tape.runs.sign_angles(gradient)
        if count > 1:
            gradient = gradient.reshape(tape.shape[0], count, -1).sum(axis=1)
        return gradient, by_amplitude

    # --- parts

    @property
    def _loads_amplitudes(self) -> bool:
        """Return whether the noise is that of eq. 2 alone, which any state can have."""
        noise = self.noise
        return (
            noise.model == "gaussian"
            and noise.runs == 1
            and not (noise.gate_noise.is_on_gates or noise.gate_noise.readout_error)
        )

    def _check(self, angles: Real, amplitudes: Real | None) -> None:
        if (amplitudes is not None or angles.ndim != 2) and not self._loads_amplitudes:
            raise BackendError(
                "a noisy pass takes angles (B, G) and begins in |0...0⟩; loaded amplitudes belong to an encoder, whose "
                "only noise is that of shot_model='gaussian'."
            )

    def _drawn(self, angles: Real, amplitudes: Real | None) -> tuple[Real, Trajectories | None]:
        """Return angles (B·N, G) of N trajectories per sample, one sample after the other."""
        self._check(angles, amplitudes)
        count = self.noise.runs
        drawn = angles if count == 1 else np.repeat(angles, count, axis=0)
        if not self.noise.gate_noise.is_on_gates:
            return drawn, None
        if self.noise.draw == "batch":
            runs = self.frames.draw(self.noise.gate_noise, count, self.seed).repeated(len(angles))
        else:
            runs = self.frames.draw(self.noise.gate_noise, len(drawn), self.seed)
        if not runs.rows.size:
            return drawn, None
        drawn = np.array(drawn)
        runs.sign_angles(drawn)
        return drawn, runs

    @property
    def _measuring(self) -> AdjointEngine:
        """Return the engine, which also measures the sum of the frequencies if they are divided by it."""
        return self.engine.with_total if self.noise.renormalize else self.engine

    def _normalised(self, measured: Real) -> tuple[Real, Real | None]:
        """Return ⟨Z-string⟩ (B·N, T), and the sums of frequencies (B·N, 1) that they were divided by."""
        if not self.noise.renormalize:
            return measured, None
        sums = measured[:, -1:]  # at least 1: before rectification the frequencies add up to 1
        return measured[:, :-1] / sums, sums

    def _shots(self) -> GaussianShots | None:
        if self.noise.shots is None or self.noise.model != "gaussian":
            return None
        return GaussianShots(
            self.noise.shots, self.seed, reparametrised=self.noise.gradient == "reparametrised"
        )

    def _read(self, values: Real, runs: Trajectories | None) -> Real:
        """Apply the frames' signs and the flips of the readout to ⟨Z-string⟩ (B·N, T).

        Flips multiply the mean with f = (1 - 2e)^weight. For shots they also raise the variance from f²(1 - z²)/S to (1
        - f²z²)/S, independently for strings on different qubits: by (1 - f²)/S.
        """
        if runs is not None:
            runs.sign_strings(values, self.engine.masks)
        if not self.noise.gate_noise.readout_error:
            return values
        factors = readout_factors(self.noise.gate_noise, self.engine.masks)
        values *= factors
        if self.noise.shots is not None:
            scatter = np.sqrt((1 - factors**2) / self.noise.shots)
            values += scatter * stream(self.seed, 2).standard_normal(values.shape)
        return values

    def _counted(self, angles: Real, runs: Trajectories | None) -> Real:
        """Return ⟨Z-string⟩ (B·N, T) from true shots."""
        shots = self.noise.shots or 0
        n_qubits = self.engine.program.n_qubits
        flips = np.zeros(len(angles), np.int64)
        if runs is not None:
            flips[runs.rows] = runs.flips
        out = np.empty((len(angles), self.engine.masks.size), self.engine.dtype)
        rng = stream(self.seed, 1)
        step = max(1, min(EVALUATION_BYTES // 8 >> n_qubits, EVALUATION_BYTES // (8 * shots)))
        for start in range(0, len(angles), step):
            probabilities = self.engine.probabilities(angles[start : start + step])
            outcomes = draw_outcomes(probabilities, np.full(len(probabilities), shots), rng)
            read = flip_bits(outcomes, n_qubits, self.noise.gate_noise.readout_error, rng).reshape(
                -1, shots
            )
            read ^= flips[start : start + step, None]
            for t, mask in enumerate(self.engine.masks):
                out[start : start + step, t] = 1 - 2 * (np.bitwise_count(read & mask) & 1).mean(
                    axis=1
                )
        return out

    def _of_each_shot(self, angles: Real, amplitudes: Real | None) -> Real:
        """Return ⟨Z-string⟩ (B, T) from true shots with a trajectory each."""
        self._check(angles, amplitudes)
        shots, masks = self.noise.shots or 0, self.engine.masks
        out = np.empty((len(angles), masks.size), self.engine.dtype)
        step = max(1, SITES // (shots * max(1, len(self.frames.gates))))
        for start in range(0, len(angles), step):
            part = angles[start : start + step]
            seed = int(stream(self.seed, 3, start).integers(2**63))
            rng = stream(self.seed, 4, start)
            drawn = self.frames.draw(self.noise.gate_noise, len(part) * shots, seed)
            owners, read = read_outcomes(
                self.engine, part, drawn, self.noise.gate_noise.readout_error, rng
            )
            for t, mask in enumerate(masks):
                ones = np.bincount(owners, np.bitwise_count(read & mask) & 1, len(part))
                out[start : start + step, t] = 1 - 2 * ones / shots
        return out

    def _means(self, values: Real) -> Real:
        if self.noise.runs == 1:
            return values
        return np.asarray(values.reshape(-1, self.noise.runs, values.shape[1]).mean(axis=1))


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
        step = max(1, SITES // max(1, self.runs * len(self.frames.gates)))
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
        drawn = self.frames.draw(self.noise.gate_noise, count, first)
        if self.noise.model == "multinomial":
            return self._by_counts(angles, drawn, stream(seed, part, 1))
        return self._by_trajectories(angles, drawn)

    def _by_trajectories(self, angles: Floats, drawn: Trajectories) -> tuple[Floats, Floats]:
        runs, masks, coefficients = self.runs, self.engine.masks, self.sums.coefficients
        distinct, which = patterns(angles, drawn, runs)
        strings = self.engine.values(distinct).astype(np.float64) * readout_factors(
            self.noise.gate_noise, masks
        )
        ideal = strings[: len(angles)] @ coefficients.T  # (B, O)
        samples = drawn.rows // runs
        # (K, O)
        changes = strings[which] * drawn.string_signs(masks) @ coefficients.T - ideal[samples]
        # moments of the change, nothing in most runs
        first, second = np.zeros_like(ideal), np.zeros_like(ideal)
        np.add.at(first, samples, changes / runs)
        np.add.at(second, samples, changes**2 / runs)
        if not self.noise.gate_noise.is_on_gates:
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
            self.engine, angles, drawn, self.noise.gate_noise.readout_error, rng
        )
        places, counts = np.unique(owners << n_qubits | read, return_counts=True)
        bounds = np.searchsorted(places, np.arange(len(angles) + 1) << n_qubits)
        states, numbers = (places & (1 << n_qubits) - 1).tolist(), counts.tolist()
        of_samples = (
            dict(zip(states[i:j], numbers[i:j], strict=True)) for i, j in pairwise(bounds.tolist())
        )
        found = expectations_of_counts(of_samples, self.sums)
        return found.values, found.standard_errors

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
        if self.noise.gate_noise.is_on_gates:
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
        moments *= readout_factors(self.noise.gate_noise, products)
        first = moments[:, np.searchsorted(products, engine.masks)]  # (B, T)
        # (B, T, T)
        second = moments[:, np.searchsorted(products, engine.masks[:, None] ^ engine.masks)]
        covariance = second - first[:, :, None] * first[:, None, :]
        variances = np.einsum("ot,btu,ou->bo", coefficients, covariance, coefficients)
        return np.asarray(np.sqrt(np.maximum(variances, 0) / (self.noise.shots or 1)))
