"""Chunks: the samples of a batch that one thread computes at once, and the base of both engines on the CPU."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError
from qllmft_backends.protocol import Ints
from qllmft_engine.compiled.arguments import ComplexPlanArrays, PlanArrays, plan_words
from qllmft_engine.compiled.simd import SAMPLES, lanes
from qllmft_engine.interface import EngineBase
from qllmft_engine.thread_pool import Queue, run_job

Real = NDArray[np.floating]
PAGE = 4096
# B = 16 then fills two cores; fixed, so that results do not depend on the machine's cores
SAMPLES_PER_CHUNK = SAMPLES
# From 18 qubits on a chunk has fewer samples: state and co-state of two chunks then stay in a
# third-level cache.
CHUNK_BYTES = 4 * 2**20
EVALUATION_BYTES = 64 * 2**20  # of states held at once in a pass without gradient
REUSED_BYTES = 16 * 2**20  # of states of other batch sizes that are kept for their next pass
# The amplitudes that a gate on high qubits combines lie whole pages apart, in one set of a
# first-level cache. State and co-state half a page apart take two sets; in one they would evict
# each other.
COSTATE_SHIFT = 2048
# A core that works on one chunk prefetches the line behind it. If that were the next chunk's first
# line, it would be taken from the core that works on that chunk, at every gate.
CHUNK_GAP = PAGE


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


@dataclass(frozen=True)
class ChunkPlan:
    """Arrays of a pass that depend on the program and on L, made once for each size of a chunk."""

    batch: int  # L, samples in a chunk
    # arrays of each direction, held because the words contain their addresses
    arrays: tuple[PlanArrays | ComplexPlanArrays, ...]
    # the same as a chunk's function reads them, forward and backward
    words: tuple[Ints, ...]

    @classmethod
    def for_directions(cls, batch: int, *arrays: PlanArrays | ComplexPlanArrays) -> ChunkPlan:
        """Return the plan of both directions."""
        return cls(batch, arrays, tuple(map(plan_words, arrays)))


class ChunkedEngine(EngineBase, ABC):
    """Base of the engines on the CPU.

    The tape of a pass has its ``plan``, the number of its ``samples``, its final ``states`` (chunks, a state's numbers
    · L and a gap), None once a sweep has consumed them, and ``kept`` of the same shape, or None: 1 for outcomes of eq.
    2 that counted, 0 for rectified ones.
    """

    device: ClassVar[str] = "cpu"
    _reals_per_amplitude: ClassVar[int]  # real ones per amplitude
    _passes: ClassVar[tuple[Any, Any]]  # forward and backward, of `compiled.passes`

    def _prepare(self) -> None:
        """Set what passes share."""
        self._check_circuit()
        self._n_qubits = self.program.n_qubits
        itemsize = np.dtype(self.dtype).itemsize
        self._width = lanes(itemsize)
        self._state_bytes = self._reals_per_amplitude * itemsize << self._n_qubits  # of one sample
        self._plans: dict[tuple[str, int], ChunkPlan] = {}
        self._free_states: list[tuple[int, Real]] = []  # with the shift of each
        self._states_lock = threading.Lock()  # several threads may use one engine
        self._with_shots = False

    @property
    @abstractmethod
    def _functions(self) -> tuple[int, ...]:
        """Return the addresses of the functions of one chunk, forward and backward; they may compile for seconds."""

    @abstractmethod
    def _make_plan(self, batch: int) -> ChunkPlan:
        """Plan the program for chunks of ``batch`` samples."""

    @abstractmethod
    def _make_tape(self, angles: Any, amplitudes: Any, shots: GaussianShots | None) -> Any:
        """Return the tape of a pass that is to be run."""

    @abstractmethod
    def _run(self, tape: Any, *, for_gradient: bool = False) -> Real:
        """Run the program forward: fill the tape's states and marks, return the values (B, T)."""

    @abstractmethod
    def _sweep(
        self, tape: Any, states: Real, costates: Real, weights: Real, amplitudes: bool
    ) -> tuple[Real, Real | None]:
        """Undo the program, and return the gradients of `vjp`.

        Args:
            tape: of the forward pass.
            states: its final states, undone in place.
            costates: of the same shape, overwritten.
            weights: the cotangent in the engine's dtype.
            amplitudes: whether their gradient is wanted.
        """

    def forward(
        self, angles: Any, amplitudes: Any = None, *, shots: GaussianShots | None = None
    ) -> tuple[Real, Any]:
        """Return expectation values, and a tape for one backward sweep.

        Args:
            angles: gate angles in radians, (G,) if all samples share them, else (B, G).
            amplitudes: (B, D) real initial amplitudes, D ≤ 2^Q, normalised by the caller; None: |0...0⟩.
            shots: values from the frequencies of eq. 2; None: exact ones.

        Returns:
            Values (B, T) of the strings in the engine's dtype, and the tape.
        """
        tape = self._make_tape(angles, amplitudes, shots)
        return self._run(tape, for_gradient=True), tape

    def values(
        self, angles: Any, amplitudes: Any = None, *, shots: GaussianShots | None = None
    ) -> Real:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        samples = self._count_samples(angles, amplitudes)
        batch = self._samples_per_chunk(samples)
        step = batch * max(2, EVALUATION_BYTES // (batch * self._state_bytes + CHUNK_GAP))
        out = np.empty((samples, self.masks.size), self.dtype)
        for start in range(0, samples, step):
            part = slice(start, start + step)
            tape = self._make_tape(
                angles if angles.ndim == 1 else angles[part],
                None if amplitudes is None else amplitudes[part],
                replace(shots, first_chunk=shots.first_chunk + start // batch) if shots else None,
            )
            out[part] = self._run(tape)
            self._release(tape)
        return out

    def vjp(
        self, tape: Any, cotangent: Real, *, amplitudes: bool = False
    ) -> tuple[Real, Real | None]:
        """Return the vector-Jacobian product: the gradient of Σ cotangent · values.

        Args:
            tape: of a forward pass; its states are undone in place. A second sweep repeats the forward pass.
            cotangent: (B, T).
            amplitudes: also return the gradient of the loaded amplitudes.

        Returns:
            Gradient of the angles, (G,) or (B, G) as they came in; gradient of the amplitudes (B, D), or None.
        """
        self._check_cotangent(cotangent, tape.samples)
        if tape.states is None:
            self._run(tape, for_gradient=True)
        states = tape.states
        tape.states = None
        costates = self._take_states(len(states), tape.plan.batch, shift=COSTATE_SHIFT)
        weights = np.ascontiguousarray(cotangent, self.dtype)
        gradients = self._sweep(tape, states, costates, weights, amplitudes)
        self._return_states(states)
        self._return_states(costates, COSTATE_SHIFT)
        return gradients

    # --- one pass

    def _samples_per_chunk(self, samples: int) -> int:
        """Return L: a power of two up to 8 that fits the cache, and large enough to fill one register."""
        cache_samples = max(1, CHUNK_BYTES // self._state_bytes)
        chunk_samples = min(SAMPLES_PER_CHUNK, cache_samples, 1 << max(0, samples - 1).bit_length())
        return int(max(chunk_samples, self._width >> self._n_qubits))

    def _plan(self, samples: int, make_plan: Callable[[int], ChunkPlan] | None = None) -> ChunkPlan:
        """Return the plan for a batch, made by `_make_plan` or another method once for each size of a chunk."""
        make_plan = make_plan or self._make_plan
        batch = self._samples_per_chunk(samples)
        key = make_plan.__name__, batch
        if key not in self._plans:
            self._plans[key] = make_plan(batch)
        return self._plans[key]

    def _pass(self, direction: int, plan: ChunkPlan, arrays: tuple[Any, ...]) -> None:
        """Run the program over all chunks on the pool of threads.

        Args:
            direction: 0 forward, 1 backward.
            plan: of the tape.
            arrays: those of `compiled.arguments`; the first one has a row per chunk.
        """
        chunk_function = self._functions[direction]
        self._run_chunks(self._passes[direction], chunk_function, plan.words[direction], arrays)

    @staticmethod
    def _run_chunks(
        function: Any, chunk_function: int, words_of_plan: Ints, arrays: tuple[Any, ...]
    ) -> None:
        """Run a function of `compiled.passes` with the function of a chunk on the pool of threads."""
        # held until the job is done, because a late worker still reads them
        words = words_of_plan.copy()

        def run(queue: Queue, spins: int) -> bool:
            is_done: bool = function(queue, spins, chunk_function, words, *arrays)
            return is_done

        if len(arrays[0]):
            run_job(len(arrays[0]), run)

    # --- memory

    def _take_states(
        self, chunks: int, batch: int, shift: int = 0, *, for_gradient: bool = False
    ) -> Real:
        """Return states for ``chunks``, reused if possible, ``shift`` bytes past a page's begin."""
        row = batch * self._state_bytes + CHUNK_GAP
        shape = (chunks, row // np.dtype(self.dtype).itemsize)
        with self._states_lock:
            for i, (free_shift, states) in enumerate(self._free_states):
                if free_shift == shift and states.shape == shape:
                    del self._free_states[i]
                    return states
        sample_bytes = (2 if for_gradient else 1) * self._state_bytes
        needed = chunks * batch * sample_bytes
        available = psutil.virtual_memory().available
        if needed > available:
            array_names = "state and co-state" if for_gradient else "states"
            raise BackendError(
                f"{array_names} of {chunks * batch} samples on {self._n_qubits} qubits need {needed / 2**30:.1f} GiB, "
                f"{available / 2**30:.1f} GiB are free: {available // sample_bytes} samples fit. Take a smaller batch, "
                "or fewer qubits."
            )
        raw_bytes = np.empty(chunks * row + 2 * PAGE, np.uint8)
        offset = -raw_bytes.ctypes.data % PAGE + shift
        return raw_bytes[offset : offset + chunks * row].view(self.dtype).reshape(shape)

    def _return_states(self, states: Real | None, shift: int = 0) -> None:
        """Keep states of `_take_states` for the next pass.

        One forward and one backward need two sets, and a third for shots. A training also has a smaller last batch and
        a validation set, whose states are kept too if they are small.
        """
        if states is None or not states.size:
            return
        with self._states_lock:
            self._free_states.append((shift, states))
            while (
                len(self._free_states) > (3 if self._with_shots else 2)
                and sum(free.nbytes for _, free in self._free_states) > REUSED_BYTES
            ):
                del self._free_states[0]

    def _release(self, tape: Any) -> None:
        self._return_states(tape.states)
        self._return_states(tape.costate_factors)
        tape.states = tape.costate_factors = None
