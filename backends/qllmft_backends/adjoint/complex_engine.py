"""Engine for circuits of any gates: complex states, gradients in one reverse sweep, observables of X, Y and Z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.chunks import (
    COSTATE_SHIFT,
    EVALUATION_BYTES,
    GAP,
    SAMPLES_PER_CHUNK,
    ChunkedEngine,
    Real,
    allocate,
    check_memory,
    run_pass,
)
from qllmft_backends.adjoint.compiled import passes
from qllmft_backends.adjoint.compiled.arguments import (
    ComplexBackward,
    ComplexForward,
    ComplexPlanArrays,
)
from qllmft_backends.adjoint.compiled.complex_matrices import add_removed_phases
from qllmft_backends.adjoint.interface import check_cotangent
from qllmft_backends.adjoint.plan import ChunkPlan, complex_plan
from qllmft_backends.adjoint.program import ComplexProgram
from qllmft_backends.adjoint.program.gates import FactorKind
from qllmft_backends.errors import BackendError
from qllmft_backends.observables import PauliObservables


@dataclass
class ComplexTape:
    """Record of a forward pass for `ComplexEngine.vjp`."""

    # (F, B) of the factors' angles, of half of them for turns
    sin: NDArray[np.float64]
    cos: NDArray[np.float64]
    states: Real | None = None  # final states; None once consumed

    @property
    def samples(self) -> int:
        """Return B."""
        return len(self.sin.T)


@dataclass
class ComplexEngine(ChunkedEngine):
    """Engine of one program on batches of complex states. `AdjointEngine` is its counterpart for real ones.

    It measures T Pauli ``strings``; its ``dtype`` is that of the real and imaginary parts.
    """

    program: ComplexProgram
    strings: PauliObservables
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        program = self.program
        self._prepare(program.n_qubits, self.masks, 2)
        self._functions = passes.complex_chunk_functions(self.dtype)
        initial = np.empty(0) if program.initial is None else program.initial
        self._initial = np.ascontiguousarray([initial.real, initial.imag], self.dtype)
        factors = [factor for gate in program.gates for factor in gate.factors]
        halves = np.array([0.5 if f.kind in (FactorKind.X, FactorKind.Y) else 1.0 for f in factors])
        self._slots = np.array([f.slot for f in factors], np.int64)
        self._slopes = np.array([f.scale for f in factors])
        self._half_slopes = self._slopes * halves
        offsets = np.array([f.offset for f in factors]) * halves
        self._constants = np.sin(offsets), np.cos(offsets)
        order = np.argsort(self._slots, kind="stable")
        # the factors with a parameter, slot after slot
        self._by_slot = order[np.count_nonzero(self._slots < 0) :]
        self._slot_starts = np.searchsorted(self._slots[self._by_slot], np.arange(program.n_angles))

    def _make_plan(self, batch: int) -> ChunkPlan:
        return complex_plan(self.program, self.strings, batch, self._width, self.dtype)

    @property
    def masks(self) -> NDArray[np.int64]:
        """Return (T,) the qubits on which each string has Z or Y."""
        return self.strings.masks

    def forward(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, ComplexTape]:
        """Return ⟨P⟩ (B, T) for angles (B, G) in radians, and a tape. The circuit itself loads its initial state."""
        tape = self._tape(self._checked(angles, amplitudes))
        return self._run(tape, with_costate=True), tape

    def values(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        checked = self._checked(angles, amplitudes)
        step = max(2 * SAMPLES_PER_CHUNK, EVALUATION_BYTES // self._state_bytes)
        parts = [self._run(self._tape(checked[i : i + step])) for i in range(0, len(checked), step)]
        return np.concatenate([np.empty((0, self.masks.size), self.dtype), *parts])

    def amplitudes(self, angles: Real) -> NDArray[np.complexfloating]:
        """Return amplitudes (B, 2^Q), all in memory. Bit q of an index is qubit q.

        The circuit's standard gates count as their parts in `gates.PARTS`, which are equal to them up to a phase.
        """
        tape = self._tape(self._checked(angles, None))
        self._run(tape)
        assert tape.states is not None
        plan, phases = self._plan(tape.samples), np.zeros(tape.samples)
        assert isinstance(plan.forward, ComplexPlanArrays)
        add_removed_phases(plan.forward.gates, plan.forward.factors, tape.sin, tape.cos, phases)
        batch = plan.batch
        chunks = tape.states[:, : 2 * batch << self._n_qubits].reshape(
            len(tape.states), -1, 2, self._width
        )
        # by wires, samples inside
        by_chunk = (chunks[:, :, 0] + 1j * chunks[:, :, 1]).reshape(len(chunks), -1, batch)
        by_wire = by_chunk.transpose(0, 2, 1).reshape(len(chunks) * batch, -1)[: tape.samples]
        outcomes = np.arange(1 << self._n_qubits)
        places = sum(
            (outcomes >> qubit & 1) << wire for qubit, wire in enumerate(self.program.wires)
        )
        return np.asarray(by_wire[:, places] * np.exp(1j * phases)[:, np.newaxis])

    def probabilities(self, angles: Real) -> Real:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        return np.asarray(np.abs(self.amplitudes(angles)) ** 2)

    def vjp(
        self, tape: ComplexTape, cotangent: Real, *, amplitudes: bool = False
    ) -> tuple[Real, None]:
        """Return the gradient (B, G) of Σ cotangent · values by the angles, and None for the amplitudes.

        See `AdjointEngine.vjp`; ``amplitudes`` is not used.
        """
        del amplitudes
        check_cotangent(cotangent, tape.samples, self.masks)
        if tape.states is None:
            self._run(tape, with_costate=True)
        states, tape.states = tape.states, None
        assert states is not None
        by_factor = np.empty((len(self._slots), tape.samples), self.dtype)
        weights = np.ascontiguousarray(cotangent, self.dtype)
        costates = allocate(len(states), states[0].nbytes, self.dtype, COSTATE_SHIFT)
        arrays = ComplexBackward(states, costates, weights, by_factor, tape.sin, tape.cos)
        run_pass(
            passes.complex_backward,
            self._functions[1],
            self._plan(tape.samples).backward_words,
            arrays,
        )
        out = np.zeros((self.program.n_angles, tape.samples), self.dtype)
        if out.size:
            by_angle = by_factor[self._by_slot] * self._slopes[self._by_slot, np.newaxis].astype(
                self.dtype
            )
            np.add.reduceat(by_angle, self._slot_starts, axis=0, out=out)
        return np.ascontiguousarray(out.T), None

    # --- one pass

    def _tape(self, angles: NDArray[np.float64]) -> ComplexTape:
        sin, cos = (
            np.repeat(constant[:, np.newaxis], len(angles), axis=1) for constant in self._constants
        )
        turned = self._by_slot
        halves = angles.T[self._slots[turned]] * self._half_slopes[turned, np.newaxis]
        sin[turned], cos[turned] = np.sin(halves), np.cos(halves)
        return ComplexTape(sin, cos)

    def _run(self, tape: ComplexTape, *, with_costate: bool = False) -> Real:
        """Run the program forward: fill the tape's states and return the values (B, T)."""
        plan = self._plan(tape.samples)
        chunks = -(-tape.samples // plan.batch)
        check_memory(
            chunks * plan.batch, self._n_qubits, self._state_bytes, with_costate=with_costate
        )
        tape.states = allocate(chunks, plan.batch * self._state_bytes + GAP, self.dtype)
        out = np.empty((tape.samples, self.masks.size), self.dtype)
        arrays = ComplexForward(tape.states, self._initial, out, tape.sin, tape.cos)
        run_pass(passes.complex_forward, self._functions[0], plan.forward_words, arrays)
        return out

    def _checked(self, angles: Real, amplitudes: Real | None) -> NDArray[np.float64]:
        if amplitudes is not None:
            raise BackendError(
                "amplitudes are given to a circuit of complex gates; expected None. Load them with initialize, or use "
                "only gates of real circuits (ry, cx, x, z, h, cz, swap)."
            )
        if angles.ndim != 2 or angles.shape[1] != self.program.n_angles:
            raise BackendError(
                f"angles are {angles.shape}, expected (B, {self.program.n_angles}): one a rotation."
            )
        return np.asarray(angles, np.float64)
