"""The adjoint engine: expectation values of a batch, and their vector-Jacobian product in one sweep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint import kernels
from qllmft_backends.adjoint.program import Program
from qllmft_backends.adjoint.simd import lanes
from qllmft_backends.adjoint.workers import for_each
from qllmft_backends.errors import BackendError

Real = NDArray[np.floating]
SAMPLES_PER_CHUNK = 8  # B = 16 then fills two cores; fixed, so that results do not depend on the machine's cores
EVALUATION_BYTES = 64 * 2**20  # states held at once where no gradient will be asked for
_MAX_QUBITS = 30


@dataclass
class Tape:
    """What `AdjointEngine.vjp` needs of a forward pass: the final states. One sweep consumes it.

    Attributes:
        states: (chunks, 2^Q · L) final states, or None once consumed.
        angles: (G,) or (B, G) gate angles of the pass, in radians.
        amplitudes: (B, D) initial amplitudes; D = 0 for |0...0⟩.
        rotations: cosines and sines of the half angles, by lane.
    """

    states: Real | None
    angles: Real
    amplitudes: Real
    rotations: Real


@dataclass
class AdjointEngine:
    """Runs one program on batches of real states.

    Args:
        program: the lowered circuit.
        masks: (T,) Z strings to measure; bit q of a mask stands for Z on qubit q.
        dtype: ``float32``, or ``float64`` for tests and reference values.

    Raises:
        BackendError: for more than 30 qubits, or a mask that reaches past the circuit.
    """

    program: Program
    masks: NDArray[np.int64]
    dtype: Literal["float32", "float64"] = "float32"
    _free: list[Real] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        n = self.program.n_qubits
        if not 1 <= n <= _MAX_QUBITS:
            raise BackendError(f"the circuit has {n} qubits; the adjoint engine runs 1 to {_MAX_QUBITS}.")
        if self.masks.size and not 0 <= int(self.masks.min()) <= int(self.masks.max()) < 2**n:
            raise BackendError(f"observable masks {self.masks.tolist()} reach past the circuit's {n} qubits.")
        itemsize = np.dtype(self.dtype).itemsize
        self._width = lanes(itemsize)
        lane = np.arange(self._width)
        self._signs = np.concatenate([np.where(lane & d, 1, -1) for d in (1, 2, 4, 8)]).astype(self.dtype)

    # --- public -----------------------------------------------------------------------------------------------------

    def forward(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, Tape]:
        """Expectation values, and a tape for one backward sweep.

        Args:
            angles: gate angles in radians, (G,) where all samples share them, else (B, G).
            amplitudes: (B, D) real initial amplitudes, D ≤ 2^Q, normalised by the caller; |0...0⟩ where None.

        Returns:
            ⟨Z-string⟩ (B, T) in the engine's dtype, and the tape.
        """
        angles, amplitudes = self._checked(angles, amplitudes)
        batch = self._samples_per_chunk(amplitudes.shape[0])
        rotations = self._rotations(angles, batch)
        states = self._take(-(-amplitudes.shape[0] // batch), batch)
        values = self._run(states, batch, amplitudes, rotations)
        return values, Tape(states, angles, amplitudes, rotations)

    def values(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Expectation values (B, T) of `forward`, without a tape and in bounded memory, for evaluation."""
        angles, amplitudes = self._checked(angles, amplitudes)
        samples = amplitudes.shape[0]
        batch = self._samples_per_chunk(samples)
        state_bytes = (batch << self.program.n_qubits) * np.dtype(self.dtype).itemsize
        step = batch * max(2, EVALUATION_BYTES // state_bytes)
        out = np.empty((samples, self.masks.size), self.dtype)
        for start in range(0, samples, step):
            part = amplitudes[start : start + step]
            part_angles = angles if angles.ndim == 1 else angles[start : start + step]
            states = self._take(-(-part.shape[0] // batch), batch)
            out[start : start + step] = self._run(states, batch, part, self._rotations(part_angles, batch))
            self._give(states)
        return out

    def vjp(self, tape: Tape, cotangent: Real, *, amplitudes: bool = False) -> tuple[Real, Real | None]:
        """Vector-Jacobian product: the gradient of Σ cotangent · values.

        Args:
            tape: of a forward pass; its states are undone in place. A second sweep repeats the forward pass.
            cotangent: (B, T).
            amplitudes: also return the gradient of the loaded amplitudes.

        Returns:
            Gradient of the angles, (G,) or (B, G) as they came in; gradient of the amplitudes (B, D), or None.
        """
        samples, dimension = tape.amplitudes.shape
        if cotangent.shape != (samples, self.masks.size):
            raise BackendError(f"the cotangent is {cotangent.shape}, expected {(samples, self.masks.size)}: (B, T).")
        batch = self._samples_per_chunk(samples)
        if tape.states is None:
            tape.states = self._take(-(-samples // batch), batch)
            self._run(tape.states, batch, tape.amplitudes, tape.rotations)
        states, tape.states = tape.states, None
        chunks = states.shape[0]
        costates = self._take(chunks, batch)
        gradients = np.empty((chunks, self.program.n_angles * self._width), self.dtype)
        row_masks, lane_signs = self._masks(batch)
        weights = self._by_lane(cotangent, batch).reshape(chunks, -1, self._width) * lane_signs.reshape(-1, self._width)
        weights = weights.reshape(chunks, -1)
        rotations = np.broadcast_to(tape.rotations, (chunks, tape.rotations.shape[1]))

        def undo(chunk: int) -> None:
            kernels.backward(
                states[chunk], costates[chunk], batch, self.program.ops, rotations[chunk], self._signs, row_masks,
                weights[chunk], gradients[chunk],
            )  # fmt: skip

        for_each(chunks, undo)
        by_sample = 0.5 * self._by_sample(gradients, batch, samples)
        angle_gradient = by_sample.sum(axis=0) if tape.angles.ndim == 1 else by_sample
        amplitude_gradient = None
        if amplitudes:
            by_amplitude = costates.reshape(chunks, -1, batch)[:, :dimension]
            amplitude_gradient = np.ascontiguousarray(by_amplitude.transpose(0, 2, 1)).reshape(-1, dimension)[:samples]
        self._give(states)
        self._give(costates)
        return angle_gradient, amplitude_gradient

    # --- shapes: samples to lanes and back ---------------------------------------------------------------------------

    def _samples_per_chunk(self, samples: int) -> int:
        """L: a power of two up to 8, and enough to fill one register."""
        wanted = min(SAMPLES_PER_CHUNK, 1 << max(0, samples - 1).bit_length())
        return int(max(wanted, self._width >> self.program.n_qubits))

    def _by_lane(self, values: Real, batch: int) -> Real:
        """(B, K) to (chunks, K·width): every number repeated on all lanes of its sample; zeros past the last sample."""
        samples, count = values.shape
        padded = np.zeros((-(-samples // batch) * batch, count), self.dtype)
        padded[:samples] = values
        by_chunk = padded.reshape(-1, batch, count).transpose(0, 2, 1)
        return np.tile(by_chunk, (1, 1, self._width // batch)).reshape(by_chunk.shape[0], -1)

    def _by_sample(self, lanes_: Real, batch: int, samples: int) -> Real:
        """(chunks, K·width) to (B, K): the sum over the lanes of a sample."""
        chunks = lanes_.shape[0]
        summed = lanes_.reshape(chunks, -1, self._width // batch, batch).sum(axis=2)
        return np.asarray(summed.transpose(0, 2, 1).reshape(chunks * batch, -1)[:samples])

    def _rotations(self, angles: Real, batch: int) -> Real:
        """Cos and sin of half the angles by lane: (1 or chunks, G·2·width)."""
        half = 0.5 * np.atleast_2d(angles)
        pairs = np.stack([np.cos(half), np.sin(half)], axis=-1).reshape(half.shape[0], -1).astype(self.dtype)
        if angles.ndim == 1:
            return np.repeat(pairs, self._width, axis=1)
        return self._by_lane(pairs, batch)

    def _masks(self, batch: int) -> tuple[NDArray[np.int64], Real]:
        """Masks over registers, and the signs of the qubits that live inside a register."""
        register_bits = (self._width // batch).bit_length() - 1
        bits = np.arange(self._width) // batch
        odd = np.array([[(int(m) & int(b)).bit_count() & 1 for b in bits] for m in self.masks]).reshape(-1)
        return self.masks >> register_bits, np.where(odd, -1, 1).astype(self.dtype)

    # --- states ------------------------------------------------------------------------------------------------------

    def _run(self, states: Real, batch: int, amplitudes: Real, rotations: Real) -> Real:
        row_masks, lane_signs = self._masks(batch)
        out = np.zeros((states.shape[0], self.masks.size * self._width), self.dtype)
        rotations = np.broadcast_to(rotations, (states.shape[0], rotations.shape[1]))

        def run(chunk: int) -> None:
            kernels.forward(
                states[chunk], batch, amplitudes, chunk * batch, self.program.ops, rotations[chunk], self._signs,
                row_masks, lane_signs, out[chunk],
            )  # fmt: skip

        for_each(states.shape[0], run)
        return self._by_sample(out, batch, amplitudes.shape[0])

    def _take(self, chunks: int, batch: int) -> Real:
        """States for ``chunks``, from an earlier pass where they fit, aligned to a register."""
        size = batch << self.program.n_qubits
        for i, states in enumerate(self._free):
            if states.shape == (chunks, size):
                return self._free.pop(i)
        itemsize = np.dtype(self.dtype).itemsize
        raw = np.empty(chunks * size * itemsize + 64, np.uint8)
        offset = -raw.ctypes.data % 64
        return raw[offset : offset + chunks * size * itemsize].view(self.dtype).reshape(chunks, size)

    def _give(self, states: Real) -> None:
        """Keep states for the next pass; two sets are enough for one forward and one backward."""
        self._free.append(states)
        del self._free[:-2]

    def _checked(self, angles: Real, amplitudes: Real | None) -> tuple[Real, Real]:
        g = self.program.n_angles
        if angles.shape[-1:] != (g,) or angles.ndim > 2:
            raise BackendError(f"angles are {angles.shape}, expected ({g},) or (B, {g}): one a rotation.")
        if amplitudes is None:
            if angles.ndim == 1:
                raise BackendError("angles are shared and there are no amplitudes: the batch size is unknown.")
            amplitudes = np.empty((angles.shape[0], 0), self.dtype)
        if amplitudes.ndim != 2 or amplitudes.shape[1] > 2**self.program.n_qubits:
            raise BackendError(
                f"amplitudes are {amplitudes.shape}, expected (B, D) with D at most 2^{self.program.n_qubits}: "
                "more amplitudes need more qubits."
            )
        if angles.ndim == 2 and angles.shape[0] != amplitudes.shape[0]:
            raise BackendError(f"{angles.shape[0]} samples of angles, but {amplitudes.shape[0]} of amplitudes.")
        return np.asarray(angles, np.float64), np.ascontiguousarray(amplitudes, self.dtype)
