"""The engine as a differentiable function of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qllmft_base.errors import UserError
from qllmft_engine.interface import Differentiable
from qllmft_engine.program.angles import AngleMap
from qllmft_engine.torch.engine import TensorEngine
from qllmft_engine.torch.transforms import (
    RowFunction,
    refuse_batched_cotangent,
    refuse_second_derivative,
    transforms_active,
)


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
        refuse_second_derivative()
        cotangent: Tensor = grad_outputs[0]
        refuse_batched_cotangent(cotangent)
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
        """Return angles (B, G) in radians of a layer's parameters.

        Args:
            ctx: of autograd; keeps what the gradient needs.
            program: map from the circuit's parameters to angles.
            order: (P,); column ``order[p]`` of ``parameters`` is the circuit's parameter p.
            parameters: (B, P).
        """
        ctx.program = program
        ctx.order = order
        ctx.values = _parameter_values(parameters, order)
        return torch.as_tensor(program.angles(ctx.values)).to(parameters)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, None, Tensor]:
        """Return the gradient (B, P) of the parameters."""
        (cotangent,) = grad_outputs
        return None, None, _gradient_by_parameter(ctx.program, ctx.order, ctx.values, cotangent)


def _parameter_values(parameters: Tensor, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return parameters (B, P) in the order of the circuit."""
    values: NDArray[np.float64] = parameters.double().numpy(force=True)[:, order]
    return values


def _gradient_by_parameter(
    program: AngleMap, order: NDArray[np.int64], values: NDArray[np.float64], cotangent: Tensor
) -> Tensor:
    """Return the gradient (B, P) by parameters of the ``values`` (B, P), of cotangents (B, G) of the angles."""
    by_angle = cotangent.double().numpy(force=True)
    by_parameter = np.empty_like(values)
    by_parameter[:, order] = program.by_parameter(by_angle, values)
    return torch.as_tensor(by_parameter).to(cotangent)


def circuit_angles(program: AngleMap, order: NDArray[np.int64], parameters: Tensor) -> Tensor:
    """Return the gate angles (B, G) of parameters (B, P), see `CircuitAngles`, also in a transform of `torch.func`."""
    if not transforms_active():
        angles: Tensor = CircuitAngles.apply(program, order, parameters)  # type: ignore[no-untyped-call]
        return angles

    def compute_angles(rows: Tensor) -> Tensor:
        return torch.as_tensor(program.angles(_parameter_values(rows, order))).to(rows)

    def compute_gradient(rows: Tensor, cotangent: Tensor) -> Tensor:
        return _gradient_by_parameter(program, order, _parameter_values(rows, order), cotangent)

    return RowFunction(compute_angles, compute_gradient)(parameters)


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
    if transforms_active():
        return _transformed_expectations(engine, angles, amplitudes)
    wants_gradient = angles.requires_grad or (amplitudes is not None and amplitudes.requires_grad)
    if not (torch.is_grad_enabled() and wants_gradient):
        values = engine.values(
            _to_engine_array(engine, angles), _to_engine_array(engine, amplitudes)
        )
        return torch.as_tensor(values).to(angles)
    result: Tensor = _Expectations.apply(engine, angles, amplitudes)  # type: ignore[no-untyped-call]
    return result


def _transformed_expectations(
    engine: Differentiable, angles: Tensor, amplitudes: Tensor | None
) -> Tensor:
    """Return the `expectations` of rows of angles, then amplitudes, in a transform of `torch.func`."""
    n_angles = angles.shape[-1]
    rows = angles
    if amplitudes is not None:
        rows = torch.cat([angles.expand(len(amplitudes), n_angles), amplitudes], dim=1)

    def split(rows: Tensor) -> tuple[Any, Any]:
        row_amplitudes = None if amplitudes is None else rows[:, n_angles:].contiguous()
        return (
            _to_engine_array(engine, rows[:, :n_angles].contiguous()),
            _to_engine_array(engine, row_amplitudes),
        )

    def compute_values(rows: Tensor) -> Tensor:
        return torch.as_tensor(engine.values(*split(rows))).to(rows)

    def compute_gradient(rows: Tensor, cotangent: Tensor) -> Tensor:
        _, tape = engine.forward(*split(rows))
        gradients = engine.vjp(
            tape,
            _to_engine_array(engine, cotangent.contiguous()),
            amplitudes=amplitudes is not None,
        )
        return torch.cat(
            [torch.as_tensor(part).to(rows) for part in gradients if part is not None], dim=1
        )

    return RowFunction(compute_values, compute_gradient)(rows)
