"""The adjoint engine for circuits of real gates: a batch of real states, with gradients in one reverse sweep."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Floats, Ints
from qllmft_engine.chunks import (
    CHUNK_BYTES,
    SAMPLES_PER_CHUNK,
    ChunkedEngine,
    ChunkPlan,
    GaussianShots,
    Real,
)
from qllmft_engine.compiled import passes
from qllmft_engine.compiled.arguments import (
    BackwardArrays,
    ForwardArrays,
    PlanArrays,
    ShotCostates,
    ShotValues,
)
from qllmft_engine.compiled.rotations import TURNS_PER_RADIAN
from qllmft_engine.program import Program
from qllmft_engine.program.schedule import make_schedule

MIN_AMPLITUDE = 1e-15  # of an amplitude, in `AdjointEngine.amplitudes_vjp`


@dataclass
class Tape:
    """Record of a forward pass (see `ChunkedEngine`)."""

    plan: ChunkPlan
    shared: bool  # the angles came as (G,)
    # (B, D) initial amplitudes; D = 0 for |0...0⟩
    amplitudes: Real
    angles: Floats  # (1 or B, G) in radians
    is_full: NDArray[np.bool_]  # (chunks, G); see `rotations`
    # (chunks, L) factors of the states; see `rotations`
    product: Real
    shots: GaussianShots | None  # of the pass; None: exact values
    states: Real | None = None
    costate_factors: Real | None = None

    @property
    def samples(self) -> int:
        """Return B."""
        return len(self.amplitudes)

    @property
    def arrays(self) -> tuple[Floats, NDArray[np.bool_], Real]:
        """Return what both directions read."""
        return self.angles, self.is_full, self.product


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

    _reals_per_amplitude: ClassVar[int] = 1
    _passes: ClassVar[tuple[Any, Any]] = (passes.forward, passes.backward)
    program: Program
    masks: Ints
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        self._prepare()

    @staticmethod
    def count_chunks(batch: int, n_qubits: int) -> int:
        """Return the chunks of a large batch in float32, which is the most threads that compute it together."""
        chunk_samples = min(SAMPLES_PER_CHUNK, CHUNK_BYTES >> (n_qubits + 2))
        return -(-batch // max(1, chunk_samples))

    @cached_property
    def _functions(self) -> tuple[int, ...]:
        return passes.chunk_functions(self.dtype)

    @cached_property
    def with_identity(self) -> AdjointEngine:
        """Return this engine with the identity as one more string, which under eq. 2 is the sum of the frequencies."""
        return AdjointEngine(self.program, np.append(self.masks, 0), self.dtype)

    def states(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return final amplitudes (B, 2^Q), all in memory. Bit q of an index is qubit q; a state's sign is free."""
        tape = self._make_tape(angles, amplitudes, None)
        self._run(tape)
        out = self._final_amplitudes(tape)
        self._release(tape)
        return out

    def probabilities(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        final_amplitudes = self.states(angles, amplitudes)
        return np.square(final_amplitudes, out=final_amplitudes)

    # --- amplitudes

    @cached_property
    def with_norm(self) -> AdjointEngine:
        """Return the engine of the same program that measures the identity alone."""
        return AdjointEngine(self.program, np.zeros(1, np.int64), self.dtype)

    def amplitudes(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, Tape]:
        """Return the final amplitudes (B, 2^Q) with their signs, and a tape for `amplitudes_vjp`."""
        tape = self.with_norm._make_tape(angles, amplitudes, None)
        self.with_norm._run(tape, for_gradient=True)
        return self._final_amplitudes(tape) * _state_signs(tape), tape

    def amplitudes_vjp(self, tape: Tape, cotangent: Real) -> Real:
        """Return the gradient of Σ cotangent · amplitudes by the angles, (G,) or (B, G) as they came in.

        The sweep of `vjp` begins with the co-state ψ · ``kept``, here with g/ψ for the cotangent g (B, 2^Q). So an
        amplitude of zero is first moved to `MIN_AMPLITUDE`, far below the rounding of a state.
        """
        engine = self.with_norm
        expected_shape = (tape.samples, 1 << self._n_qubits)
        if cotangent.shape != expected_shape:
            raise BackendError(
                f"the cotangent is {tuple(cotangent.shape)}, expected {expected_shape}: (B, 2^Q)."
            )
        if tape.states is None:
            engine._run(tape, for_gradient=True)
        assert tape.states is not None
        chunks, batch = tape.product.shape
        size = batch << self._n_qubits
        signed_cotangent = np.zeros((chunks * batch, 1 << self._n_qubits), self.dtype)
        signed_cotangent[: tape.samples] = cotangent * _state_signs(tape)
        # samples inside, as in a chunk
        by_place = signed_cotangent.reshape(chunks, batch, -1).transpose(0, 2, 1)
        states = tape.states[:, :size].reshape(chunks, -1, batch)
        states[np.abs(states) < MIN_AMPLITUDE] = MIN_AMPLITUDE
        tape.costate_factors = engine._take_states(chunks, batch)
        tape.costate_factors[:, :size] = (by_place / (states * tape.product[:, None, :])).reshape(
            chunks, size
        )
        return engine.vjp(tape, np.full((tape.samples, 1), 0.5))[0]

    def _final_amplitudes(self, tape: Tape) -> Real:
        """Return the final amplitudes (B, 2^Q) of a tape, up to the sign of each state."""
        assert tape.states is not None
        chunks, batch = tape.product.shape
        chunk_states = tape.states[:, : batch << self._n_qubits].reshape(chunks, -1, batch)
        final_states = chunk_states * tape.product[:, None, :]
        return final_states.transpose(0, 2, 1).reshape(chunks * batch, -1)[: tape.samples]

    # --- one pass

    def _make_plan(self, batch: int) -> ChunkPlan:
        return self._plan_with(batch, from_zero=False)

    def _make_plan_from_zero(self, batch: int) -> ChunkPlan:
        return self._plan_with(batch, from_zero=True)

    def _plan_with(self, batch: int, *, from_zero: bool) -> ChunkPlan:
        width = self._width
        dtype = np.dtype(self.dtype)
        lane = np.arange(width)
        register_bits = (width // batch).bit_length() - 1
        inside_bits = lane // batch  # bits of the qubits inside a register, by lane
        parities = np.bitwise_count(self.masks[:, None] & inside_bits) & 1
        signs = np.concatenate([np.where(lane & d, 1, -1) for d in (1, 2, 4, 8)])

        def arrays(*, backward: bool) -> PlanArrays:
            schedule = make_schedule(
                self.program, batch, width, dtype.itemsize, backward=backward, from_zero=from_zero
            )
            return PlanArrays(
                *schedule,
                signs=signs.astype(dtype),
                row_masks=(self.masks >> register_bits).astype(np.int64),
                lane_signs=np.where(parities.reshape(-1), -1, 1).astype(dtype),
                sizes=np.array([batch, batch << self._n_qubits]),
            )

        return ChunkPlan.for_directions(batch, arrays(backward=False), arrays(backward=True))

    def _make_tape(self, angles: Any, amplitudes: Any, shots: GaussianShots | None) -> Tape:
        samples = self._count_samples(angles, amplitudes)
        initial_amplitudes = (
            np.empty((samples, 0), self.dtype) if amplitudes is None else amplitudes
        )
        plan = self._plan(samples, self._make_plan_from_zero if amplitudes is None else None)
        chunks = -(-samples // plan.batch)
        return Tape(
            plan=plan,
            shared=angles.ndim == 1,
            amplitudes=np.ascontiguousarray(initial_amplitudes, self.dtype),
            angles=np.ascontiguousarray(np.atleast_2d(angles), np.float64),
            is_full=np.empty((chunks, self.program.n_angles), np.bool_),
            product=np.empty((chunks, plan.batch), self.dtype),
            shots=shots,
        )

    def _run(self, tape: Tape, *, for_gradient: bool = False) -> Real:
        chunks, batch = tape.product.shape
        states = self._take_states(chunks, batch, for_gradient=for_gradient)
        out = np.empty((tape.samples, self.masks.size), self.dtype)
        self._pass(0, tape.plan, ForwardArrays(states, *tape.arrays, tape.amplitudes, out))
        tape.states = states
        tape.costate_factors = None
        if tape.shots is not None:
            self._with_shots = True
            tape.costate_factors = self._take_states(chunks, batch)
            noise_arrays = tape.costate_factors, *self._shot_arrays(tape.shots)
            arrays = ShotValues(states, tape.product, *noise_arrays, out)
            functions = passes.shot_functions(self.dtype)
            self._run_chunks(passes.measure_shots, functions[0], tape.plan.words[0], arrays)
        return out

    def _sweep(
        self, tape: Tape, states: Real, costates: Real, weights: Real, amplitudes: bool
    ) -> tuple[Real, Real | None]:
        samples, dimension = tape.amplitudes.shape
        costate_factors = tape.costate_factors
        tape.costate_factors = None
        if costate_factors is None:
            costate_factors = np.empty((len(states), 0), self.dtype)
        if tape.shots is not None and tape.shots.reparametrised:
            noise_arrays = costate_factors, *self._shot_arrays(tape.shots)
            start = ShotCostates(states, tape.product, costates, *noise_arrays, weights)
            functions = passes.shot_functions(self.dtype)
            self._run_chunks(passes.start_costates, functions[1], tape.plan.words[1], start)
            weights = weights[:0]
        gradient = np.empty((samples, self.program.n_angles), self.dtype)
        by_amplitude = np.empty((samples, dimension if amplitudes else 0), self.dtype)
        arrays = BackwardArrays(
            states, *tape.arrays, costates, costate_factors, weights, gradient, by_amplitude
        )
        self._pass(1, tape.plan, arrays)
        self._return_states(costate_factors)
        by_angle = gradient.sum(axis=0) if tape.shared else gradient
        return by_angle, by_amplitude if amplitudes else None

    def _shot_arrays(self, shots: GaussianShots) -> tuple[Real, Ints]:
        """Return the arrays ``scale`` and ``stream`` of `ShotValues`."""
        return np.array([shots.count**-0.5], self.dtype), np.array(shots.stream, np.int64)


def _state_signs(tape: Tape) -> Real:
    """Return (1 or B, 1) the signs that the states of a tape lack (see `rotations`)."""
    turns = np.rint(tape.angles * TURNS_PER_RADIAN).sum(axis=1, keepdims=True)
    return np.asarray(1 - 2 * (turns % 2), tape.product.dtype)
