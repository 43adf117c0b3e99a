"""Plans: the arrays of a pass beside the samples' own numbers, made once for each size of a chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled.arguments import ComplexPlanArrays, PlanArrays
from qllmft_backends.adjoint.compiled.passes import plan_words
from qllmft_backends.adjoint.program import ComplexProgram, Program
from qllmft_backends.adjoint.program.complex_plan import make_plan
from qllmft_backends.adjoint.program.schedule import make_schedule
from qllmft_backends.observables import PauliObservables


@dataclass(frozen=True)
class ChunkPlan:
    """Arrays that depend on the program and on L."""

    batch: int  # L, samples in a chunk
    # arrays of each direction, held because the words contain their addresses
    forward: PlanArrays | ComplexPlanArrays
    backward: PlanArrays | ComplexPlanArrays
    # the same as a chunk's function reads them
    forward_words: NDArray[np.int64]
    backward_words: NDArray[np.int64]


def real_plan(
    program: Program, masks: NDArray[np.int64], batch: int, width: int, dtype: str
) -> ChunkPlan:
    """Plan a program of real gates for chunks of L samples.

    Args:
        program: the lowered circuit.
        masks: (T,) Z strings to measure.
        batch: L, samples in a chunk.
        width: lanes of a register.
        dtype: ``float32`` or ``float64``.
    """
    register_bits = (width // batch).bit_length() - 1
    lane = np.arange(width)
    inside = lane // batch  # bits of the qubits inside a register, by lane
    odd = np.array([[(int(m) & int(b)).bit_count() & 1 for b in inside] for m in masks], dtype=bool)
    signs = np.concatenate([np.where(lane & d, 1, -1) for d in (1, 2, 4, 8)])

    def arrays(*, backward: bool) -> PlanArrays:
        schedule = make_schedule(program, batch, width, np.dtype(dtype).itemsize, backward=backward)
        return PlanArrays(
            ops=program.ops,
            steps=schedule.steps,
            runs=schedule.runs,
            outer=schedule.outer,
            signs=signs.astype(dtype),
            row_masks=(masks >> register_bits).astype(np.int64),
            lane_signs=np.where(odd.reshape(-1), -1, 1).astype(dtype),
            sizes=np.array([batch, batch << program.n_qubits]),
        )

    forward, backward = arrays(backward=False), arrays(backward=True)
    return ChunkPlan(batch, forward, backward, plan_words(forward), plan_words(backward))


def complex_plan(
    program: ComplexProgram, observables: PauliObservables, batch: int, width: int, dtype: str
) -> ChunkPlan:
    """Plan a program of any gates for chunks of L samples.

    Args:
        program: the lowered circuit.
        observables: T Pauli strings to measure.
        batch: L, samples in a chunk.
        width: lanes of a register.
        dtype: of the real and imaginary parts.
    """
    register_bits = (width // batch).bit_length() - 1
    z, x = (_on_wires(masks, program.wires) for masks in (observables.masks, observables.flips))
    turns = np.bitwise_count(z & x).astype(np.int64) & 3
    inside = (1 << register_bits) - 1
    strings = np.stack(
        [x >> register_bits, (x & inside) * batch, z >> register_bits, turns], axis=1
    )
    lane = np.arange(width) // batch
    signs = 1.0 - 2.0 * (np.bitwise_count(z[:, None] & inside & lane) & 1)
    factors = [(factor.kind, factor.slot >= 0) for gate in program.gates for factor in gate.factors]
    arrays = ComplexPlanArrays(
        *make_plan(program, batch, width, np.dtype(dtype).itemsize),
        factors=np.array(factors, np.int64).reshape(-1, 2),
        strings=np.ascontiguousarray(strings),
        lane_signs=signs.astype(dtype).reshape(-1),
        sizes=np.array(
            [batch, 2 * batch << program.n_qubits, np.count_nonzero(observables.flips == 0)]
        ),
    )
    words = plan_words(arrays)
    return ChunkPlan(batch, arrays, arrays, words, words)


def _on_wires(masks: NDArray[np.int64], wires: tuple[int, ...]) -> NDArray[np.int64]:
    """Return masks with the bit of each qubit moved to its wire."""
    moved = np.zeros_like(masks)
    for qubit, wire in enumerate(wires):
        moved |= (masks >> qubit & 1) << wire
    return moved
