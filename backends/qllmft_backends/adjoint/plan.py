"""What a pass of the engine reads besides the samples' own numbers, made once for each size of a chunk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled.arguments import PlanArrays
from qllmft_backends.adjoint.compiled.passes import plan_words
from qllmft_backends.adjoint.program import Program
from qllmft_backends.adjoint.program.schedule import make_schedule


@dataclass(frozen=True)
class Plan:
    """What depends on the program and on L.

    Attributes:
        batch: L, samples in a chunk.
        forward, backward: arrays of each direction.
        forward_words, backward_words: the same as a chunk's function reads them.
    """

    batch: int
    forward: PlanArrays
    backward: PlanArrays
    forward_words: NDArray[np.int64]
    backward_words: NDArray[np.int64]

    @classmethod
    def make(cls, program: Program, masks: NDArray[np.int64], batch: int, width: int, itemsize: int) -> Plan:
        """Plan a program for chunks of one size.

        Args:
            program: the lowered circuit.
            masks: (T,) Z strings to measure.
            batch: L, samples in a chunk.
            width: lanes of a register.
            itemsize: bytes of an amplitude.
        """
        register_bits = (width // batch).bit_length() - 1
        real = np.dtype(f"f{itemsize}")
        lane = np.arange(width)
        inside = lane // batch  # bits of the qubits inside a register, by lane
        odd = np.array([[(int(m) & int(b)).bit_count() & 1 for b in inside] for m in masks], dtype=bool)
        signs = np.concatenate([np.where(lane & d, 1, -1) for d in (1, 2, 4, 8)])

        def arrays(*, backward: bool) -> PlanArrays:
            schedule = make_schedule(program, batch, width, itemsize, backward=backward)
            return PlanArrays(
                ops=program.ops,
                steps=schedule.steps,
                runs=schedule.runs,
                outer=schedule.outer,
                signs=signs.astype(real),
                row_masks=(masks >> register_bits).astype(np.int64),
                lane_signs=np.where(odd.reshape(-1), -1, 1).astype(real),
                sizes=np.array([batch, batch << program.n_qubits]),
            )

        forward, backward = arrays(backward=False), arrays(backward=True)
        return cls(batch, forward, backward, plan_words(forward), plan_words(backward))
