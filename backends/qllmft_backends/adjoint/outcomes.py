"""True shots: outcomes of exact states, and of error trajectories, equal ones of which are simulated once."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from qllmft_backends.adjoint.chunks import EVALUATION_BYTES
from qllmft_backends.adjoint.chunks import Real as Reals
from qllmft_backends.adjoint.compiled.frames import outcomes_at
from qllmft_backends.adjoint.complex_engine import ComplexEngine
from qllmft_backends.adjoint.frames import FrameProgram, Trajectories
from qllmft_backends.adjoint.interface import MeasuringEngine
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import Ints

SITES = 4_000_000  # gates of all trajectories that errors are drawn on at once: bounds memory


def draw_outcomes(probabilities: Reals, shots: Ints, rng: Generator) -> Ints:
    """Draw (Σ shots,) true multinomial outcomes, row after row, from ``probabilities`` (N, 2^Q) and ``shots`` (N,)."""
    return np.asarray(outcomes_at(probabilities, shots, rng.random(int(shots.sum()))))


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
    read = probabilities
    for qubit in range(probabilities.shape[1].bit_length() - 1):
        bits = read.reshape(len(read), -1, 2, 1 << qubit)
        read = ((1 - readout_error) * bits + readout_error * bits[:, :, ::-1]).reshape(read.shape)
    return read


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
    step = max(1, SITES // max(1, shots * len(frames.gates)))
    for start in range(0, len(angles), step):
        part = angles[start : start + step]
        seed = int(rng.integers(2**63)) if noise.is_on_gates else 0
        drawn = frames.draw(noise, len(part) * shots, seed)
        owners, read = read_outcomes(engine, part, drawn, noise.readout_error, rng)
        ordered = read[np.argsort(owners, kind="stable")].reshape(len(part), shots)
        out[start : start + step] = rng.permuted(ordered, axis=1)  # shots with an error come last
    return out


def read_outcomes(
    engine: MeasuringEngine,
    angles: Reals,
    drawn: Trajectories,
    readout_error: float,
    rng: Generator,
) -> tuple[Ints, Ints]:
    """Measure each trajectory once.

    Args:
        engine: of the circuit.
        angles: (B, G) in radians.
        drawn: N trajectories, the same number per sample, one sample after the other.
        readout_error: probability that a bit is read flipped.
        rng: random numbers of the shots.

    Returns:
        (N,) the sample of each outcome, and (N,) outcomes as read; bit q is qubit q.
    """
    runs = drawn.count // max(1, len(angles))
    distinct, which = patterns(angles, drawn, runs)
    shots = np.bincount(which, minlength=len(distinct))
    shots[: len(angles)] = runs - np.bincount(drawn.rows // runs, minlength=len(angles))
    # shots row after row of `distinct`: whose sample each is, and what its frame flips at the end
    owners = np.repeat(np.arange(len(angles)), shots[: len(angles)])
    order = np.argsort(which, kind="stable")
    owners = np.concatenate([owners, (drawn.rows // runs)[order]])
    flips = np.concatenate([np.zeros(len(owners) - len(order), np.int64), drawn.flips[order]])
    outcomes = measured(engine, distinct, shots, rng) ^ flips
    return owners, flip_bits(outcomes, engine.program.n_qubits, readout_error, rng)


def patterns(angles: Reals, drawn: Trajectories, runs: int) -> tuple[Reals, Ints]:
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


def measured(
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
