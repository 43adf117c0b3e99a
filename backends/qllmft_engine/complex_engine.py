"""Engine for circuits of any gates: complex states, gradients in one reverse sweep, observables of X, Y and Z."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np

from qllmft_backends.errors import BackendError
from qllmft_backends.observables import PauliObservables
from qllmft_backends.protocol import Floats, Ints
from qllmft_engine.chunks import (
    ChunkedEngine,
    ChunkPlan,
    GaussianShots,
    Real,
)
from qllmft_engine.compiled import passes
from qllmft_engine.compiled.arguments import (
    ComplexBackward,
    ComplexForward,
    ComplexPlanArrays,
)
from qllmft_engine.compiled.complex_matrices import add_removed_phases
from qllmft_engine.compiled.rotations import TURNS_PER_RADIAN
from qllmft_engine.compiled.simd import SAMPLES
from qllmft_engine.program import ComplexProgram
from qllmft_engine.program.complex_plan import make_plan
from qllmft_engine.program.gates import FACTORS


@dataclass
class ComplexTape:
    """Record of a forward pass (see `ChunkedEngine`)."""

    plan: ChunkPlan
    # (F, P) of the factors' angles, of half of them for X and Y, of B samples and zeros behind them
    sin: Floats
    cos: Floats  # (F, P), with ones behind the samples
    product: Real  # (chunks, L) factors of the stored final states
    samples: int  # B
    states: Real | None = None
    costate_factors: None = None


@dataclass
class ComplexEngine(ChunkedEngine):
    """Engine of one program on batches of complex states. `AdjointEngine` is its counterpart for real ones.

    It measures T Pauli ``strings``; its ``dtype`` is that of the real and imaginary parts. The circuit itself loads its
    initial state, and no shots of eq. 2 are drawn.
    """

    _reals_per_amplitude: ClassVar[int] = 2
    _passes: ClassVar[tuple[Any, Any]] = (passes.complex_forward, passes.complex_backward)
    program: ComplexProgram
    strings: PauliObservables
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        self.masks = self.strings.masks
        self._prepare()
        program = self.program
        initial = np.empty(0) if program.initial is None else program.initial
        self._initial = np.ascontiguousarray([initial.real, initial.imag], self.dtype)
        factors = [factor for gate in program.gates for factor in gate.factors]
        shares = np.array([FACTORS[factor.kind].share for factor in factors])
        self._slots = np.array([f.slot for f in factors], np.int64)
        self._slopes = np.array([f.scale for f in factors])
        self._half_slopes = self._slopes * shares
        offsets = np.array([f.offset for f in factors]) * shares
        self._constants = np.sin(offsets), np.cos(offsets)
        order = np.argsort(self._slots, kind="stable")
        # the factors with a parameter, slot after slot
        self._parametrised_factors = order[np.count_nonzero(self._slots < 0) :]
        self._slot_starts = np.searchsorted(
            self._slots[self._parametrised_factors], np.arange(program.n_angles)
        )

    @cached_property
    def _functions(self) -> tuple[int, ...]:
        return passes.complex_chunk_functions(self.dtype)

    def amplitudes(self, angles: Real) -> np.ndarray[Any, np.dtype[np.complexfloating]]:
        """Return amplitudes (B, 2^Q), all in memory. Bit q of an index is qubit q.

        The circuit's standard gates count as their parts in the table `GATES`, which are equal to them up to a phase.
        """
        plan = self._plan(len(angles), self._make_plan_without_turns)
        tape = self._record(angles, plan)
        self._run(tape)
        assert tape.states is not None
        phases = np.zeros(tape.samples)
        arrays = plan.arrays[0]
        assert isinstance(arrays, ComplexPlanArrays)
        add_removed_phases(arrays.gates, arrays.factors, tape.sin, tape.cos, phases)
        numbers = 2 * plan.batch << self._n_qubits
        rows = tape.states[:, :numbers].reshape(len(tape.states), -1, 2, self._width)
        # by wires, samples inside
        by_chunk = (rows[:, :, 0] + 1j * rows[:, :, 1]).reshape(len(rows), -1, plan.batch)
        self._release(tape)
        by_wire = by_chunk.transpose(0, 2, 1).reshape(len(rows) * plan.batch, -1)[: tape.samples]
        places = move_to_wires(np.arange(1 << self._n_qubits), self.program.wires)
        return np.asarray(by_wire[:, places] * np.exp(1j * phases)[:, np.newaxis])

    def probabilities(self, angles: Real) -> Real:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        return np.asarray(np.abs(self.amplitudes(angles)) ** 2)

    # --- one pass

    def _make_plan(self, batch: int) -> ChunkPlan:
        # a phase diag(1, p) of a wire changes no string of I and Z there
        flips = int(np.bitwise_or.reduce(move_to_wires(self.strings.flips, self.program.wires)))
        return self._plan_with(
            batch, frozenset(wire for wire in range(self._n_qubits) if not flips >> wire & 1)
        )

    def _make_plan_without_turns(self, batch: int) -> ChunkPlan:
        # turns divide the states and leave out phases
        return self._plan_with(batch, None)

    def _plan_with(self, batch: int, free_wires: frozenset[int] | None) -> ChunkPlan:
        """Plan the program for chunks of ``batch`` samples (see `make_plan` for ``free_wires``)."""
        program = self.program
        width = self._width
        dtype = np.dtype(self.dtype)
        register_bits = (width // batch).bit_length() - 1
        z, x = (move_to_wires(bits, program.wires) for bits in (self.masks, self.strings.flips))
        turns = np.bitwise_count(z & x).astype(np.int64) & 3
        lane_mask = (1 << register_bits) - 1
        strings = np.stack(
            [x >> register_bits, (x & lane_mask) * batch, z >> register_bits, turns], axis=1
        )
        index_in_register = np.arange(width) // batch
        signs = 1.0 - 2.0 * (np.bitwise_count(z[:, None] & lane_mask & index_in_register) & 1)
        n_diagonal = np.count_nonzero(self.strings.flips == 0)
        arrays = ComplexPlanArrays(
            *make_plan(program, batch, width, dtype.itemsize, free_wires),
            strings=np.ascontiguousarray(strings),
            lane_signs=signs.astype(dtype).reshape(-1),
            sizes=np.array([batch, 2 * batch << program.n_qubits, n_diagonal, program.n_qubits]),
        )
        return ChunkPlan.for_directions(batch, arrays, arrays)  # the same in both directions

    def _make_tape(self, angles: Any, amplitudes: Any, shots: GaussianShots | None) -> ComplexTape:
        assert shots is None  # eq. 2 is written for real states
        if amplitudes is not None:
            raise BackendError(
                "amplitudes are given to a circuit of complex gates, expected None. Load them with initialize, or use "
                "only gates of real circuits (ry, cx, x, z, h, cz, swap)."
            )
        self._count_samples(angles, None)
        return self._record(angles, self._plan(len(angles)))

    def _record(self, angles: Any, plan: ChunkPlan) -> ComplexTape:
        """Return the tape of a pass over angles (B, G) in radians."""
        angles = np.asarray(angles, np.float64)
        samples = len(angles)
        chunks = -(-samples // plan.batch)
        # a chunk reads eight columns
        sin, cos = (
            np.repeat(constant[:, np.newaxis], chunks * plan.batch + SAMPLES, axis=1)
            for constant in self._constants
        )
        parametrised = self._parametrised_factors
        halves = _round_angles(
            angles.T[self._slots[parametrised]] * self._half_slopes[parametrised, np.newaxis],
            self.dtype,
        )
        sin[parametrised, :samples] = np.sin(halves)
        cos[parametrised, :samples] = np.cos(halves)
        sin[parametrised, samples:] = 0
        cos[parametrised, samples:] = 1
        product = np.empty((chunks, plan.batch), self.dtype)
        return ComplexTape(plan, sin, cos, product, samples)

    def _run(self, tape: ComplexTape, *, for_gradient: bool = False) -> Real:
        batch = tape.plan.batch
        tape.states = self._take_states(-(-tape.samples // batch), batch, for_gradient=for_gradient)
        out = np.empty((tape.samples, self.masks.size), self.dtype)
        arrays = ComplexForward(tape.states, tape.product, self._initial, out, tape.sin, tape.cos)
        self._pass(0, tape.plan, arrays)
        return out

    def _sweep(
        self, tape: ComplexTape, states: Real, costates: Real, weights: Real, amplitudes: bool
    ) -> tuple[Real, None]:
        del amplitudes  # the circuit has none
        by_factor = np.empty((len(self._slots), tape.samples), self.dtype)
        arrays = ComplexBackward(
            states, tape.product, costates, weights, by_factor, tape.sin, tape.cos
        )
        self._pass(1, tape.plan, arrays)
        out = np.zeros((self.program.n_angles, tape.samples), self.dtype)
        if out.size:
            parametrised = self._parametrised_factors
            slopes = self._slopes[parametrised, np.newaxis].astype(self.dtype)
            np.add.reduceat(by_factor[parametrised] * slopes, self._slot_starts, axis=0, out=out)
        return np.ascontiguousarray(out.T), None


def move_to_wires(masks: Ints, wires: tuple[int, ...]) -> Ints:
    """Return masks with the bit of each qubit moved to its wire."""
    moved = np.zeros_like(masks)
    for qubit, wire in enumerate(wires):
        moved |= (masks >> qubit & 1) << wire
    return moved


def _round_angles(angles: Real, dtype: str) -> Real:
    """Return angles in radians in a dtype, up to whole turns.

    They are reduced before rounding, which would cost a large angle its digits.
    """
    if angles.dtype == dtype:
        return angles
    whole_turns = angles * TURNS_PER_RADIAN
    np.rint(whole_turns, out=whole_turns)
    whole_turns *= 2 * np.pi
    rounded_angles: Real = np.subtract(angles, whole_turns, out=whole_turns).astype(dtype)
    return rounded_angles
