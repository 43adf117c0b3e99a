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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft.heads.state import Gate, final_states, moved, string_signs, turned
from qllmft_backends import BackendError
from qllmft_backends.adjoint import EngineMaker, Program
from qllmft_backends.adjoint.interface import EngineBase

EVALUATION_BYTES = 2**28  # of states held at once in a pass without gradient

Array = Tensor | NDArray[np.floating]


@dataclass
class TorchTape:
    """Record of a forward pass for `TorchEngine.vjp`. One sweep consumes its states."""

    shared: bool  # the angles came as (G,)
    amplitudes: Tensor | None  # (B, D), None for |0...0⟩
    cos: Tensor  # (1 or B, G) of half the angles; `sin` too
    sin: Tensor
    states: Tensor | None = None  # (B, 2^Q) final states; None once consumed

    @property
    def samples(self) -> int:
        """Return B."""
        return len(self.cos if self.amplitudes is None else self.amplitudes)


@dataclass
class TorchEngine(EngineBase):
    """Engine of one program of real gates on batches of states, with the methods of `AdjointEngine`.

    Arguments are tensors on any device or arrays of NumPy; results are like the angles, or like the cotangent.

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
        self._check_circuit()
        self._gates: list[Gate] = [tuple(op) for op in self.program.ops.tolist()]
        device = torch.device(self.device)
        self._kind: dict[str, Any] = {"dtype": getattr(torch, self.dtype), "device": device}
        self._state_bytes = np.dtype(self.dtype).itemsize << self.program.n_qubits
        try:
            torch.zeros(1, **self._kind)
        except TypeError as error:  # Apple's GPUs have no float64
            raise BackendError(
                f"dtype is 'float64', and device {self.device!r} has no such numbers ({error}). Set dtype='float32', "
                "or device='cpu'."
            ) from None

    @torch.no_grad()
    def forward(self, angles: Array, amplitudes: Array | None = None) -> tuple[Any, TorchTape]:
        """Return ⟨Z-string⟩ (B, T), and a tape for one backward sweep (see `AdjointEngine.forward`)."""
        tape = self._tape(angles, amplitudes)
        with self._memory(tape.samples, "state and co-state"):
            tape.states = self._final(tape)
            values = tape.states.square() @ self._signs
        return _like(values, angles), tape

    @torch.no_grad()
    def values(self, angles: Array, amplitudes: Array | None = None) -> Any:
        """Return the expectation values (B, T) of `forward`, without a tape and in bounded memory."""
        tape, step = self._tape(angles, amplitudes), max(1, EVALUATION_BYTES // self._state_bytes)
        parts = [torch.empty(0, self.masks.size, **self._kind)]
        with self._memory(min(step, tape.samples), "states"):
            for start in range(0, tape.samples, step):
                states = self._final(tape, slice(start, start + step))
                parts.append(states.square() @ self._signs)
        return _like(torch.cat(parts), angles)

    @torch.no_grad()
    def vjp(
        self, tape: TorchTape, cotangent: Array, *, amplitudes: bool = False
    ) -> tuple[Any, Any]:
        """Return the gradient of Σ cotangent · values by angles and amplitudes (see `AdjointEngine.vjp`)."""
        self._check_cotangent(cotangent, tape.samples)
        with self._memory(tape.samples, "state and co-state"):
            states = self._final(tape) if tape.states is None else tape.states
            tape.states = None
            by_value = torch.as_tensor(cotangent).to(**self._kind)
            both = torch.cat([states, 2 * states * (by_value @ self._signs.T)])
            del states
            by_angle, both = self._back(tape, both)
        by_amplitude = None
        if amplitudes:
            width = 0 if tape.amplitudes is None else tape.amplitudes.shape[1]
            by_amplitude = _like(both[tape.samples :, :width].contiguous(), cotangent)
        return _like(by_angle.sum(dim=0) if tape.shared else by_angle, cotangent), by_amplitude

    def _back(self, tape: TorchTape, both: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient (B, G) of the angles, and states and co-states (2B, 2^Q) before the first gate."""
        size, samples = both.shape[1], tape.samples
        repeats = 1 if len(tape.cos) == 1 else 2
        cos, sin = (part.repeat(repeats, 1) for part in (tape.cos, -tape.sin))
        by_angle = both.new_zeros(samples, self.program.n_angles)
        for op, control, target, slot in reversed(self._gates if samples else []):
            if slot >= 0:
                pairs = both.reshape(2, samples, size >> target + 1, 2, 2**target)
                (low, by_low), (high, by_high) = pairs[:, :, :, 0], pairs[:, :, :, 1]
                by_angle[:, slot] = 0.5 * (by_high * low - by_low * high).sum(dim=(1, 2))
                both = turned(both, target, cos[:, slot], sin[:, slot])
            both = moved(both, op, control, target)
        return by_angle, both

    def _tape(self, angles: Array, amplitudes: Array | None) -> TorchTape:
        """Return the tape of a request, or raise `BackendError` if its shapes do not fit."""
        self._samples(angles, amplitudes)
        half = torch.as_tensor(angles if angles.ndim == 2 else angles[None]) / 2
        # reduced before rounding, which would cost a large angle its digits
        if half.dtype != self._kind["dtype"]:
            half = half - 2 * math.pi * torch.round(half / (2 * math.pi))
        half = half.to(**self._kind)
        loaded = None if amplitudes is None else torch.as_tensor(amplitudes).to(**self._kind)
        return TorchTape(angles.ndim == 1, loaded, torch.cos(half), torch.sin(half))

    def _final(self, tape: TorchTape, rows: slice = slice(None)) -> Tensor:
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

    @contextmanager
    def _memory(self, samples: int, what: str) -> Iterator[None]:
        """Turn a lack of memory on the device into a message with the remedy."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"{what} of {samples} samples on {self.program.n_qubits} qubits, {self._state_bytes / 2**20:.1f} MiB "
                f"a state, do not fit into the memory of device {self.device!r}. Take a smaller batch, fewer qubits, "
                "or device='cpu'."
            ) from error


def _like(result: Tensor, given: Array) -> Any:
    """Return a result as an array of NumPy if ``given`` is one, else on its device."""
    return result.to(given.device) if isinstance(given, Tensor) else result.numpy(force=True)


def torch_devices() -> list[str]:
    """Return the kinds of devices that torch computes on here, ``cpu`` first."""
    # a wheel for CUDA names cuda also where no driver is, unless it is asked for a device that answers
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    return ["cpu"] if accelerator is None else ["cpu", accelerator.type]


def engines_on(device: str) -> EngineMaker:
    """Return a maker of engines on one of torch's devices.

    Raises:
        BackendError: if torch has no such device here.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise BackendError(
            f"device is {device!r}, and torch {torch.__version__} has {' and '.join(torch_devices())} here ({reason}). "
            "The driver of that device may be missing (nvidia-smi lists the GPUs of NVIDIA), or torch was built "
            "without it (pytorch.org/get-started). Install what is missing, or set device='cpu'."
        ) from None
    return partial(TorchEngine, device=device)
