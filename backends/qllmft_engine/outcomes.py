"""True shots: outcomes of exact states, and of error trajectories, equal ones of which are simulated once."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Ints
from qllmft_engine.chunks import EVALUATION_BYTES
from qllmft_engine.chunks import Real as Reals
from qllmft_engine.compiled.frames import find_outcomes
from qllmft_engine.complex_engine import ComplexEngine
from qllmft_engine.frames import FrameProgram, Trajectories
from qllmft_engine.interface import MeasuringEngine

# gates of all trajectories that errors are drawn on at once: bounds memory
GATES_AT_ONCE = 4_000_000


def draw_outcomes(probabilities: Reals, shots: Ints, rng: Generator) -> Ints:
    """Draw (Σ shots,) true multinomial outcomes, row after row, from ``probabilities`` (N, 2^Q) and ``shots`` (N,)."""
    return np.asarray(find_outcomes(probabilities, shots, rng.random(int(shots.sum()))))


def flip_bits(outcomes: Ints, n_qubits: int, readout_error: float, rng: Generator) -> Ints:
    """Return outcomes (N,) with every bit flipped with probability ``readout_error``.

    Args:
        outcomes: (N,) int64; bit q is qubit q.
        n_qubits: number of bits.
        readout_error: probability of a flip; 0 draws nothing.
        rng: random numbers of the flips.
    """
    if readout_error == 0:
        return outcomes
    for qubit in range(n_qubits):
        flips = rng.random(outcomes.size) < readout_error
        outcomes = outcomes ^ (flips.astype(np.int64) << qubit)
    return outcomes


def flip_probabilities(probabilities: Reals, readout_error: float) -> Reals:
    """Return the probabilities (N, 2^Q) of outcomes as read, with every bit flipped with a probability."""
    flipped_probabilities = probabilities
    for qubit in range(probabilities.shape[1].bit_length() - 1):
        bits = flipped_probabilities.reshape(len(flipped_probabilities), -1, 2, 1 << qubit)
        flipped_probabilities = (
            (1 - readout_error) * bits + readout_error * bits[:, :, ::-1]
        ).reshape(flipped_probabilities.shape)
    return flipped_probabilities


def noisy_outcomes(
    engine: MeasuringEngine,
    frames: FrameProgram,
    noise: GateNoise,
    angles: Reals,
    shots: int,
    rng: Generator,
) -> Ints:
    """Return outcomes (B, S) of shots with an error trajectory each.

    Args:
        engine: of the circuit.
        frames: the same circuit.
        noise: gate noise and readout error.
        angles: (B, G) gate angles in radians.
        shots: S, measurements per row.
        rng: random numbers of the trajectories and the shots.
    """
    out = np.empty((len(angles), shots), np.int64)
    step = max(1, GATES_AT_ONCE // max(1, shots * len(frames.gates)))
    for start in range(0, len(angles), step):
        part = angles[start : start + step]
        seed = int(rng.integers(2**63)) if noise.is_on_gates else 0
        trajectories = frames.draw(noise, len(part) * shots, seed)
        owners, measured_bits = measure_trajectories(
            engine, part, trajectories, noise.readout_error, rng
        )
        ordered = measured_bits[np.argsort(owners, kind="stable")].reshape(len(part), shots)
        out[start : start + step] = rng.permuted(ordered, axis=1)  # shots with an error come last
    return out


def measure_trajectories(
    engine: MeasuringEngine,
    angles: Reals,
    trajectories: Trajectories,
    readout_error: float,
    rng: Generator,
) -> tuple[Ints, Ints]:
    """Measure each trajectory once.

    Args:
        engine: of the circuit.
        angles: (B, G) in radians.
        trajectories: N trajectories, the same number per sample, one sample after the other.
        readout_error: probability that a bit is read flipped.
        rng: random numbers of the shots.

    Returns:
        (N,) the sample of each outcome, and (N,) outcomes as read; bit q is qubit q.
    """
    runs = trajectories.count // max(1, len(angles))
    distinct, pattern_rows = find_distinct_angles(angles, trajectories, runs)
    shots = np.bincount(pattern_rows, minlength=len(distinct))
    shots[: len(angles)] = runs - np.bincount(trajectories.rows // runs, minlength=len(angles))
    # shots row after row of `distinct`: whose sample each is, and what its frame flips at the end
    owners = np.repeat(np.arange(len(angles)), shots[: len(angles)])
    order = np.argsort(pattern_rows, kind="stable")
    owners = np.concatenate([owners, (trajectories.rows // runs)[order]])
    flips = np.concatenate(
        [np.zeros(len(owners) - len(order), np.int64), trajectories.flips[order]]
    )
    outcomes = sample_outcomes(engine, distinct, shots, rng) ^ flips
    return owners, flip_bits(outcomes, engine.program.n_qubits, readout_error, rng)


def find_distinct_angles(
    angles: Reals, trajectories: Trajectories, runs: int
) -> tuple[Reals, Ints]:
    """Return the distinct angles, and the row of them of each run with an error.

    ``trajectories`` has ``runs`` per sample.

    Returns:
        (B + D, G) angles, the first B those without errors; (K,) rows of it.
    """
    samples = trajectories.rows // runs
    keys = np.concatenate(
        [samples[:, None].view(np.uint8), np.packbits(trajectories.signs < 0, axis=1)], axis=1
    )
    # a key as one value of bytes, which are compared at once; unique(axis=0) compares byte after byte
    whole_keys = keys.view(np.dtype((np.void, keys.shape[1]))).reshape(-1)
    _, first_rows, pattern_rows = np.unique(whole_keys, return_index=True, return_inverse=True)
    distinct = angles[samples[first_rows]] * trajectories.signs[first_rows]
    return np.concatenate([angles, distinct]), len(angles) + pattern_rows


def sample_outcomes(
    engine: MeasuringEngine | ComplexEngine, angles: Reals, shots: Ints, rng: Generator
) -> Ints:
    """Return outcomes (Σ shots,) of the final states for angles (N, G) and ``shots`` (N,), row after row.

    Args:
        engine: of the circuit.
        angles: (N, G) in radians.
        shots: (N,) measurements of each row, in the order of their draws.
        rng: random numbers of the shots.
    """
    step = max(1, EVALUATION_BYTES // 8 >> engine.program.n_qubits)
    parts = [
        draw_outcomes(engine.probabilities(angles[i : i + step]), shots[i : i + step], rng)
        for i in range(0, len(angles), step)
    ]
    return np.concatenate([np.empty(0, np.int64), *parts])
