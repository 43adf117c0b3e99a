"""Circuits under the transforms of `torch.func`, such as `vmap`, `jacrev` and per-sample gradients.

A transform runs a layer on tensors without numbers, so that values and gradients of rows are each an operation with a
rule for `vmap`: the mapped axis becomes more rows. A gradient repeats the forward pass of its rows, as it has no tape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from qllmft_base.errors import UserError

SECOND_DERIVATIVE = (
    "a circuit's gradient cannot be differentiated again. Leave create_graph off, and take second derivatives as "
    "differences of the gradients at two points, with the layer in .double()."
)
FORWARD_MODE = "a circuit has no derivative in forward mode, which jvp and jacfwd take. Use torch.func.vjp or jacrev."


def transforms_active() -> bool:
    """Return whether a transform of `torch.func` runs."""
    active: bool = torch._C._are_functorch_transforms_active()
    return active


def refuse_second_derivative() -> None:
    """Raise UserError in a backward pass with ``create_graph``: the second derivative would silently be zero."""
    if torch.is_grad_enabled():
        raise UserError(SECOND_DERIVATIVE)


def refuse_batched_cotangent(cotangent: Tensor) -> None:
    """Raise UserError if a backward pass outside of `torch.func` runs for several cotangents at once."""
    if transforms_active() or torch._C._functorch.is_legacy_batchedtensor(cotangent):
        raise UserError(
            "a circuit has one gradient in a backward pass, and is_grads_batched, vectorize or vmap asks for several. "
            "Leave it off, or use torch.func.jacrev."
        )


@dataclass(frozen=True)
class RowFunction:
    """Function of rows (B, P), each on its own, by plain tensors.

    Args:
        values: maps rows (B, P) to values (B, T).
        gradient: maps rows (B, P) and cotangents (B, T) to the gradient (B, P).
    """

    values: Callable[[Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]

    def __call__(self, rows: Tensor) -> Tensor:
        """Return the values (B, T) of rows (B, P), in any transform."""
        values: Tensor = _RowValues.apply(self, rows)  # type: ignore[no-untyped-call]
        return values


class _RowOperation(torch.autograd.Function):
    """Operation on a `RowFunction` and tensors of B rows each, which a mapped axis makes more."""

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> NoReturn:  # noqa: ARG004 - torch's names
        raise UserError(FORWARD_MODE)

    @classmethod
    def map_rows(
        cls, info: Any, in_dims: tuple[Any, ...], function: RowFunction, *tensors: Any
    ) -> Any:
        """Return the result (V, B, ·) of tensors with a mapped axis of V places, or without one."""
        mapped = [
            tensor.expand(info.batch_size, *tensor.shape)
            if axis is None
            else tensor.movedim(axis, 0)
            for tensor, axis in zip(tensors, in_dims[1:], strict=True)
        ]
        result = cls.apply(function, *(tensor.flatten(0, 1) for tensor in mapped))  # type: ignore[no-untyped-call]
        return result.unflatten(0, mapped[0].shape[:2]), 0


class _RowValues(_RowOperation):
    """Values of a `RowFunction`."""

    @staticmethod
    def forward(function: RowFunction, rows: Tensor) -> Tensor:
        return function.values(rows)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG004 - torch's names
        ctx.function, rows = inputs
        ctx.save_for_backward(rows)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[None, Tensor]:
        (rows,) = ctx.saved_tensors
        gradient: Tensor = _RowGradient.apply(ctx.function, rows, *grad_outputs)  # type: ignore[no-untyped-call]
        return None, gradient

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _RowValues.map_rows(info, in_dims, *inputs)


class _RowGradient(_RowOperation):
    """Gradient of a `RowFunction`."""

    @staticmethod
    def forward(function: RowFunction, rows: Tensor, cotangent: Tensor) -> Tensor:
        return function.gradient(rows, cotangent)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Keep nothing, because there is no second derivative."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> NoReturn:  # noqa: ARG004 - torch's names
        raise UserError(SECOND_DERIVATIVE)

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        return _RowGradient.map_rows(info, in_dims, *inputs)
