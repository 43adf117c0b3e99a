"""Initial weights of a circuit, drawn as angles."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qllmft_base.errors import UserError, check_number


def initial_angles(
    count: int, generator: torch.Generator | None, largest: float | None = None
) -> Tensor:
    """Return weights (count,), uniform on [-largest, largest); None is π, the natural range of a rotation angle."""
    largest = math.pi if largest is None else largest
    check_number("initial_angle", largest)
    if not (generator is None or isinstance(generator, torch.Generator)):
        raise UserError(
            f"generator is {generator!r}, expected a generator of torch, such as torch.Generator().manual_seed(0)."
        )
    return (2.0 * torch.rand(count, generator=generator) - 1.0) * largest
