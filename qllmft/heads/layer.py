"""The engine as a differentiable torch function, its noise, and the treatment of inputs by layers with a circuit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qllmft.errors import UserError
from qllmft.heads.torch_engine import TensorEngine
from qllmft.randomness import derive_seed
from qllmft_backends.adjoint import Differentiable, Engine, Noisy
from qllmft_backends.adjoint.program.angles import AngleMap


class _Expectations(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, engine: Differentiable, angles: Tensor, amplitudes: Tensor | None
    ) -> Tensor:
        """Return Z expectation values and keep the tape of the pass.

        Args:
            ctx: of autograd; keeps the engine and its tape for the sweep back.
            engine: see `expectations`; runs in its own dtype.
            angles: gate angles in radians, (G,) shared by the batch or (B, G).
            amplitudes: (B, D) real initial amplitudes of norm 1; None for |0...0⟩.

        Returns:
            (B, T) in the dtype and on the device of ``angles``.
        """
        values, ctx.tape = engine.forward(
            _to_engine_array(engine, angles), _to_engine_array(engine, amplitudes)
        )
        ctx.engine = engine
        return torch.as_tensor(values).to(angles)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor | None, Tensor | None]:
        # true with create_graph only; the second derivative would silently be zero
        if torch.is_grad_enabled():
            raise RuntimeError(
                "create_graph is on, but a circuit's gradient cannot be differentiated again. Leave it off, and take "
                "second derivatives as differences of the gradients at two points, with the layer in .double()."
            )
        cotangent: Tensor = grad_outputs[0]
        _, wants_angles, wants_amplitudes = ctx.needs_input_grad
        by_angle, by_amplitude = ctx.engine.vjp(
            ctx.tape, _to_engine_array(ctx.engine, cotangent), amplitudes=wants_amplitudes
        )
        return (
            None,
            torch.as_tensor(by_angle).to(cotangent) if wants_angles else None,
            None if by_amplitude is None else torch.as_tensor(by_amplitude).to(cotangent),
        )


class CircuitAngles(torch.autograd.Function):
    """Gate angles as functions of a layer's parameters, computed in NumPy.

    Even a small product or an index of torch wakes its threads, which then spin on the engine's cores.
    """

    @staticmethod
    def forward(
        ctx: Any, program: AngleMap, order: NDArray[np.int64], parameters: Tensor
    ) -> Tensor:
        """Return angles (B, G) of parameters (B, P), of which column ``order[p]`` is the circuit's parameter p."""
        ctx.program = program
        ctx.order = order
        ctx.values = parameters.double().numpy(force=True)[:, order]
        return torch.as_tensor(program.angles(ctx.values)).to(parameters)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, None, Tensor]:
        """Return the gradient (B, P) of the parameters."""
        (cotangent,) = grad_outputs
        by_angle = cotangent.double().numpy(force=True)
        by_parameter = np.empty_like(ctx.values)
        by_parameter[:, ctx.order] = ctx.program.by_parameter(by_angle, ctx.values)
        return None, None, torch.as_tensor(by_parameter).to(cotangent)


def _to_engine_array(engine: Differentiable, tensor: Tensor | None) -> Any:
    """Return a tensor as an engine takes it: as it is by an engine of torch, as an array of NumPy by others."""
    if tensor is None or isinstance(engine, TensorEngine):
        return tensor
    return tensor.numpy(force=True)


def expectations(
    engine: Differentiable, angles: Tensor, amplitudes: Tensor | None = None
) -> Tensor:
    """Return Z expectation values of a batch, differentiable in the angles and in the loaded amplitudes.

    Args:
        engine: a compiled circuit, or a noisy pass through one; runs in float64 if the angles are.
        angles: gate angles in radians, (G,) shared by the batch or (B, G).
        amplitudes: (B, D) real initial amplitudes, D ≤ 2^Q, of norm 1; None for |0...0⟩.

    Returns:
        (B, T) in the dtype and on the device of ``angles``.
    """
    if not angles.is_cpu and angles.device.type != torch.device(engine.device).type:
        raise UserError(
            f"the layer's tensors are on {angles.device}, and its circuit's engine computes on the {engine.device}. "
            "Keep the layer on the CPU, or make it with "
            f"backend=create('adjoint', {{'device': '{angles.device.type}'}})."
        )
    if angles.dtype == torch.float64:
        engine = engine.double
    wants_gradient = angles.requires_grad or (amplitudes is not None and amplitudes.requires_grad)
    if not (torch.is_grad_enabled() and wants_gradient):
        values = engine.values(
            _to_engine_array(engine, angles), _to_engine_array(engine, amplitudes)
        )
        return torch.as_tensor(values).to(angles)
    result: Tensor = _Expectations.apply(engine, angles, amplitudes)  # type: ignore[no-untyped-call]
    return result


Rows = Callable[[Tensor, Tensor], Tensor]


def on_rows(compute: Rows, x: Tensor, width: int, weight: Tensor, input_name: str) -> Tensor:
    """Apply a layer to an input with any leading axes, in the precision of its weights.

    `torch.compile` breaks its graph here, and automatic mixed precision ends here, because a circuit supports neither.

    Args:
        compute: maps rows (B, width) and ``weight`` to (B, T).
        x: (..., width) with any dtype that converts to the weights' without loss, such as half precision or integers.
        width: expected last axis of ``x``.
        weight: weights in the layer's dtype, float32 or float64.
        input_name: name of ``x`` in messages.

    Returns:
        (..., T) in the dtype of ``weight``.
    """
    if not isinstance(x, Tensor) or x.is_complex():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise UserError(
            f"{input_name} are {kind}, expected a real tensor of torch: torch.as_tensor(x, dtype={weight.dtype})."
        )
    if torch.compiler.is_compiling():
        # disabled here, because a decorator imports the compiler, which takes a second
        result: Tensor = torch.compiler.disable(_on_rows)(compute, x, width, weight, input_name)  # type: ignore[no-untyped-call]
        return result
    return _on_rows(compute, x, width, weight, input_name)


def _on_rows(compute: Rows, x: Tensor, width: int, weight: Tensor, input_name: str) -> Tensor:
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            return _on_rows(compute, x, width, weight, input_name)
    if x.shape[-1:] != (width,):
        raise UserError(f"{input_name} are {tuple(x.shape)}, expected (..., {width}).")
    if not x.dtype == weight.dtype == torch.float32:
        if weight.dtype not in (torch.float32, torch.float64):
            raise UserError(
                f"the layer's weights are {weight.dtype}, and circuits are simulated in float32 or float64: call "
                ".float() on the layer. Its input may be in half precision."
            )
        if torch.promote_types(x.dtype, weight.dtype) != weight.dtype:
            raise UserError(
                f"{input_name} are {x.dtype}, the layer's weights {weight.dtype}: call .double() on the layer or "
                ".float() on its input."
            )
        x = x.to(weight.dtype)
    if x.ndim == 2:
        return compute(x, weight)
    values = compute(x.reshape(-1, width), weight)
    return values.reshape(*x.shape[:-1], values.shape[-1])


class NoisyCircuit:
    """Part of a model whose circuit may have noise, drawn anew in every pass.

    Attributes:
        engine: the compiled circuit; None on a backend that is not adjoint.
        noise_on: passes draw the backend's noise, in training and in evaluation alike.
    """

    training: bool
    engine: Engine | None = None
    noise_on = True
    _noisy_pass: Callable[[int], Noisy] | None = None
    _seed = _passes = 0

    @property
    def is_noisy(self) -> bool:
        """Return whether the circuit has noise."""
        return self._noisy_pass is not None

    def reseed(self, seed: int) -> None:
        """Derive the seeds of the next passes from ``seed``."""
        self._seed = seed
        self._passes = 0

    def next_pass(self) -> Differentiable:
        """Return the engine, or the next noisy pass."""
        assert self.engine is not None
        if self._noisy_pass is None or not self.noise_on:
            return self.engine
        self._passes += 1
        noisy_pass = self._noisy_pass(derive_seed(self._seed, "pass", self._passes))
        return noisy_pass if self.training else noisy_pass.in_evaluation


def noisy_circuits(model: nn.Module) -> list[NoisyCircuit]:
    """Return the parts of ``model`` that draw noise, if there are any."""
    return [part for part in model.modules() if isinstance(part, NoisyCircuit) and part.is_noisy]


def reseed(model: nn.Module, seed: int) -> None:
    """Derive the noise of the next passes from ``seed`` alone, another one for each part after the first."""
    for index, part in enumerate(noisy_circuits(model)):
        part.reseed(derive_seed(seed, "circuit", index) if index else seed)


@contextmanager
def without_noise(model: nn.Module) -> Iterator[None]:
    """Compute exact values inside the block, without any draw."""
    noisy_parts = [part for part in noisy_circuits(model) if part.noise_on]
    for part in noisy_parts:
        part.noise_on = False
    try:
        yield
    finally:
        for part in noisy_parts:
            part.noise_on = True
