"""Engine in Triton: a state of up to 13 qubits stays on the chip for the whole circuit, a larger one for several gates.

The two directions of a small circuit are one launch each. A large one has passes of several gates
(`split_into_passes`), each of which reads and writes the states once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from qllmft_engine.program.gates import FactorKind
from qllmft_engine.program.operations import FIXED_PARTS
from qllmft_engine.torch.engine import TorchEngine, TorchTape
from qllmft_engine.torch.gpu import real_gates
from qllmft_engine.torch.gpu import real_kernels as kernels
from qllmft_engine.torch.gpu.launches import launch
from qllmft_engine.torch.gpu.passes import MergedGate, merge_rotations, split_into_passes
from qllmft_engine.torch.state_vectors import string_signs

SMALL_STATE_QUBITS = 13  # qubits of a state in the registers of one program of the grid
PASS_QUBITS = 10  # qubits of a pass over larger states
CONTIGUOUS_QUBITS = 4  # of them those of successive amplitudes, which are read together
WARP_THREADS = 32  # of a warp
MIN_PROGRAM_AMPLITUDES = 256  # amplitudes in a program; smaller states share one
# states; more fill the device, and then fewer threads a state wait less for each other
FEW_STATES = 512
AMPLITUDES_PER_THREAD = (8, 16)  # amplitudes in a thread's registers, with few and with many states
MAX_WARPS = 16
# of X and Z in the table of gates
_FIXED_KINDS: dict[FactorKind | None, int] = {
    FactorKind.X: real_gates.FLIPS,
    FactorKind.Z: real_gates.SIGNS,
}


@dataclass(frozen=True)
class TablePass:
    """Rows of the table of gates that run in one pass, and the places of its local bits, then of the others."""

    first: int
    last: int
    places: Tensor


@dataclass
class TritonEngine(TorchEngine):
    """`TorchEngine` whose gates run in Triton's kernels."""

    # --- tables

    @cached_property
    def _is_small(self) -> bool:
        return self.program.n_qubits <= SMALL_STATE_QUBITS

    @cached_property
    def _local(self) -> int:
        return self.program.n_qubits if self._is_small else PASS_QUBITS

    @cached_property
    def _table(self) -> tuple[Tensor, list[TablePass]]:
        """Return the rows of `real_gates`, and the passes over them."""
        n_qubits = self.program.n_qubits
        device = self._kind["device"]
        rows: list[tuple[int, ...]] = []
        gates = merge_rotations(self._gates)
        passes: list[TablePass] = []
        if self._is_small:
            rows = [_row(gate, range(n_qubits)) for gate in gates]
            places = torch.arange(n_qubits, dtype=torch.int32, device=device)
            passes.append(TablePass(0, len(rows), places))
        else:
            for part in split_into_passes(
                gates, n_qubits, PASS_QUBITS, min(CONTIGUOUS_QUBITS, PASS_QUBITS)
            ):
                outside = [q for q in range(n_qubits) if q not in part.qubits]
                qubits = (*part.qubits, *outside)
                places = torch.tensor(qubits, dtype=torch.int32, device=device)
                first = len(rows)
                rows += [_row(gate, qubits) for gate in part.gates]
                passes.append(TablePass(first, len(rows), places))
        rows += [(0, 0, 0, -1, -1)] * 2
        return torch.tensor(rows, dtype=torch.int32, device=device), passes

    @cached_property
    def _string_tables(self) -> tuple[Tensor, Tensor, Tensor, int]:
        """Return the signs of the strings by the low, middle and top bits of an index, and the number of low bits."""
        low = min(5, self._local)
        masks = self.masks.tolist()
        shifts = (
            (low, 0),
            (self._local - low, low),
            (self.program.n_qubits - self._local, self._local),
        )
        parts = [string_signs(bits, [mask >> first for mask in masks]) for bits, first in shifts]
        by_bits = [part.to(**self._kind) for part in parts]
        return by_bits[0].T.contiguous(), by_bits[1].T.contiguous(), by_bits[2].contiguous(), low

    # --- one pass

    def _run(self, tape: TorchTape, rows: slice, *, keeps: bool) -> tuple[Tensor, Tensor | None]:
        cos = tape.cos if tape.shared else tape.cos[rows]
        sin = tape.sin if tape.shared else tape.sin[rows]
        amplitudes = None if tape.amplitudes is None else tape.amplitudes[rows]
        samples = len(range(tape.samples)[rows])
        run = self._run_small if self._is_small else self._run_large
        with self._current_device:
            return run(cos, sin, amplitudes, samples, keeps)

    def _run_small(
        self, cos: Tensor, sin: Tensor, amplitudes: Tensor | None, samples: int, keeps: bool
    ) -> tuple[Tensor, Tensor | None]:
        table, _ = self._table
        low, middle, top, low_bits = self._string_tables
        values = torch.empty(samples, self.masks.size, **self._kind)
        states = torch.empty(samples if keeps else 0, 1 << self._local, **self._kind)
        per_program, warps = self._shape(samples)
        if samples:
            launch(
                kernels.small_forward,
                -(-samples // per_program),
                table,
                len(table) - 2,
                cos,
                sin,
                _stride(cos),
                *_source(amplitudes, states),
                int(keeps),
                states,
                values,
                low,
                middle,
                top,
                self.masks.size,
                samples,
                S=per_program,
                L=self._local,
                LOW=low_bits,
                WARPS=warps,
                num_warps=warps,
            )
        return values, states if keeps else None

    def _run_large(
        self, cos: Tensor, sin: Tensor, amplitudes: Tensor | None, samples: int, keeps: bool
    ) -> tuple[Tensor, Tensor | None]:
        table, passes = self._table
        outside = self.program.n_qubits - self._local
        blocks = 1 << outside
        states = torch.empty(samples, 1 << self.program.n_qubits, **self._kind)
        sums = torch.empty(samples, blocks, self.masks.size, **self._kind)
        warps = count_warps(1 << self._local, AMPLITUDES_PER_THREAD[1])
        source = amplitudes
        if samples:
            for part in passes:
                launch(
                    kernels.pass_forward,
                    samples * blocks,
                    table,
                    part.first,
                    part.last,
                    cos,
                    sin,
                    _stride(cos),
                    part.places,
                    outside,
                    *_source(source, states),
                    states,
                    L=self._local,
                    WARPS=warps,
                    num_warps=warps,
                )
                source = states
            self._launch_strings(kernels.read_strings, states, sums)
        return sums.sum(dim=1), states if keeps else None

    # --- the sweep back

    def _sweep(
        self, tape: TorchTape, states: Tensor, by_value: Tensor, *, amplitudes: bool
    ) -> tuple[Tensor, Tensor | None]:
        cotangent = by_value.contiguous()
        with self._current_device:
            if not self._is_small:
                costates = self._make_costates(states, cotangent)
                return self._sweep_costates(tape, states, costates, amplitudes=amplitudes)
            by_amplitude = self._empty_gradient(tape, amplitudes)
            by_part = self._sweep_small(tape, states, cotangent, by_amplitude)
        return _sum_of_parts(by_part), by_amplitude if amplitudes else None

    def _sweep_costates(
        self, tape: TorchTape, states: Tensor, costates: Tensor, *, amplitudes: bool
    ) -> tuple[Tensor, Tensor | None]:
        by_amplitude = self._empty_gradient(tape, amplitudes)
        with self._current_device:
            by_part = self._sweep_passes(tape, states, costates, by_amplitude)
        return _sum_of_parts(by_part), by_amplitude if amplitudes else None

    def _empty_gradient(self, tape: TorchTape, amplitudes: bool) -> Tensor:
        width = tape.amplitudes.shape[1] if amplitudes and tape.amplitudes is not None else 0
        return torch.empty(tape.samples, width, **self._kind)

    def _sweep_small(
        self, tape: TorchTape, states: Tensor, cotangent: Tensor, by_amplitude: Tensor
    ) -> Tensor:
        table, _ = self._table
        low, middle, top, low_bits = self._string_tables
        per_program, warps = self._shape(tape.samples)
        parts, threads = self._parts(warps)
        by_part = torch.empty(tape.samples, parts, self.program.n_angles, **self._kind)
        width = by_amplitude.shape[1]
        if tape.samples:
            launch(
                kernels.small_back,
                -(-tape.samples // per_program),
                table,
                len(table) - 2,
                tape.cos,
                tape.sin,
                _stride(tape.cos),
                states,
                cotangent,
                by_part,
                self.program.n_angles,
                int(width > 0),
                by_amplitude,
                width,
                low,
                middle,
                top,
                self.masks.size,
                tape.samples,
                S=per_program,
                L=self._local,
                LOW=low_bits,
                WARPS=parts,
                THREADS=threads,
                num_warps=warps,
            )
        return by_part

    def _make_costates(self, states: Tensor, cotangent: Tensor) -> Tensor:
        costates = torch.empty_like(states)
        if len(states):
            self._launch_strings(kernels.make_costates, states, cotangent, costates)
        return costates

    def _launch_strings(self, kernel: Any, states: Tensor, *tensors: Tensor) -> None:
        """Launch a kernel of the strings over the blocks of states (B, 2^Q)."""
        low, middle, top, low_bits = self._string_tables
        outside = self.program.n_qubits - self._local
        launch(
            kernel,
            len(states) << outside,
            states,
            *tensors,
            low,
            middle,
            top,
            self.masks.size,
            outside,
            L=self._local,
            LOW=low_bits,
            num_warps=count_warps(1 << self._local, AMPLITUDES_PER_THREAD[1]),
        )

    def _sweep_passes(
        self, tape: TorchTape, states: Tensor, costates: Tensor, by_amplitude: Tensor
    ) -> Tensor:
        table, passes = self._table
        outside = self.program.n_qubits - self._local
        blocks = 1 << outside
        warps = count_warps(1 << self._local, AMPLITUDES_PER_THREAD[1])
        parts, threads = self._parts(warps)
        by_part = torch.empty(tape.samples, blocks * parts, self.program.n_angles, **self._kind)
        width = by_amplitude.shape[1]
        if tape.samples:
            for part in reversed(passes):
                launch(
                    kernels.pass_back,
                    tape.samples * blocks,
                    table,
                    part.first,
                    part.last,
                    tape.cos,
                    tape.sin,
                    _stride(tape.cos),
                    part.places,
                    outside,
                    states,
                    costates,
                    by_part,
                    self.program.n_angles,
                    int(width > 0),
                    by_amplitude,
                    width,
                    L=self._local,
                    WARPS=parts,
                    THREADS=threads,
                    num_warps=warps,
                )
        return by_part

    # --- shapes of the programs

    def _shape(self, samples: int) -> tuple[int, int]:
        """Return the samples of a program for small states, and its warps."""
        size = 1 << self._local
        per_program = max(1, MIN_PROGRAM_AMPLITUDES // size)
        return per_program, 1 if per_program > 1 else count_warps(
            size, AMPLITUDES_PER_THREAD[samples > FEW_STATES]
        )

    def _parts(self, warps: int) -> tuple[int, int]:
        """Return the parts of a gradient's sum, and the amplitudes of a sample in different threads."""
        threads = min(WARP_THREADS * warps, 1 << self._local)
        return max(1, threads // WARP_THREADS), threads


def _sum_of_parts(by_part: Tensor) -> Tensor:
    """Return the gradients (B, G) of their parts (B, parts, G)."""
    return by_part[:, 0] if by_part.shape[1] == 1 else by_part.sum(dim=1)


def _row(gate: MergedGate, qubits: Sequence[int]) -> tuple[int, ...]:
    """Return a gate's row of the table, with the qubits of an index's bits."""
    kind = _FIXED_KINDS.get(FIXED_PARTS.get(gate.op), 0)
    control = 0 if gate.control < 0 else 1 << qubits.index(gate.control)
    return kind, control, qubits.index(gate.target), gate.slot, gate.rotation_slot


def count_warps(size: int, numbers: int) -> int:
    """Return the warps of a program of ``size`` amplitudes."""
    return max(1, min(MAX_WARPS, size // (WARP_THREADS * numbers)))


def _source(amplitudes: Tensor | None, states: Tensor) -> tuple[int, Tensor, int]:
    """Return whether amplitudes are loaded, from where, and how many of a sample."""
    return (0, states, 0) if amplitudes is None else (1, amplitudes, amplitudes.shape[1])


def _stride(angles: Tensor) -> int:
    """Return the distance of two samples' angles in memory, 0 for shared ones."""
    return 0 if len(angles) == 1 else angles.shape[1]
