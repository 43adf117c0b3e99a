"""Generators of independent consumers, derived by name from one seed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed from the run's seed and the consumer's name, the same on every machine.

    >>> derive_seed(0, "split") == derive_seed(0, "split") != derive_seed(0, "weights")
    True
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def draw_indices(size: int, count: int, seed: int, *names: str | int) -> list[int]:
    """Draw ``count`` of ``size`` indices, or all if there are fewer, in ascending order.

    Larger draws contain smaller ones.

    >>> draw_indices(3, 5, 0), set(draw_indices(100, 2, 0)) < set(draw_indices(100, 4, 0))
    ([0, 1, 2], True)
    """
    return sorted(numpy_generator(seed, *names).permutation(size)[:count].tolist())


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """Return a torch generator on the CPU for the consumer ``names``."""
    import torch  # lists of studies need NumPy's draws only

    return torch.Generator().manual_seed(derive_seed(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator for the consumer ``names``."""
    return np.random.default_rng(derive_seed(seed, *names))
