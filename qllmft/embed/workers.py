"""Processes that embed parts of many texts, each with a body of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.body import Body, BodyLocation

# embeddings (N, D), number of texts that were cut, tokens read
Encoded = tuple[NDArray[np.float32], int, int]

_body: Body | None = None  # of a worker


def worker_pool(config: BodyConfig, location: BodyLocation, jobs: int) -> ProcessPoolExecutor:
    """Return a pool of processes, among which the cores of the machine are divided."""
    threads = (
        max(1, len(os.sched_getaffinity(0)) // jobs) if hasattr(os, "sched_getaffinity") else 1
    )
    # a fresh interpreter: a forked one would inherit locks of torch's threads
    return ProcessPoolExecutor(jobs, get_context("spawn"), _load, (config, location, threads))


def _load(config: BodyConfig, location: BodyLocation, threads: int) -> None:
    global _body  # a pool's initialiser has no other place
    import torch

    torch.set_num_threads(threads)
    _body = Body(config, location, light=True)


def encode_part(texts: Sequence[str]) -> Encoded:
    """Return the embeddings of texts by the worker's body."""
    assert _body is not None
    return _body.encode(texts), _body.truncated(texts), _body.longest
