"""The engine for circuits of any gates: complex states, gradients in one reverse sweep, observables of X, Y and Z."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled import complex_passes as passes
from qllmft_backends.adjoint.compiled.simd import lanes
from qllmft_backends.adjoint.engine import (
    CHUNK_BYTES,
    COSTATE_SHIFT,
    EVALUATION_BYTES,
    GAP,
    MAX_QUBITS,
    SAMPLES_PER_CHUNK,
    Real,
)
from qllmft_backends.adjoint.memory import allocate, check_memory
from qllmft_backends.adjoint.program.complex_gates import Axis
from qllmft_backends.adjoint.program.complex_lowering import ComplexProgram
from qllmft_backends.adjoint.program.complex_plan import ComplexPlan, make_plan
from qllmft_backends.adjoint.thread_pool import Queue, run_job
from qllmft_backends.errors import BackendError
from qllmft_backends.z_observables import PauliObservables


@dataclass
class ComplexTape:
    """What `ComplexEngine.vjp` needs of a forward pass.

    Attributes:
        samples: B.
        shared: what both directions read: the plan, the factors' sines and cosines, the strings, the sizes.
        states: final states; None once consumed.
    """

    samples: int
    shared: tuple[NDArray[Any], ...]
    states: Real | None = None


@dataclass
class ComplexEngine:
    """Runs one program on batches of complex states; `AdjointEngine` does the same for real ones.

    Args:
        program: the lowered circuit.
        strings: T Pauli strings to measure.
        dtype: of the real and imaginary parts: ``float32``, or ``float64`` for tests and reference values.

    Raises:
        BackendError: for more than 30 qubits.
    """

    device: ClassVar[str] = "cpu"
    program: ComplexProgram
    strings: PauliObservables
    dtype: Literal["float32", "float64"] = "float32"
    _plans: dict[int, tuple[ComplexPlan, NDArray[np.int64], Real]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        program = self.program
        if not 1 <= program.n_qubits <= MAX_QUBITS:
            raise BackendError(f"the circuit has {program.n_qubits} qubits; the adjoint engine runs 1 to {MAX_QUBITS}.")
        self._functions = passes.chunk_functions(self.dtype)
        self._width = lanes(np.dtype(self.dtype).itemsize)
        initial = np.empty(0) if program.initial is None else program.initial
        self._initial = np.ascontiguousarray([initial.real, initial.imag], self.dtype)
        factors = [factor for gate in program.gates for factor in gate.factors]
        self._factors = np.array([(f.axis, f.slot >= 0) for f in factors], np.int64).reshape(-1, 2)
        halves = np.where(np.isin(self._factors[:, 0], (Axis.X, Axis.Y)), 0.5, 1.0)
        self._slots = np.array([f.slot for f in factors], np.int64)
        self._slopes = np.array([f.scale for f in factors])
        self._half_slopes, offsets = self._slopes * halves, np.array([f.offset for f in factors]) * halves
        self._constants = np.sin(offsets), np.cos(offsets)
        order = np.argsort(self._slots, kind="stable")
        self._by_slot = order[np.count_nonzero(self._slots < 0) :]  # the factors with a parameter, slot after slot
        self._slot_starts = np.searchsorted(self._slots[self._by_slot], np.arange(program.n_angles))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made anew; see `AdjointEngine`."""
        return ComplexEngine, (self.program, self.strings, self.dtype)

    @cached_property
    def double(self) -> ComplexEngine:
        """This engine in float64; itself where it is."""
        return self if self.dtype == "float64" else ComplexEngine(self.program, self.strings, "float64")

    @property
    def masks(self) -> NDArray[np.int64]:
        """(T,) the qubits on which each string has Z or Y."""
        return self.strings.masks

    def forward(self, angles: Real, amplitudes: Real | None = None) -> tuple[Real, ComplexTape]:
        """Expectation values ⟨P⟩ (B, T) in the engine's dtype, and a tape for one backward sweep.

        Args:
            angles: gate angles (B, G) in radians.
            amplitudes: None: a circuit of any gates begins with what it says itself.
        """
        tape = self._tape(self._checked(angles, amplitudes))
        return self._run(tape, with_costate=True), tape

    def values(self, angles: Real, amplitudes: Real | None = None) -> Real:
        """Expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        checked = self._checked(angles, amplitudes)
        step = max(2 * SAMPLES_PER_CHUNK, EVALUATION_BYTES // self._state_bytes)
        parts = [self._run(self._tape(checked[i : i + step])) for i in range(0, len(checked), step)]
        return np.concatenate([np.empty((0, self.masks.size), self.dtype), *parts])

    def vjp(self, tape: ComplexTape, cotangent: Real, *, amplitudes: bool = False) -> tuple[Real, None]:
        """Vector-Jacobian product: the gradient (B, G) of Σ cotangent · values by the angles; no other is to be had.

        Args:
            tape: of a forward pass; its states are undone in place. A second sweep repeats the forward pass.
            cotangent: (B, T).
            amplitudes: not used.
        """
        del amplitudes
        shape = (tape.samples, self.masks.size)
        if cotangent.shape != shape:
            raise BackendError(f"the cotangent is {cotangent.shape}, expected {shape}: (B, T).")
        if tape.states is None:
            self._run(tape, with_costate=True)
        states, tape.states = tape.states, None
        assert states is not None
        by_factor = np.empty((len(self._slots), tape.samples), self.dtype)
        weights = np.ascontiguousarray(cotangent, self.dtype)
        costates = allocate(len(states), states[0].nbytes, self.dtype, COSTATE_SHIFT)
        arrays = (states, costates, weights, *tape.shared, by_factor)
        self._job(passes.backward, self._functions[1], arrays)
        out = np.zeros((self.program.n_angles, tape.samples), self.dtype)
        if out.size:
            by_angle = by_factor[self._by_slot] * self._slopes[self._by_slot, np.newaxis].astype(self.dtype)
            np.add.reduceat(by_angle, self._slot_starts, axis=0, out=out)
        return np.ascontiguousarray(out.T), None

    # --- one pass ---------------------------------------------------------------------------------------------------

    def _tape(self, angles: NDArray[np.float64]) -> ComplexTape:
        """An empty tape for one pass."""
        batch = self._samples_per_chunk(len(angles))
        plan, strings, lane_signs = self._plan(batch)
        sin, cos = (np.repeat(constant[:, np.newaxis], len(angles), axis=1) for constant in self._constants)
        turned = self._by_slot
        halves = angles.T[self._slots[turned]] * self._half_slopes[turned, np.newaxis]
        sin[turned], cos[turned] = np.sin(halves), np.cos(halves)
        diagonal = np.count_nonzero(self.strings.flips == 0)
        sizes = np.array([batch, 2 * batch << self.program.n_qubits, diagonal])
        shared = (*plan, self._factors, sin, cos, strings, lane_signs, sizes)
        return ComplexTape(len(angles), shared)

    def _run(self, tape: ComplexTape, *, with_costate: bool = False) -> Real:
        """Run the program forward: fills the tape's states, returns the values (B, T)."""
        batch = self._samples_per_chunk(tape.samples)
        chunks = -(-tape.samples // batch)
        check_memory(chunks * batch, self.program.n_qubits, self._state_bytes, with_costate=with_costate)
        tape.states = allocate(chunks, batch * self._state_bytes + GAP, self.dtype)
        out = np.empty((tape.samples, self.masks.size), self.dtype)
        self._job(passes.forward, self._functions[0], (tape.states, self._initial, out, *tape.shared))
        return out

    def _job(self, function: Any, chunk_function: int, arrays: tuple[NDArray[Any], ...]) -> None:
        """Run a pass over all chunks on the pool of threads."""
        words = np.zeros(passes.WORDS, np.int64)  # held until the job is done: a worker that comes late still reads it

        def run(queue: Queue, spins: int) -> bool:
            done: bool = function(queue, spins, chunk_function, words, *arrays)
            return done

        if len(arrays[0]):
            run_job(len(arrays[0]), run)

    # --- plans ------------------------------------------------------------------------------------------------------

    @property
    def _state_bytes(self) -> int:
        """Of one sample."""
        return 2 * np.dtype(self.dtype).itemsize << self.program.n_qubits

    def _samples_per_chunk(self, samples: int) -> int:
        """L; see `AdjointEngine`."""
        fitting = max(1, CHUNK_BYTES // self._state_bytes).bit_length() - 1
        wanted = min(SAMPLES_PER_CHUNK, 1 << fitting, 1 << max(0, samples - 1).bit_length())
        return int(max(wanted, self._width >> self.program.n_qubits))

    def _plan(self, batch: int) -> tuple[ComplexPlan, NDArray[np.int64], Real]:
        """The plan, the strings over rows, and their signs inside registers, for L; made once."""
        if batch not in self._plans:
            register_bits = (self._width // batch).bit_length() - 1
            wires = self.program.wires
            z, x = (_on_wires(masks, wires) for masks in (self.strings.masks, self.strings.flips))
            turns = np.bitwise_count(z & x).astype(np.int64) & 3
            inside = (1 << register_bits) - 1
            strings = np.stack([x >> register_bits, (x & inside) * batch, z >> register_bits, turns], axis=1)
            lane = np.arange(self._width) // batch
            signs = 1.0 - 2.0 * (np.bitwise_count(z[:, None] & inside & lane) & 1)
            plan = make_plan(self.program, batch, self._width, np.dtype(self.dtype).itemsize)
            self._plans[batch] = plan, np.ascontiguousarray(strings), signs.astype(self.dtype).reshape(-1)
        return self._plans[batch]

    def _checked(self, angles: Real, amplitudes: Real | None) -> NDArray[np.float64]:
        if amplitudes is not None:
            raise BackendError(
                "amplitudes are given to a circuit of complex gates; expected None. Load them with initialize, or use "
                "only gates of real circuits (ry, cx, x, z, h, cz, swap)."
            )
        if angles.ndim != 2 or angles.shape[1] != self.program.n_angles:
            raise BackendError(f"angles are {angles.shape}, expected (B, {self.program.n_angles}): one a rotation.")
        return np.asarray(angles, np.float64)


def _on_wires(masks: NDArray[np.int64], wires: tuple[int, ...]) -> NDArray[np.int64]:
    """Masks with the bit of each qubit moved to its wire."""
    moved = np.zeros_like(masks)
    for qubit, wire in enumerate(wires):
        moved |= (masks >> qubit & 1) << wire
    return moved
