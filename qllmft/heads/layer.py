"""The engine as a differentiable function of torch: values forward, one vector-Jacobian sweep backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qllmft_backends.adjoint import Differentiable


class _Expectations(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, engine: Differentiable, angles: Tensor, amplitudes: Tensor | None) -> Tensor:
        loaded = None if amplitudes is None else amplitudes.detach().cpu().numpy()
        values, ctx.tape = engine.forward(angles.detach().cpu().numpy(), loaded)
        ctx.engine = engine
        return torch.from_numpy(values).to(angles)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor | None, Tensor | None]:
        if torch.is_grad_enabled():  # only then with create_graph; the second derivative would silently be zero
            raise RuntimeError(
                "create_graph is on, but a circuit's gradient cannot be differentiated again; leave it off."
            )
        cotangent: Tensor = grad_outputs[0]
        by_angle, by_amplitude = ctx.engine.vjp(
            ctx.tape, cotangent.detach().cpu().numpy(), amplitudes=ctx.needs_input_grad[2]
        )
        return (
            None,
            torch.from_numpy(np.asarray(by_angle)).to(cotangent) if ctx.needs_input_grad[1] else None,
            None if by_amplitude is None else torch.from_numpy(by_amplitude).to(cotangent),
        )


def expectations(engine: Differentiable, angles: Tensor, amplitudes: Tensor | None = None) -> Tensor:
    """Z expectation values of a batch, differentiable in the angles and in the loaded amplitudes.

    Args:
        engine: a compiled circuit, or a noisy pass through one.
        angles: gate angles in radians, (G,) shared by the batch or (B, G).
        amplitudes: (B, D) real initial amplitudes, D ≤ 2^Q, of norm 1; |0...0⟩ where None.

    Returns:
        (B, T) in the dtype and on the device of ``angles``.
    """
    wants_gradient = angles.requires_grad or (amplitudes is not None and amplitudes.requires_grad)
    if not (torch.is_grad_enabled() and wants_gradient):
        loaded = None if amplitudes is None else amplitudes.detach().cpu().numpy()
        return torch.from_numpy(engine.values(angles.detach().cpu().numpy(), loaded)).to(angles)
    result: Tensor = _Expectations.apply(engine, angles, amplitudes)  # type: ignore[no-untyped-call]
    return result
