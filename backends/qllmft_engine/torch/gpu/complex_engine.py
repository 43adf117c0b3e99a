"""Engine in Triton for circuits of any gates, in passes of several gates over complex states."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from qllmft_backends import BackendError
from qllmft_backends.observables import PauliObservables
from qllmft_engine.complex_engine import move_to_wires
from qllmft_engine.program import ComplexProgram
from qllmft_engine.torch.engine import EVALUATION_BYTES, Array, TensorEngine, convert_like
from qllmft_engine.torch.gpu import complex_kernels as kernels
from qllmft_engine.torch.gpu.engine import TablePass, count_warps
from qllmft_engine.torch.gpu.launches import launch
from qllmft_engine.torch.gpu.matrices import entries, one_angle_gates
from qllmft_engine.torch.gpu.passes import MergedGate, Pass, split_into_passes
from qllmft_engine.torch.state_vectors import string_signs

WHOLE_STATE_QUBITS = 11  # qubits of a state that one program of the grid holds
PASS_QUBITS = 10  # qubits of a pass over larger states
CONTIGUOUS_QUBITS = 4  # of them those of successive amplitudes
AMPLITUDES_PER_THREAD = 8  # amplitudes in a thread's registers


@dataclass
class MatrixTape:
    """Record of a forward pass for `TritonComplexEngine.vjp`. One sweep consumes its states."""

    matrices: Tensor  # (B, gates, 8)
    states: Tensor | None = None  # (B, 2, 2^Q) final states; None once consumed

    @property
    def samples(self) -> int:
        """Return B."""
        return len(self.matrices)


@dataclass
class TritonComplexEngine(TensorEngine):
    """Engine of one program of any gates on batches of states, with the methods of `ComplexEngine`.

    Args:
        program, strings, dtype: see `ComplexEngine`.
        device: torch's name of the device that computes.

    Raises:
        BackendError: for more than 30 qubits, or states that the device's memory does not hold.
    """

    program: ComplexProgram
    strings: PauliObservables
    dtype: Literal["float32", "float64"] = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.masks = self.strings.masks
        self._prepare(numbers=2)

    @torch.no_grad()
    def forward(self, angles: Array, amplitudes: Array | None = None) -> tuple[Any, MatrixTape]:
        """Return the values (B, T), and a tape for one backward sweep (see `ComplexEngine`)."""
        tape = self._tape(angles, amplitudes)
        with self._memory(tape.samples, "state and co-state"):
            tape.states = self._final_states(tape.matrices)
            values = self._string_values(tape.states)
        return convert_like(values, angles), tape

    @torch.no_grad()
    def values(self, angles: Array, amplitudes: Array | None = None) -> Any:
        """Return the values (B, T) of `forward`, without a tape and in bounded memory."""
        tape = self._tape(angles, amplitudes)
        step = max(1, EVALUATION_BYTES // self._state_bytes)
        parts = [torch.empty(0, self.masks.size, **self._kind)]
        with self._memory(min(step, tape.samples), "states"):
            for matrices in torch.split(tape.matrices, step):
                states = self._final_states(matrices)
                parts.append(self._string_values(states))
        return convert_like(torch.cat(parts), angles)

    @torch.no_grad()
    def vjp(
        self, tape: MatrixTape, cotangent: Array, *, amplitudes: bool = False
    ) -> tuple[Any, None]:
        """Return the gradient of Σ cotangent · values by the angles (B, G), and None for amplitudes."""
        del amplitudes  # the circuit has none
        self._check_cotangent(cotangent, tape.samples)
        with self._memory(tape.samples, "state and co-state"):
            states = self._final_states(tape.matrices) if tape.states is None else tape.states
            tape.states = None
            by_value = torch.as_tensor(cotangent).to(**self._kind)
            by_slot = self._sweep(tape.matrices, states, self._costates(states, by_value))
        return convert_like(by_slot @ self._angle_of_slot, cotangent), None

    @torch.no_grad()
    def probabilities(self, angles: Array) -> Any:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        tape = self._tape(angles, None)
        with self._memory(tape.samples, "states"):
            by_wire = self._final_states(tape.matrices).square_().sum(dim=1)
            outcomes = np.arange(1 << self.program.n_qubits)
            places = torch.from_numpy(move_to_wires(outcomes, self.program.wires))
            by_qubit = by_wire[:, places.to(by_wire.device)]
        return convert_like(by_qubit, angles)

    # --- tables

    @cached_property
    def _gates(self) -> list[Any]:
        return one_angle_gates(self.program)

    @cached_property
    def _table(self) -> tuple[Tensor, list[TablePass], list[int]]:
        """Return the rows of `complex_kernels`, the passes over them, and the gate of each row."""
        n_qubits = self.program.n_qubits
        gates = [MergedGate(g, gate.control, gate.target, -1) for g, gate in enumerate(self._gates)]
        parts = [Pass(tuple(gates), tuple(range(n_qubits)))]
        if n_qubits > WHOLE_STATE_QUBITS:
            parts = split_into_passes(gates, n_qubits, PASS_QUBITS, CONTIGUOUS_QUBITS)
        slots = iter(range(len(gates)))
        rows: list[tuple[int, int, int]] = []
        passes = []
        order = [gate.op for part in parts for gate in part.gates]
        for part in parts:
            outside = (q for q in range(n_qubits) if q not in part.qubits)
            wires = (*part.qubits, *outside)
            first = len(rows)
            for gate in part.gates:
                control = 0 if gate.control < 0 else 1 << wires.index(gate.control)
                slot = next(slots) if self._gates[gate.op].slot >= 0 else -1
                rows.append((control, wires.index(gate.target), slot))
            places = torch.tensor(wires, dtype=torch.int32, device=self._kind["device"])
            passes.append(TablePass(first, len(rows), places))
        table = torch.tensor(rows or [(0, 0, -1)], dtype=torch.int32, device=self._kind["device"])
        return table, passes, order

    @cached_property
    def _constants(self) -> tuple[Tensor, ...]:
        """Return the rows' matrices: constant, by cos, by sin and generator, (gates, 8) each."""
        gates = [self._gates[g] for g in self._table[2]]
        kinds = (
            [gate.constant for gate in gates],
            [gate.by_cos for gate in gates],
            [gate.by_sin for gate in gates],
            [gate.generator for gate in gates],
        )
        return tuple(torch.from_numpy(entries(matrices)).to(**self._kind) for matrices in kinds)

    @cached_property
    def _angles_of_rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return slot, slope and offset of each row's angle; a row without one has the slope 0."""
        gates = [self._gates[g] for g in self._table[2]]
        device = self._kind["device"]
        slots = torch.tensor(
            [max(gate.slot, 0) for gate in gates], dtype=torch.int64, device=device
        )
        angle_slopes = torch.tensor([gate.slope for gate in gates], dtype=torch.float64)
        angle_offsets = torch.tensor([gate.offset for gate in gates], dtype=torch.float64)
        kind = {"device": device}
        if device.type != "mps":
            kind["dtype"] = torch.float64
        return slots, angle_slopes.to(**kind), angle_offsets.to(**kind)

    @cached_property
    def _angle_of_slot(self) -> Tensor:
        """Return the matrix (slots, G) of the angle in which a gradient counts."""
        slots = [self._gates[g].slot for g in self._table[2] if self._gates[g].slot >= 0]
        matrix = torch.zeros(len(slots), self.program.n_angles, **self._kind)
        matrix[torch.arange(len(slots)), torch.tensor(slots, dtype=torch.int64)] = 1.0
        return matrix

    # --- one pass

    def _tape(self, angles: Array, amplitudes: Array | None) -> MatrixTape:
        if amplitudes is not None:
            raise BackendError(
                "amplitudes are given to a circuit of complex gates, expected None. Load them with initialize, or use "
                "only gates of real circuits (ry, cx, x, z, h, cz, swap)."
            )
        self._count_samples(angles, None)
        slots, angle_slopes, angle_offsets = self._angles_of_rows
        constant, by_cos, by_sin, _ = self._constants
        angle_rows = torch.as_tensor(angles).to(angle_slopes)
        row_angles = (
            angle_rows[:, slots]
            if self.program.n_angles
            else angle_rows.new_zeros(len(angle_rows), 1)
        )
        row_phases = row_angles * angle_slopes + angle_offsets
        cos = torch.cos(row_phases).to(**self._kind)[..., None]
        sin = torch.sin(row_phases).to(**self._kind)[..., None]
        return MatrixTape((constant + cos * by_cos + sin * by_sin).contiguous())

    @cached_property
    def _local(self) -> int:
        return self.program.n_qubits if self.program.n_qubits <= WHOLE_STATE_QUBITS else PASS_QUBITS

    @cached_property
    def _initial(self) -> Tensor | None:
        """Return the loaded amplitudes (2, 2^Q)."""
        initial = self.program.initial
        if initial is None:
            return None
        return (
            torch.from_numpy(np.stack([initial.real, initial.imag])).to(**self._kind).contiguous()
        )

    def _final_states(self, matrices: Tensor) -> Tensor:
        """Return the final states (B, 2, 2^Q)."""
        table, passes, _ = self._table
        samples, n_rows, _ = matrices.shape
        outside = self.program.n_qubits - self._local
        states = torch.empty(samples, 2, 1 << self.program.n_qubits, **self._kind)
        source = states if self._initial is None else self._initial
        loads = int(self._initial is not None)
        width = 0
        warps = count_warps(1 << self._local, AMPLITUDES_PER_THREAD)
        if samples:
            with self._current_device:
                for part in passes:
                    launch(
                        kernels.complex_forward,
                        samples << outside,
                        table,
                        part.first,
                        part.last,
                        matrices,
                        n_rows,
                        part.places,
                        outside,
                        loads,
                        source,
                        width,
                        states,
                        L=self._local,
                        WARPS=warps,
                        num_warps=warps,
                    )
                    loads = 1
                    source = states
                    width = 2 << self.program.n_qubits
        return states

    def _sweep(self, matrices: Tensor, states: Tensor, costates: Tensor) -> Tensor:
        """Return the gradients (B, slots)."""
        table, passes, _ = self._table
        samples, n_rows, _ = matrices.shape
        outside = self.program.n_qubits - self._local
        n_slots = len(self._angle_of_slot)
        by_slot = torch.empty(samples, 1 << outside, n_slots, **self._kind)
        warps = count_warps(1 << self._local, AMPLITUDES_PER_THREAD)
        if samples:
            with self._current_device:
                for part in reversed(passes):
                    launch(
                        kernels.complex_back,
                        samples << outside,
                        table,
                        part.first,
                        part.last,
                        matrices,
                        self._constants[3],
                        n_rows,
                        part.places,
                        outside,
                        states,
                        costates,
                        by_slot,
                        n_slots,
                        L=self._local,
                        WARPS=warps,
                        num_warps=warps,
                    )
        return by_slot.sum(dim=1)

    # --- strings

    @cached_property
    def _wire_masks(self) -> tuple[list[int], list[int]]:
        """Return (T,) the wires with Z or Y, and those with X or Y, of each string."""
        wires = self.program.wires
        return move_to_wires(self.masks, wires).tolist(), move_to_wires(
            self.strings.flips, wires
        ).tolist()

    @cached_property
    def _signs(self) -> Tensor:
        """Return the diagonals (2^Q, T) of the strings' Z parts."""
        return string_signs(self.program.n_qubits, self._wire_masks[0]).to(**self._kind)

    @cached_property
    def _phases(self) -> list[complex]:
        """Return (T,) i to the number of Y of each string."""
        return [1j ** (z & x).bit_count() for z, x in zip(*self._wire_masks, strict=True)]

    def _flip_bits(self, states: Tensor, flips: int) -> Tensor:
        """Return amplitudes with the bits of a mask flipped."""
        index = torch.arange(states.shape[-1], device=states.device) ^ flips
        return states[..., index]

    def _string_values(self, states: Tensor) -> Tensor:
        """Return the values (B, T) of states (B, 2, 2^Q)."""
        values = states.square().sum(dim=1) @ self._signs
        for t, flips in enumerate(self._wire_masks[1]):
            if flips:
                real, imaginary = self._string_on(states, t, flips)
                values[:, t] = (states[:, 0] * real + states[:, 1] * imaginary).sum(dim=1)
        return values

    def _string_on(self, states: Tensor, t: int, flips: int) -> tuple[Tensor, Tensor]:
        """Return real and imaginary parts of a string times states: P|j⟩ = i^y (-1)^(j·z) |j ^ x⟩."""
        signed = self._flip_bits(states * self._signs[:, t], flips)
        phase = self._phases[t]
        real = phase.real * signed[:, 0] - phase.imag * signed[:, 1]
        return real, phase.real * signed[:, 1] + phase.imag * signed[:, 0]

    def _costates(self, states: Tensor, by_value: Tensor) -> Tensor:
        """Return the gradients (B, 2, 2^Q) by the real and imaginary parts of the states."""
        flips = self._wire_masks[1]
        diagonal = torch.tensor([not flip for flip in flips], device=states.device)
        weights = torch.where(diagonal, by_value, 0) @ self._signs.T
        costates = states * weights[:, None]
        for t, flip in enumerate(flips):
            if flip:
                parts = torch.stack(self._string_on(states, t, flip), dim=1)
                costates += parts * by_value[:, t, None, None]
        return costates.mul_(2)
