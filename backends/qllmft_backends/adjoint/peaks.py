"""Peak arithmetic and memory bandwidth of this machine, and the engine's passes to compare with them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from timeit import repeat

import numpy as np
from qiskit import QuantumCircuit

from qllmft_backends.adjoint.compiled.peak import multiply_add, rotate
from qllmft_backends.adjoint.engine import AdjointEngine
from qllmft_backends.adjoint.program import lower
from qllmft_backends.adjoint.thread_pool import thread_count

# A rotation by its tangent is two multiply-adds a pair of amplitudes forward. Backward it is four
# to undo it on state and co-state, and two for the gradient.
FLOPS = 2 + 6  # an amplitude and gate, forward and backward


@dataclass(frozen=True)
class Peaks:
    """Speed of this machine with all of the engine's threads."""

    # float32 multiply-adds in registers: the arithmetic peak
    multiply_add_gflops: float
    # rotations of an array in the first-level cache, each loaded and stored
    rotation_gflops: float
    # memory copied, bytes read and written counted
    copy_gb_s: float


def measure_peaks() -> Peaks:
    """Measure the machine, for about a second."""
    threads, repeats = thread_count(), 2_000_000
    registers = np.full((threads, 14 * 16), 1.0, np.float32)
    cached = np.full((threads, 4096), 1.0, np.float32)  # 16 KiB
    source = np.ones((threads, 32 * 2**20), np.float32)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:

        def best(work: Callable[[int], object]) -> float:
            """Return the seconds of the fastest of four runs on all threads, after one that is not measured."""
            return min(repeat(lambda: list(pool.map(work, range(threads))), repeat=5, number=1)[1:])

        multiply_adds = repeats * 24 * 16 / best(lambda i: multiply_add(registers[i], repeats))
        rotations = 20_000 * 4096 * 2 / best(lambda i: rotate(cached[i], 20_000))
        copied = 2 * source.nbytes / best(lambda i: np.copyto(target[i], source[i]))
    return Peaks(threads * multiply_adds / 1e9, threads * rotations / 1e9, copied / 1e9)


def passes_of(
    circuit: QuantumCircuit, batch_size: int, loaded: int = 0
) -> tuple[Callable[[], None], int]:
    """Return forward and gradient of a circuit on random angles as one call, and its number of operations.

    Samples with ``loaded`` amplitudes share their angles; with 0 they have angles of their own, and begin in |0⟩.
    """
    random = np.random.default_rng(0)
    program, n_qubits = lower(circuit), circuit.num_qubits
    engine = AdjointEngine(program, 1 << np.arange(n_qubits, dtype=np.int64))
    amplitudes = None
    if loaded:
        amplitudes = random.normal(size=(batch_size, loaded)).astype(np.float32)
        amplitudes /= np.linalg.norm(amplitudes, axis=1, keepdims=True)
        angles = random.uniform(-np.pi, np.pi, program.n_angles)
    else:
        angles = program.angles(
            random.uniform(-np.pi, np.pi, (batch_size, len(program.parameters)))
        )
    angles = angles.astype(np.float32)  # as training has them
    cotangent = random.normal(size=(batch_size, n_qubits))

    def step() -> None:
        _, tape = engine.forward(angles, amplitudes)
        engine.vjp(tape, cotangent)

    return step, FLOPS * program.n_angles * 2**n_qubits * batch_size
