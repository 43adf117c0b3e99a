"""State-vector engine in torch operations: the adjoint engine on any device that torch has.

The gradient takes one reverse sweep: gate by gate, state and co-state go back through the circuit together, so that
memory holds two states and the result of one gate, for any number of gates. With ψ behind R_Y(θ) on a qubit and the
co-state λ = ∂L/∂ψ there,

    ∂L/∂θ = ½ Σ (λ₁ ψ₀ - λ₀ ψ₁)

over the pairs of amplitudes (0, 1) of that qubit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft_backends import BackendError
from qllmft_engine import GaussianShots, Program
from qllmft_engine.interface import EngineBase
from qllmft_engine.torch import shots as shots_of_states
from qllmft_engine.torch.state_vectors import Gate, StateVectors, final_states, string_signs

EVALUATION_BYTES = 2**28  # of states held at once in a pass without gradient

Array = Tensor | NDArray[np.floating]


@dataclass
class TorchTape:
    """Record of a forward pass for `TorchEngine.vjp`. One sweep consumes its states."""

    shared: bool  # the angles came as (G,)
    amplitudes: Tensor | None  # (B, D), None for |0...0⟩
    cos: Tensor  # (1 or B, G) of half the angles; `sin` too
    sin: Tensor
    shots: GaussianShots | None = None  # of the pass; None: exact values
    states: Tensor | None = None  # (B, 2^Q) final states; None once consumed

    @property
    def samples(self) -> int:
        """Return B."""
        return len(self.cos if self.amplitudes is None else self.amplitudes)


class TensorEngine(EngineBase):
    """Base of the engines on torch's devices, which take tensors on any device or arrays of NumPy.

    Results are like the angles, or like the cotangent.
    """

    device: str

    def _prepare(self, numbers: int) -> None:
        """Check the circuit and the device, for so many numbers an amplitude."""
        self._check_circuit()
        self._kind: dict[str, Any] = {
            "dtype": getattr(torch, self.dtype),
            "device": torch.device(self.device),
        }
        self._state_bytes = numbers * np.dtype(self.dtype).itemsize << self.program.n_qubits
        try:
            torch.zeros(1, **self._kind)
        except TypeError as error:  # Apple's GPUs have no float64
            raise BackendError(
                f"dtype is 'float64', and device {self.device!r} has no such numbers ({error}). Set dtype='float32', "
                "or device='cpu'."
            ) from None

    @property
    def _current_device(self) -> AbstractContextManager[Any]:
        """Return a block in which this engine's device is the current one, on which Triton launches."""
        device: torch.device = self._kind["device"]
        if device.index is None:
            return nullcontext()
        block: AbstractContextManager[Any] = getattr(torch, device.type).device(device)
        return block

    @contextmanager
    def _memory(self, samples: int, contents: str) -> Iterator[None]:
        """Turn a lack of memory on the device into a message with the remedy."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"{contents} of {samples} samples on {self.program.n_qubits} qubits, "
                f"{self._state_bytes / 2**20:.1f} MiB a state, do not fit into the memory of device {self.device!r}. "
                "Take a smaller batch, fewer qubits, or device='cpu'."
            ) from error


@dataclass
class TorchEngine(TensorEngine):
    """Engine of one program of real gates on batches of states, with the methods of `AdjointEngine`.

    Args:
        program, masks, dtype: see `AdjointEngine`.
        device: torch's name of the device that computes, such as ``cuda:1``.

    Raises:
        BackendError: for more than 30 qubits, a mask that reaches past the circuit, float64 on a device without it, or
            states that the device's memory does not hold.
    """

    program: Program
    masks: NDArray[np.int64]
    dtype: Literal["float32", "float64"] = "float32"
    device: str = "cpu"

    def __post_init__(self) -> None:
        self._prepare(numbers=1)
        self._gates: list[Gate] = [tuple(op) for op in self.program.ops.tolist()]

    @torch.no_grad()
    def forward(
        self,
        angles: Array,
        amplitudes: Array | None = None,
        *,
        shots: GaussianShots | None = None,
    ) -> tuple[Any, TorchTape]:
        """Return ⟨Z-string⟩ (B, T), and a tape for one backward sweep (see `AdjointEngine.forward`)."""
        tape = self._tape(angles, amplitudes, shots)
        with self._memory(tape.samples, "state and co-state"):
            values, tape.states = self._measure(tape, slice(None), keeps=True)
        return convert_like(values, angles), tape

    @torch.no_grad()
    def values(
        self,
        angles: Array,
        amplitudes: Array | None = None,
        *,
        shots: GaussianShots | None = None,
    ) -> Any:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        tape = self._tape(angles, amplitudes, shots)
        step = max(1, EVALUATION_BYTES // self._state_bytes)
        parts = [torch.empty(0, self.masks.size, **self._kind)]
        with self._memory(min(step, tape.samples), "states"):
            for start in range(0, tape.samples, step):
                values, _ = self._measure(tape, slice(start, start + step), keeps=False)
                parts.append(values)
        return convert_like(torch.cat(parts), angles)

    @torch.no_grad()
    def vjp(
        self, tape: TorchTape, cotangent: Array, *, amplitudes: bool = False
    ) -> tuple[Any, Any]:
        """Return the gradient of Σ cotangent · values by angles and amplitudes (see `AdjointEngine.vjp`)."""
        self._check_cotangent(cotangent, tape.samples)
        with self._memory(tape.samples, "state and co-state"):
            if tape.states is None:
                _, tape.states = self._run(tape, slice(None), keeps=True)
            states = tape.states
            tape.states = None
            assert states is not None
            by_value = torch.as_tensor(cotangent).to(**self._kind)
            if tape.shots is None:
                by_angle, by_amplitude = self._sweep(tape, states, by_value, amplitudes=amplitudes)
            else:
                costates = shots_of_states.costates(states, by_value @ self._signs.T, tape.shots)
                by_angle, by_amplitude = self._sweep_costates(
                    tape, states, costates, amplitudes=amplitudes
                )
        angle_gradient = by_angle.sum(dim=0) if tape.shared else by_angle
        return (
            convert_like(angle_gradient, cotangent),
            None if by_amplitude is None else convert_like(by_amplitude, cotangent),
        )

    @torch.no_grad()
    def probabilities(self, angles: Array, amplitudes: Array | None = None) -> Any:
        """Return probabilities (B, 2^Q) of the outcomes, all in memory. Bit q of an outcome is qubit q."""
        tape = self._tape(angles, amplitudes)
        with self._memory(tape.samples, "states"):
            _, states = self._run(tape, slice(None), keeps=True)
        assert states is not None
        return convert_like(states.square_(), angles)

    @cached_property
    def with_identity(self) -> Self:
        """Return this engine with the identity as one more string (see `AdjointEngine.with_identity`)."""
        return replace(self, masks=np.append(self.masks, 0))

    def _measure(
        self, tape: TorchTape, rows: slice, *, keeps: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the values (B, T) of some rows of a tape, with its shots, and their final states to keep."""
        if tape.shots is None:
            return self._run(tape, rows, keeps=keeps)
        _, states = self._run(tape, rows, keeps=True)
        assert states is not None
        noisy = shots_of_states.frequencies(states, tape.shots, rows.start or 0)
        return noisy @ self._signs, states if keeps else None

    def _run(self, tape: TorchTape, rows: slice, *, keeps: bool) -> tuple[Tensor, Tensor | None]:
        """Return the exact values (B, T) of some rows of a tape, and their final states (B, 2^Q) to keep."""
        states = self._final(tape, rows)
        return states.square() @ self._signs, states if keeps else None

    def _sweep(
        self, tape: TorchTape, states: Tensor, by_value: Tensor, *, amplitudes: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients of the angles (B, G) and the amplitudes (B, D), of final states that it overwrites."""
        costates = 2 * states * (by_value @ self._signs.T)
        return self._sweep_costates(tape, states, costates, amplitudes=amplitudes)

    def _sweep_costates(
        self, tape: TorchTape, states: Tensor, costates: Tensor, *, amplitudes: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Return the gradients as `_sweep` does, from the co-states behind the circuit."""
        stacked_states = torch.cat([states, costates])
        del states, costates
        by_angle, stacked_states = self._back(tape, stacked_states)
        if not amplitudes:
            return by_angle, None
        width = 0 if tape.amplitudes is None else tape.amplitudes.shape[1]
        return by_angle, stacked_states[tape.samples :, :width].contiguous()

    def _back(self, tape: TorchTape, stacked_states: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient (B, G) of the angles, and states and co-states (2B, 2^Q) before the first gate."""
        size = stacked_states.shape[1]
        samples = tape.samples
        repeats = 1 if len(tape.cos) == 1 else 2
        cos, sin = (part.repeat(repeats, 1) for part in (tape.cos, -tape.sin))
        by_angle = stacked_states.new_zeros(samples, self.program.n_angles)
        vectors = StateVectors(stacked_states)
        del stacked_states
        for op, control, target, slot in reversed(self._gates if samples else []):
            if slot >= 0:
                pairs = vectors.states.reshape(2, samples, size >> target + 1, 2, 2**target)
                (low, by_low), (high, by_high) = pairs[:, :, :, 0], pairs[:, :, :, 1]
                by_angle[:, slot] = 0.5 * (by_high * low - by_low * high).sum(dim=(1, 2))
                vectors.rotate(target, cos[:, slot], sin[:, slot])
            vectors.apply_fixed_part(op, control, target)
        return by_angle, vectors.states

    def _tape(
        self, angles: Array, amplitudes: Array | None, shots: GaussianShots | None = None
    ) -> TorchTape:
        """Return the tape of a request, or raise `BackendError` if its shapes do not fit."""
        self._count_samples(angles, amplitudes)
        half = torch.as_tensor(angles if angles.ndim == 2 else angles[None]) / 2
        # reduced before rounding, which would cost a large angle its digits
        if half.dtype != self._kind["dtype"]:
            half = half - 2 * math.pi * torch.round(half / (2 * math.pi))
        half = half.to(**self._kind).contiguous()
        loaded = None
        if amplitudes is not None:
            loaded = torch.as_tensor(amplitudes).to(**self._kind).contiguous()
        return TorchTape(angles.ndim == 1, loaded, torch.cos(half), torch.sin(half), shots)

    def _final(self, tape: TorchTape, rows: slice) -> Tensor:
        """Return the final states (B, 2^Q) of some rows of a tape."""
        cos, sin = (part if tape.shared else part[rows] for part in (tape.cos, tape.sin))
        samples = len(range(tape.samples)[rows])
        states = torch.zeros(samples, 1 << self.program.n_qubits, **self._kind)
        if tape.amplitudes is None:
            states[:, 0] = 1.0
        else:
            states[:, : tape.amplitudes.shape[1]] = tape.amplitudes[rows]
        return final_states(self._gates, states, cos, sin) if samples else states

    @cached_property
    def _signs(self) -> Tensor:
        return string_signs(self.program.n_qubits, self.masks.tolist()).to(**self._kind)


def convert_like(result: Tensor, template: Array) -> Any:
    """Return a result as an array of NumPy if ``template`` is one, else on its device."""
    return result.to(template.device) if isinstance(template, Tensor) else result.numpy(force=True)
