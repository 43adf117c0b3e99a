"""The adjoint engine: expectation values of a batch, and their vector-Jacobian product in one sweep."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.chunks import (
    COSTATE_SHIFT,
    EVALUATION_BYTES,
    GAP,
    PAGE,
    ChunkedEngine,
    Real,
    allocate,
    check_memory,
    run_pass,
)
from qllmft_backends.adjoint.compiled import passes
from qllmft_backends.adjoint.compiled.arguments import BackwardArrays, ForwardArrays
from qllmft_backends.adjoint.interface import check_cotangent, request_size
from qllmft_backends.adjoint.plan import ChunkPlan, real_plan
from qllmft_backends.adjoint.program import Program
from qllmft_backends.errors import BackendError

SMALLEST = 1e-15  # of an amplitude, in `AdjointEngine.amplitudes_vjp`
KEPT_BYTES = 16 * 2**20  # of states of other batch sizes that are kept for their next pass


@dataclass(frozen=True)
class GaussianShots:
    """Shots of one pass as the paper's eq. 2 has them, which can be differentiated.

    The multinomial counts of n shots have mean n·p and covariance n (diag p - p pᵀ). So has

        ŷ = n·p + sqrt(n) (sqrt(p)∘ε - p (sqrt(p)ᵀε)),   ε ~ N(0, I),

    since diag(sqrt p) - p sqrt(p)ᵀ, times its transpose, is diag p - p pᵀ - p pᵀ + p pᵀ (Σp = 1). It costs O(2^Q).
    Negative counts are rectified to 0. The noise is outside the gradient's path: ŷ counts as n·p if it is positive, and
    as a constant if it was rectified. The engine writes ψ for sqrt(p): the sign of a negative ψ goes into ε, which is
    equally likely with the other sign.

    If the gradient is ``reparametrised``, it is that of ŷ/n with ε fixed, so it also passes through the standard
    deviation of the noise. With v = 1/sqrt(n), a positive outcome has the derivative 2ψ + v (ε - 2ψ Σψε) by its own ψ
    in place of 2ψ, and -v ψ² ε_k by every ψ_k.

    After rectification the frequencies ŷ/n add up to more than 1: little if n·p is large for the relevant outcomes,
    much if 2^Q is far above n. That is the paper's model; the true multinomial has no such bias. Divided by their sum
    (`CircuitNoise.renormalize`) they are too flat instead, as outcomes of small p gain most.
    """

    count: int  # n, shots per sample
    # of this pass, 64 bits; each chunk of samples has numbers of its own, so the bits do not depend
    # on threads
    seed: int
    first_chunk: int = 0  # number of the pass's first chunk
    reparametrised: bool = False  # the gradient passes through the noise's standard deviation

    @property
    def stream(self) -> tuple[int, int, int]:
        """Return the words of the key and the stream of the first chunk's ε (see `fill_normal`)."""
        return self.seed & 0xFFFFFFFF, self.seed >> 32 & 0xFFFFFFFF, self.first_chunk

    def after(self, chunks: int) -> GaussianShots:
        """Return the shots of the part of the pass that begins ``chunks`` later."""
        return replace(self, first_chunk=self.first_chunk + chunks)


@dataclass
class Tape:
    """Record of a forward pass for `AdjointEngine.vjp`. One sweep consumes its states."""

    # (chunks, 2^Q · L and a gap) final states, or None once consumed
    states: Real | None
    shared: bool  # the angles came as (G,)
    # (B, D) initial amplitudes; D = 0 for |0...0⟩
    amplitudes: Real
    sin: Real  # (1 or B, G) of half the angles; `cos` too
    cos: Real
    is_full: NDArray[np.bool_]  # (chunks, G); see `rotations`
    # (chunks, L) factors of the states; see `rotations`
    product: Real
    # of the pass; None: exact values
    shots: GaussianShots | None = None
    # (chunks, 2^Q · L and a gap) 1 for outcomes that counted, 0 for rectified ones; None without
    # shots
    kept: Real | None = None


@dataclass
class AdjointEngine(ChunkedEngine):
    """Engine of one program on batches of real states.

    Args:
        program: the lowered circuit.
        masks: (T,) Z strings to measure; bit q of a mask is Z on qubit q.
        dtype: ``float32``, or ``float64`` for tests and reference values.

    Raises:
        BackendError: for more than 30 qubits, or a mask that reaches past the circuit.
    """

    program: Program
    masks: NDArray[np.int64]
    dtype: Literal["float32", "float64"] = "float32"
    _free: list[Real] = field(default_factory=list, init=False, repr=False)
    _with_shots: bool = field(default=False, init=False, repr=False)

    def __post_init__(self) -> None:
        self._prepare(self.program.n_qubits, self.masks, 1)
        self._functions = passes.chunk_functions(self.dtype)

    def _make_plan(self, batch: int) -> ChunkPlan:
        return real_plan(self.program, self.masks, batch, self._width, self.dtype)

    @cached_property
    def with_total(self) -> AdjointEngine:
        """Return this engine with the identity as one more string, which under eq. 2 is the sum of the frequencies."""
        return AdjointEngine(self.program, np.append(self.masks, 0), self.dtype)

    def forward(
        self, angles: Real, amplitudes: Real | None = None, *, shots: GaussianShots | None = None
    ) -> tuple[Real, Tape]:
        """Return expectation values, and a tape for one backward sweep.

        Args:
            angles: gate angles in radians, (G,) if all samples share them, else (B, G).
            amplitudes: (B, D) real initial amplitudes, D ≤ 2^Q, normalised by the caller; None: |0...0⟩.
            shots: values from the frequencies of eq. 2; None: exact ones.

        Returns:
            ⟨Z-string⟩ (B, T) in the engine's dtype, and the tape.
        """
        tape = self._tape(*self._checked(angles, amplitudes), shots)
        return self._run(tape, for_gradient=True), tape

    def values(
        self, angles: Real, amplitudes: Real | None = None, *, shots: GaussianShots | None = None
    ) -> Real:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        angles, amplitudes = self._checked(angles, amplitudes)
        samples = amplitudes.shape[0]
        batch = self._samples_per_chunk(samples)
        step = batch * max(2, EVALUATION_BYTES // (batch * self._state_bytes + GAP))
        out = np.empty((samples, self.masks.size), self.dtype)
        for start in range(0, samples, step):
            part_angles = angles if angles.ndim == 1 else angles[start : start + step]
            part_shots = shots.after(start // batch) if shots else None
            tape = self._tape(part_angles, amplitudes[start : start + step], part_shots)
            out[start : start + step] = self._run(tape)
            self._release(tape)
        return out

    def states(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return final amplitudes (B, 2^Q), all in memory. Bit q of an index is qubit q; a state's sign is free."""
        tape = self._tape(*self._checked(angles, amplitudes))
        self._run(tape)
        out = self._final(tape)
        self._release(tape)
        return out

    def probabilities(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        amplitudes_ = self.states(angles, amplitudes)
        return np.square(amplitudes_, out=amplitudes_)

    def vjp(
        self, tape: Tape, cotangent: Real, *, amplitudes: bool = False
    ) -> tuple[Real, Real | None]:
        """Return the vector-Jacobian product: the gradient of Σ cotangent · values.

        Args:
            tape: of a forward pass; its states are undone in place. A second sweep repeats the forward pass.
            cotangent: (B, T).
            amplitudes: also return the gradient of the loaded amplitudes.

        Returns:
            Gradient of the angles, (G,) or (B, G) as they came in; gradient of the amplitudes (B, D), or None.
        """
        samples, dimension = tape.amplitudes.shape
        check_cotangent(cotangent, samples, self.masks)
        if tape.states is None:
            self._run(tape, for_gradient=True)
        states, tape.states = tape.states, None
        assert states is not None
        plan = self._plan(samples)
        costates = self._take(len(states), plan.batch, shift=COSTATE_SHIFT)
        kept, tape.kept = self._none(len(states)) if tape.kept is None else tape.kept, None
        shots = tape.shots if tape.shots is not None and tape.shots.reparametrised else None
        gradient = np.empty((samples, self.program.n_angles), self.dtype)
        by_amplitude = np.empty((samples, dimension if amplitudes else 0), self.dtype)
        arrays = BackwardArrays(
            states=states,
            sin=tape.sin,
            cos=tape.cos,
            is_full=tape.is_full,
            product=tape.product,
            costates=costates,
            kept=kept,
            scale=np.array([shots.count**-0.5 if shots else 0.0], self.dtype),
            stream=np.array(shots.stream if shots else (), np.int64),
            weights=np.ascontiguousarray(cotangent, self.dtype),
            gradient=gradient,
            by_amplitude=by_amplitude,
        )
        run_pass(passes.backward, self._functions[1], plan.backward_words, arrays)
        for array in (states, costates, *([kept] if kept.size else [])):
            self._give(array)
        by_angle = gradient.sum(axis=0) if tape.shared else gradient
        return by_angle, by_amplitude if amplitudes else None

    # --- amplitudes

    @cached_property
    def with_norm(self) -> AdjointEngine:
        """Return the engine of the same program that measures the identity alone."""
        return AdjointEngine(self.program, np.zeros(1, np.int64), self.dtype)

    def amplitudes(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, Tape]:
        """Return the final amplitudes (B, 2^Q) with their signs, and a tape for `amplitudes_vjp`."""
        engine = self.with_norm
        tape = engine._tape(*engine._checked(angles, amplitudes))
        engine._run(tape, for_gradient=True)
        return engine._final(tape) * _signs(tape), tape

    def amplitudes_vjp(self, tape: Tape, cotangent: Real) -> Real:
        """Return the gradient of Σ cotangent · amplitudes by the angles, (G,) or (B, G) as they came in.

        The sweep of `vjp` begins with the co-state ψ · ``kept``, here with g/ψ for the cotangent g (B, 2^Q). So an
        amplitude of zero is first moved to `SMALLEST`, far below the rounding of a state.
        """
        engine, samples = self.with_norm, len(tape.amplitudes)
        if cotangent.shape != (samples, 1 << self._n_qubits):
            raise BackendError(
                f"the cotangent is {tuple(cotangent.shape)}, expected {(samples, 1 << self._n_qubits)}: (B, 2^Q)."
            )
        if tape.states is None:
            engine._run(tape, for_gradient=True)
        assert tape.states is not None
        chunks, batch = tape.product.shape
        size = batch << self._n_qubits
        given = np.zeros((chunks * batch, 1 << self._n_qubits), self.dtype)
        given[:samples] = cotangent * _signs(tape)
        # samples inside, as in a chunk
        by_place = given.reshape(chunks, batch, -1).transpose(0, 2, 1)
        states = tape.states[:, :size].reshape(chunks, -1, batch)
        states[np.abs(states) < SMALLEST] = SMALLEST
        tape.kept = engine._take(chunks, batch)
        tape.kept[:, :size] = (by_place / (states * tape.product[:, None, :])).reshape(chunks, size)
        return engine.vjp(tape, np.full((samples, 1), 0.5))[0]

    def _final(self, tape: Tape) -> Real:
        """Return the final amplitudes (B, 2^Q) of a tape, up to the sign of each state."""
        assert tape.states is not None
        chunks, batch = tape.product.shape
        final = (
            tape.states[:, : batch << self._n_qubits].reshape(chunks, -1, batch)
            * tape.product[:, None, :]
        )
        return final.transpose(0, 2, 1).reshape(chunks * batch, -1)[: len(tape.amplitudes)]

    # --- one pass

    def _tape(self, angles: Real, amplitudes: Real, shots: GaussianShots | None = None) -> Tape:
        half = np.multiply(np.atleast_2d(angles), 0.5, order="C")
        # reduced before rounding, which would cost a large angle its digits
        if half.dtype != self.dtype:
            half = (half - 2 * np.pi * np.rint(half * (0.5 / np.pi))).astype(self.dtype)
        batch = self._samples_per_chunk(len(amplitudes))
        chunks = -(-len(amplitudes) // batch)
        return Tape(
            states=None,
            shared=angles.ndim == 1,
            amplitudes=amplitudes,
            sin=np.sin(half),
            cos=np.cos(half),
            is_full=np.empty((chunks, self.program.n_angles), np.bool_),
            product=np.empty((chunks, batch), self.dtype),
            shots=shots,
        )

    def _run(self, tape: Tape, *, for_gradient: bool = False) -> Real:
        """Run the program forward: fill the tape's states and marks, return the values (B, T)."""
        samples = len(tape.amplitudes)
        plan = self._plan(samples)
        states = self._take(-(-samples // plan.batch), plan.batch, for_gradient=for_gradient)
        shots = tape.shots
        self._with_shots |= shots is not None
        noise = self._take(len(states), plan.batch) if shots else self._none(len(states))
        out = np.empty((samples, self.masks.size), self.dtype)
        arrays = ForwardArrays(
            states=states,
            sin=tape.sin,
            cos=tape.cos,
            is_full=tape.is_full,
            product=tape.product,
            amplitudes=tape.amplitudes,
            noise=noise,
            scale=np.array([shots.count**-0.5 if shots else 0.0], self.dtype),
            stream=np.array(shots.stream if shots else (), np.int64),
            out=out,
        )
        run_pass(passes.forward, self._functions[0], plan.forward_words, arrays)
        tape.states = states
        tape.kept = noise if shots else None
        return out

    # --- memory

    def _take(self, chunks: int, batch: int, shift: int = 0, *, for_gradient: bool = False) -> Real:
        """Return states for ``chunks``, reused if possible, ``shift`` bytes past a page's begin."""
        row = batch * self._state_bytes + GAP
        for i, states in enumerate(self._free):
            if (
                states.shape == (chunks, row // states.itemsize)
                and states.ctypes.data % PAGE == shift
            ):
                return self._free.pop(i)
        with_costate = shift == 0 and for_gradient
        check_memory(chunks * batch, self._n_qubits, self._state_bytes, with_costate=with_costate)
        return allocate(chunks, row, self.dtype, shift)

    def _give(self, states: Real) -> None:
        """Keep states for the next pass.

        One forward and one backward need two sets, and a third for shots. A training also has a smaller last batch and
        a validation set, whose states are kept too if they are small.
        """
        self._free.append(states)
        while (
            len(self._free) > (3 if self._with_shots else 2)
            and sum(s.nbytes for s in self._free) > KEPT_BYTES
        ):
            del self._free[0]

    def _release(self, tape: Tape) -> None:
        for array in (tape.states, tape.kept):
            if array is not None:
                self._give(array)
        tape.states = tape.kept = None

    def _none(self, chunks: int) -> Real:
        return np.empty((chunks, 0), self.dtype)

    def _checked(self, angles: Real, amplitudes: Real | None) -> tuple[Real, Real]:
        samples, _ = request_size(angles, amplitudes, self.program.n_angles, self._n_qubits)
        loaded = np.empty((samples, 0)) if amplitudes is None else amplitudes
        return np.asarray(angles), np.ascontiguousarray(loaded, self.dtype)


def _signs(tape: Tape) -> Real:
    """Return (1 or B, 1) the signs that the states of a tape lack (see `rotations`)."""
    return np.asarray(np.where(tape.cos > 0, 1, -1).prod(axis=1, keepdims=True), tape.cos.dtype)
