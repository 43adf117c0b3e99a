"""Chunks: the samples of a batch that one thread computes at once, and the parts that both engines on the CPU share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import psutil
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled.simd import lanes
from qllmft_backends.adjoint.interface import EngineCopies, check_circuit
from qllmft_backends.adjoint.plan import ChunkPlan
from qllmft_backends.adjoint.thread_pool import Queue, run_job
from qllmft_backends.errors import BackendError

Real = NDArray[np.floating]
PAGE = 4096
# B = 16 then fills two cores; fixed, so that results do not depend on the machine's cores
SAMPLES_PER_CHUNK = 8
# From 18 qubits on a chunk has fewer samples: state and co-state of two chunks then stay in a
# third-level cache.
CHUNK_BYTES = 4 * 2**20
EVALUATION_BYTES = 64 * 2**20  # of states held at once in a pass without gradient
# The amplitudes that a gate on high qubits combines lie whole pages apart, in one set of a
# first-level cache. State and co-state half a page apart take two sets; in one they would evict
# each other.
COSTATE_SHIFT = 2048
# A core that works on one chunk prefetches the line behind it. If that were the next chunk's first
# line, it would be taken from the core that works on that chunk, at every gate.
GAP = PAGE


class ChunkedEngine(EngineCopies, ABC):
    """Base of the engines on the CPU."""

    device: ClassVar[str] = "cpu"

    def _prepare(self, n_qubits: int, masks: NDArray[np.int64], numbers_per_amplitude: int) -> None:
        check_circuit(n_qubits, masks)
        itemsize = np.dtype(self.dtype).itemsize
        self._n_qubits, self._width = n_qubits, lanes(itemsize)
        self._state_bytes = numbers_per_amplitude * itemsize << n_qubits  # of one sample
        self._plans: dict[int, ChunkPlan] = {}

    @abstractmethod
    def _make_plan(self, batch: int) -> ChunkPlan:
        """Plan the program for chunks of ``batch`` samples."""

    def _samples_per_chunk(self, samples: int) -> int:
        """Return L: a power of two up to 8 that fits the cache, and large enough to fill one register."""
        fitting = max(1, CHUNK_BYTES // self._state_bytes)
        wanted = min(SAMPLES_PER_CHUNK, fitting, 1 << max(0, samples - 1).bit_length())
        return int(max(wanted, self._width >> self._n_qubits))

    def _plan(self, samples: int) -> ChunkPlan:
        batch = self._samples_per_chunk(samples)
        if batch not in self._plans:
            self._plans[batch] = self._make_plan(batch)
        return self._plans[batch]


def run_pass(
    function: Any, chunk_function: int, plan_words: NDArray[np.int64], arrays: tuple[Any, ...]
) -> None:
    """Run a pass of `compiled.passes` over all chunks on the pool of threads.

    Args:
        function: the pass, of `compiled.passes`.
        chunk_function: address of the compiled function of one chunk.
        plan_words: of the plan, see `ChunkPlan`.
        arrays: those of `compiled.arguments`; the first one has a row per chunk.
    """
    words = plan_words.copy()  # held until the job is done, because a late worker still reads them

    def run(queue: Queue, spins: int) -> bool:
        done: bool = function(queue, spins, chunk_function, words, *arrays)
        return done

    if len(arrays[0]):
        run_job(len(arrays[0]), run)


def check_memory(samples: int, n_qubits: int, bytes_a_sample: int, *, with_costate: bool) -> None:
    """Refuse states, or states and co-states, that need more than the free memory.

    Args:
        samples: number of states.
        n_qubits: of a state.
        bytes_a_sample: size of one state.
        with_costate: each state has a co-state of its size.
    """
    copies = 2 if with_costate else 1
    needed, available = copies * samples * bytes_a_sample, psutil.virtual_memory().available
    if needed > available:
        what = "state and co-state" if with_costate else "states"
        raise BackendError(
            f"{what} of {samples} samples on {n_qubits} qubits need {needed / 2**30:.1f} GiB, "
            f"{available / 2**30:.1f} GiB are free: {available // (copies * bytes_a_sample)} samples fit. Take a "
            "smaller batch, or fewer qubits."
        )


def allocate(chunks: int, row: int, dtype: str, shift: int = 0) -> NDArray[np.floating]:
    """Return an array (chunks, n) that begins at a page, or ``shift`` bytes past it.

    Args:
        chunks: number of rows.
        row: bytes of a row.
        dtype: of the numbers in it.
        shift: bytes between the begin of a page and that of the array.
    """
    raw = np.empty(chunks * row + 2 * PAGE, np.uint8)
    offset = -raw.ctypes.data % PAGE + shift
    return (
        raw[offset : offset + chunks * row]
        .view(dtype)
        .reshape(chunks, row // np.dtype(dtype).itemsize)
    )
