"""Outcomes of circuits on the engine: shots of exact states, or one trajectory per shot under noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.chunks import EVALUATION_BYTES
from qllmft_backends.adjoint.complex_engine import ComplexEngine
from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.frames import FrameProgram, Trajectories
from qllmft_backends.adjoint.separate_shots import SITES, read_outcomes
from qllmft_backends.adjoint.shots import draw_outcomes
from qllmft_backends.noise import GateNoise


def exact_outcomes(
    engine: AdjointEngine | ComplexEngine,
    angles: NDArray[np.float64],
    shots: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return outcomes (B, S) of the final states for angles (B, G), each row in the order of its draws."""
    step = max(1, EVALUATION_BYTES // 8 >> engine.program.n_qubits)
    rows = [
        draw_outcomes(engine.probabilities(part), np.full(len(part), shots), rng)
        for part in (angles[i : i + step] for i in range(0, len(angles), step))
    ]
    return np.concatenate([np.empty(0, np.int64), *rows]).reshape(len(angles), shots)


def noisy_outcomes(
    engine: AdjointEngine,
    frames: FrameProgram,
    noise: GateNoise,
    angles: NDArray[np.float64],
    shots: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return outcomes (B, S) for angles (B, G) under gate noise and readout error, each shot a trajectory."""
    out = np.empty((len(angles), shots), np.int64)
    step = max(1, SITES // max(1, shots * len(frames.gates)))
    for start in range(0, len(angles), step):
        part = angles[start : start + step]
        count = len(part) * shots
        if noise.one_qubit_rate or noise.two_qubit_rate:
            drawn = frames.draw(noise, count, int(rng.integers(2**63)))
        else:
            none = np.empty(0, np.int64)
            drawn = Trajectories(count, none, np.empty((0, frames.n_angles), np.int8), none)
        owners, read = read_outcomes(engine, part, drawn, noise.readout_error, rng)
        ordered = read[np.argsort(owners, kind="stable")].reshape(len(part), shots)
        out[start : start + step] = rng.permuted(ordered, axis=1)  # shots with an error come last
    return out
