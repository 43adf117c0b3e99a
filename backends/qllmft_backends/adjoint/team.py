"""Compiled jobs over the machine's cores: helpers that wait awake for a moment, and a caller that needs none.

Waking a sleeping thread takes longer than a circuit of ten qubits, and so does handing over Python's lock. So helpers
take chunks without Python, and stay awake for a moment after their work: the next pass of a training step comes within
it. OpenMP's threads do so without an end, and beside another busy process that costs a factor of 40. Here a helper that
finds its core shared sleeps instead, the caller works through the chunks itself, and helpers take what they get to.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qllmft_backends.adjoint.compiled.sharing import BOARD, all_done, job_number, serve

Board = NDArray[np.int64]
AWAKE_S = 500e-6  # how long a helper waits awake; longer than what a training step does between two passes
ASLEEP_S = 0.1  # for how long a helper that shared its core sleeps after every job
_OWN_SHARE = 0.8  # of the time, without which a core counts as shared
_JOBS = 200  # after which a helper looks at that
_POLL_S = 50e-6  # between two looks at a chunk that a helper has begun and not finished


def thread_count() -> int:
    """Threads that the engine uses: ``QLLMFT_THREADS``, else the processors that this process may run on.

    Raises:
        ValueError: where ``QLLMFT_THREADS`` is not a positive number.
    """
    return _thread_count(os.environ.get("QLLMFT_THREADS", ""))


@cache
def _thread_count(text: str) -> int:
    """The same, asked once: a pass over a small circuit takes less time than a few questions to the system."""
    if text:
        if not text.isdecimal() or int(text) < 1:
            raise ValueError(
                f"QLLMFT_THREADS is {text!r}, expected a positive whole number; unset it to use all cores."
            )
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Helper(threading.Thread):
    """A thread that works on what is on the board."""

    def __init__(self, board: Board, rank: int) -> None:
        super().__init__(name="qllmft", daemon=True)
        self._board, self._rank = board, rank
        self._asleep = False
        self._bell = threading.Lock()  # held but for the moment in which it rings
        self._bell.acquire()
        self.start()

    def wake(self) -> None:
        """End the sleep, if any."""
        if self._asleep:
            self._asleep = False
            self._bell.release()

    def run(self) -> None:
        """Serve, sleep, again."""
        turns, seen, awake_from = _turns(), int(job_number(self._board)), 0.0
        while True:
            start, own = time.perf_counter(), time.thread_time()
            awake = start >= awake_from
            seen_before, seen = seen, int(serve(self._board, self._rank, seen, _JOBS, turns if awake else 1))
            stop = time.perf_counter()
            if awake and time.thread_time() - own < _OWN_SHARE * (stop - start):
                awake_from = stop + ASLEEP_S
            elif awake and seen - seen_before >= _JOBS:
                continue
            self._asleep = True
            self._bell.acquire()


class _Team:
    """Helpers that look at one board."""

    def __init__(self, helpers: int) -> None:
        self.board = np.zeros(BOARD, np.int64)
        self.lock = threading.Lock()  # held by the thread whose job is on the board
        _turns()
        self.helpers = [_Helper(self.board, rank) for rank in range(helpers)]


@cache
def _team(process: int, helpers: int) -> _Team:
    """The team of ``process``: a forked child has none of its parent's threads and makes its own."""
    del process
    return _Team(helpers)


@cache
def _turns() -> int:
    """How many turns of waiting take `AWAKE_S`."""
    board, turns = np.zeros(BOARD, np.int64), 2000
    serve(board, 0, 0, 1, 1)  # compiles
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        serve(board, 0, 0, 1, turns)
        seconds.append(time.perf_counter() - started)
    return max(1, int(turns * AWAKE_S / min(seconds)))


def run_job(count: int, job: Callable[[Board, int], bool]) -> None:
    """Let the team do a job of ``count`` chunks; returns when all are done.

    Args:
        count: of chunks.
        job: calls `sharing.share` with the board and the turns that it is given, and returns what that returned.
    """
    threads = thread_count()
    team = _team(os.getpid(), threads - 1) if threads > 1 and count > 1 else None
    if team is None or not team.lock.acquire(blocking=False):  # another thread's job is on the board
        job(np.zeros(BOARD, np.int64), 0)
        return
    interrupt = None
    try:
        for helper in team.helpers[: count - 1]:
            helper.wake()
        done = job(team.board, _turns())
        while not done:
            try:
                time.sleep(_POLL_S)
                done = all_done(team.board, count)
            except KeyboardInterrupt as error:  # the helpers still write into the job's arrays
                interrupt = error
    finally:
        team.lock.release()
    if interrupt:
        raise interrupt
