"""Processes that embed parts of many texts, each with a body of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from qllmft.config import BodyConfig
from qllmft.embed.body import Body
from qllmft.embed.location import BodyLocation
from qllmft_backends.adjoint.thread_pool import thread_count

# embeddings (N, D), number of texts that were cut, tokens read
Encoded = tuple[NDArray[np.float32], int, int]
LOOK_S = 1.0  # time between two looks at the number of workers
Part = TypeVar("Part")
Result = TypeVar("Result")

_body: Body | None = None  # of a worker


def worker_pool(config: BodyConfig, location: BodyLocation, jobs: int) -> ProcessPoolExecutor:
    """Return a pool of processes, among which the cores that this process may use are divided."""
    threads = max(1, thread_count() // jobs)
    # a fresh interpreter: a forked one would inherit locks of torch's threads
    return ProcessPoolExecutor(jobs, get_context("spawn"), load, (config, location, threads))


def load(config: BodyConfig, location: BodyLocation, threads: int) -> None:
    """Load the body of this worker."""
    global _body  # a pool's initialiser has no other place
    import torch

    torch.set_num_threads(threads)
    _body = Body(config, location, light=True)


def encode_part(texts: Sequence[str]) -> Encoded:
    """Return the embeddings of texts by the worker's body."""
    assert _body is not None
    return _body.encode(texts), _body.truncated(texts), _body.longest


def in_order(
    parts: Iterable[Part],
    submit: Callable[[Part], Future[Result] | None],
    room: Callable[[], int],
) -> Iterator[tuple[Part, Result | None]]:
    """Yield each part with the result of its task, in order, or with None if it needs no task.

    Parts are read as there is room, which may grow meanwhile. If reading fails, the error is raised after the parts
    before it.
    """
    unread, failure = iter(parts), None
    waiting: deque[tuple[Part, Future[Result] | None]] = deque()
    more = True
    try:
        while more or waiting:
            while more and len(waiting) < room():
                try:
                    part = next(unread)
                except StopIteration:
                    more = False
                except Exception as error:
                    more, failure = False, error
                else:
                    waiting.append((part, submit(part)))
            if not waiting:
                break
            part, task = waiting[0]
            if task is None:
                waiting.popleft()
                yield part, None
            elif wait([task], LOOK_S).done:
                waiting.popleft()
                yield part, task.result()
    finally:
        for _, task in waiting:
            if task is not None:
                task.cancel()
    if failure is not None:
        raise failure
