"""One seed, and a generator of its own for every consumer, derived by name: no consumer disturbs another."""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, *names: str | int) -> int:
    """A 63-bit seed from the run's seed and the consumer's name, the same on every machine.

    >>> derive_seed(0, "split") == derive_seed(0, "split") != derive_seed(0, "weights")
    True
    """
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def drawn(size: int, count: int, seed: int, *names: str | int) -> list[int]:
    """Indices, ascending, of ``count`` of ``size`` things, all where there are no more; more contain the fewer.

    >>> drawn(3, 5, 0), set(drawn(100, 2, 0)) < set(drawn(100, 4, 0))
    ([0, 1, 2], True)
    """
    return sorted(numpy_generator(seed, *names).permutation(size)[:count].tolist())


def torch_generator(seed: int, *names: str | int) -> torch.Generator:
    """A torch generator on the CPU for the consumer that ``names`` name."""
    return torch.Generator().manual_seed(derive_seed(seed, *names))


def numpy_generator(seed: int, *names: str | int) -> np.random.Generator:
    """A NumPy generator for the consumer that ``names`` name."""
    return np.random.default_rng(derive_seed(seed, *names))
