"""Threads of torch in a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Run torch on one thread inside the block.

    Its tensors have a few thousand numbers: a thread costs more than it saves, and next to a busy core torch's threads
    wait for each other by spinning (measured: 15 times slower). The engine has its own threads for circuits.
    """
    previous_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(previous_threads)
