"""Pool of threads for compiled jobs: workers that spin for a moment after a job, and a caller that needs none.

Waking a sleeping thread takes longer than a circuit of ten qubits, and so does a handover of Python's lock. So workers
take chunks without Python, and spin for a moment after their work: the next pass of a training step comes within it.
OpenMP's threads spin without an end, which costs a factor of 40 beside another busy process. Here a worker whose core
is shared sleeps instead, and the caller works through the remaining chunks itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.errors import BackendError
from qllmft_engine.compiled.work_queue import QUEUE_WORDS, all_done, job_number, serve

Queue = NDArray[np.int64]  # (QUEUE_WORDS,); see `work_queue`
SPIN_S = 500e-6  # how long a worker spins; longer than what a training step does between two passes
NO_SPIN_S = 0.1  # for how long a worker that shared its core does not spin
_FULL_CORE_SHARE = 0.8  # of the time, without which a core counts as shared
_JOBS_PER_CHECK = 200  # after which a worker looks at that
_POLL_S = 50e-6  # between two looks at a chunk that a worker has begun and not finished


def thread_count() -> int:
    """Return the engine's number of threads: ``QLLMFT_THREADS``, else the processors available to this process."""
    return _thread_count(os.environ.get("QLLMFT_THREADS", ""))


@cache
def _thread_count(text: str) -> int:
    """Return the same, cached: a pass over a small circuit takes less time than a few system calls."""
    if text:
        if not text.isdecimal() or len(text) > 5 or int(text) < 1:
            raise BackendError(
                f"QLLMFT_THREADS is {text!r}, expected a positive whole number. Unset it to use all cores."
            )
        return int(text)
    from joblib import cpu_count  # takes a part of a second

    return int(cpu_count())  # by the affinity, and by the quota of a container's cgroup


class _Worker(threading.Thread):
    def __init__(self, queue: Queue, rank: int) -> None:
        super().__init__(name="qllmft", daemon=True)
        self._queue = queue
        self._rank = rank
        self._asleep = False
        self._wake_up = threading.Lock()  # held, but for the moment in which it wakes the worker
        self._wake_up.acquire()
        self.start()

    def wake(self) -> None:
        """End the sleep, if any."""
        if self._asleep:
            self._asleep = False
            self._wake_up.release()

    def run(self) -> None:
        """Serve and sleep, without an end."""
        spins = _count_spins()
        last_job = int(job_number(self._queue))
        spin_from = 0.0
        while True:
            start = time.perf_counter()
            thread_time_start = time.thread_time()
            may_spin = start >= spin_from
            first_job = last_job
            last_job = int(
                serve(self._queue, self._rank, last_job, _JOBS_PER_CHECK, spins if may_spin else 1)
            )
            stop = time.perf_counter()
            if may_spin and time.thread_time() - thread_time_start < _FULL_CORE_SHARE * (
                stop - start
            ):
                spin_from = stop + NO_SPIN_S
            elif may_spin and last_job - first_job >= _JOBS_PER_CHECK:
                continue
            self._asleep = True
            self._wake_up.acquire()


class _Pool:
    def __init__(self, workers: int) -> None:
        self.queue = np.zeros(QUEUE_WORDS, np.int64)
        self.lock = threading.Lock()  # held by the thread whose job is in the queue
        _count_spins()
        self.workers = [_Worker(self.queue, rank) for rank in range(workers)]


@cache
def _pool(process: int, workers: int) -> _Pool:
    """Return the pool of ``process``: a forked child has none of its parent's threads and makes its own."""
    del process
    return _Pool(workers)


@cache
def _count_spins() -> int:
    queue = np.zeros(QUEUE_WORDS, np.int64)
    spins = 2000
    serve(queue, 0, 0, 1, 1)  # compiles
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        serve(queue, 0, 0, 1, spins)
        seconds.append(time.perf_counter() - started)
    return max(1, int(spins * SPIN_S / min(seconds)))


def run_job(count: int, job: Callable[[Queue, int], bool]) -> None:
    """Run a job of ``count`` chunks on the pool and return when all are done.

    ``job`` calls `work_queue.run` with the queue and the spins, and returns its result.
    """
    threads = thread_count()
    pool = _pool(os.getpid(), threads - 1) if threads > 1 and count > 1 else None
    # another thread's job is in the queue
    if pool is None or not pool.lock.acquire(blocking=False):
        job(np.zeros(QUEUE_WORDS, np.int64), 0)
        return
    interrupt = None
    try:
        for worker in pool.workers[: count - 1]:
            worker.wake()
        done = job(pool.queue, _count_spins())
        while not done:
            try:
                time.sleep(_POLL_S)
                done = all_done(pool.queue, count)
            except KeyboardInterrupt as error:  # the workers still write into the job's arrays
                interrupt = error
    finally:
        pool.lock.release()
    if interrupt:
        raise interrupt
