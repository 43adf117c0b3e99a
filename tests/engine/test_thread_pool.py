"""Compiled jobs over threads: every chunk once, nobody waited for who has not begun, workers that sleep and wake."""

import io
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numba import carray, cfunc, njit, types
from reference_circuits import reuploading

from qllmft_engine import AdjointEngine, chunks, lower, thread_pool
from qllmft_engine.compiled import work_queue
from qllmft_engine.compiled.work_queue import (
    ARGUMENTS_WORD,
    CLAIMS_WORD,
    COUNT_WORD,
    DONE_WORD,
    FUNCTION_WORD,
    QUEUE_WORDS,
    all_done,
    job_number,
    serve,
)


@cfunc(types.void(types.voidptr, types.int64))
def count_visits(arguments, chunk):
    visits = carray(arguments, (100,), np.int64)
    visits[chunk] += 1


@cfunc(types.void(types.voidptr, types.int64))
def note_order(arguments, chunk):
    """Number 99 counts the chunks so far; each chunk notes its turn."""
    order = carray(arguments, (100,), np.int64)
    order[chunk] = order[99]
    order[99] += 1


@njit(nogil=True)
def _spin(times):
    total = 0.0
    for i in range(times):
        total += np.sqrt(i + total)
    return total


@cfunc(types.void(types.voidptr, types.int64))
def take_time(arguments, chunk):
    """Number chunk says how long; afterwards it is zero."""
    work = carray(arguments, (100,), np.int64)
    if _spin(work[chunk]) >= 0:
        work[chunk] = 0


def make_job(function, arguments, count):
    """What `run_job` takes: ``count`` chunks of a compiled function."""
    return lambda queue, spins: work_queue.run(queue, function.address, arguments, count, spins)


@pytest.fixture(autouse=True)
def asked_anew():
    yield
    thread_pool._thread_count.cache_clear()


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "2")


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 99])
def test_every_chunk_is_done_once(count, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    visits = np.zeros(100, np.int64)
    for _ in range(50):
        thread_pool.run_job(count, make_job(count_visits, visits, count))
    assert visits[:count].tolist() == [50] * count
    assert not visits[count:].any()


def test_the_caller_works_from_below_and_a_helper_from_above():
    order = np.full(100, -1, np.int64)
    order[99] = 0
    queue = np.zeros(QUEUE_WORDS, np.int64)
    assert work_queue.run(queue, note_order.address, order, 5, 0)
    assert order[:5].tolist() == [0, 1, 2, 3, 4]
    order[99] = 0
    # a job put there, on which no caller works
    queue[CLAIMS_WORD] = (job_number(queue) + 1) << 44 | 5
    queue[DONE_WORD] = 0
    serve(queue, 0, job_number(queue) - 1, 1, 1)
    assert order[:5].tolist() == [4, 3, 2, 1, 0]
    assert all_done(queue, 5)


def test_a_late_helper_takes_nothing_of_a_job_that_is_over():
    visits = np.zeros(100, np.int64)
    queue = np.zeros(QUEUE_WORDS, np.int64)
    assert work_queue.run(queue, count_visits.address, visits, 3, 0)
    assert serve(queue, 0, 0, 5, 10) == job_number(queue)
    assert visits.sum() == 3


def test_a_helper_leaves_a_job_alone_that_has_no_chunk_for_it():
    visits = np.zeros(100, np.int64)
    queue = np.zeros(QUEUE_WORDS, np.int64)
    queue[FUNCTION_WORD] = count_visits.address
    queue[ARGUMENTS_WORD] = visits.ctypes.data
    queue[COUNT_WORD] = 2
    queue[CLAIMS_WORD] = 1 << 44 | 2
    serve(queue, 1, 0, 1, 1)
    assert visits.sum() == 0
    serve(queue, 0, 0, 1, 1)
    assert visits.sum() == 2


def test_a_caller_whose_pool_is_busy_does_its_job_alone(two_threads):
    visits = np.zeros(100, np.int64)
    queues = []

    def job(queue, spins):
        queues.append(queue)
        return make_job(count_visits, visits, 4)(queue, spins)

    busy = thread_pool._pool(os.getpid(), 1)
    with busy.lock:
        thread_pool.run_job(4, job)
    thread_pool.run_job(4, job)
    assert queues[0] is not busy.queue
    assert queues[1] is busy.queue
    assert visits[:4].tolist() == [2, 2, 2, 2]


def test_two_threads_take_part_and_a_sleeping_helper_wakes(two_threads):
    """A long chunk each: with one thread working they would take twice as much of its own time."""
    work = np.zeros(100, np.int64)
    job = make_job(take_time, work, 2)
    work[:2] = 1000
    thread_pool.run_job(2, job)
    helped = False
    for _ in range(20):
        until = time.monotonic() + 10
        while not all(worker._asleep for worker in thread_pool._pool(os.getpid(), 1).workers):
            assert time.monotonic() < until, "workers still spin, long after a worker may"
            time.sleep(0.01)
        work[:2] = 3_000_000
        begin_s = time.thread_time()
        thread_pool.run_job(2, job)
        shared_s = time.thread_time() - begin_s
        work[:1] = 3_000_000
        begin_s = time.thread_time()
        work_queue.run(np.zeros(QUEUE_WORDS, np.int64), take_time.address, work, 1, 0)
        alone_s = time.thread_time() - begin_s
        assert not work.any()
        helped = shared_s < 1.6 * alone_s
        if helped:
            break
    assert helped


def test_an_interrupt_waits_for_chunks_that_helpers_have_begun(two_threads, monkeypatch):
    answers = iter([False, False, True])
    questions = []
    interrupts = [KeyboardInterrupt]
    monkeypatch.setattr(
        thread_pool, "all_done", lambda queue, count: questions.append(count) or next(answers)
    )

    def interrupt_sleep(seconds):
        if questions and interrupts:
            raise interrupts.pop()

    monkeypatch.setattr(thread_pool.time, "sleep", interrupt_sleep)
    with pytest.raises(KeyboardInterrupt):
        thread_pool.run_job(2, lambda queue, spins: False)
    assert len(questions) == 3
    assert thread_pool._pool(os.getpid(), 1).lock.acquire(blocking=False)
    thread_pool._pool(os.getpid(), 1).lock.release()


def test_many_threads_may_share_an_engine(two_threads, monkeypatch):
    program = lower(reuploading(5))
    engine = AdjointEngine(program, 1 << np.arange(5))
    draw = np.random.default_rng(0)
    batches = [draw.uniform(-3, 3, (samples, program.n_angles)) for samples in (40, 40, 40, 8)]
    cotangents = [draw.normal(size=(len(angles), 5)) for angles in batches]

    def gradient(i):
        values, tape = engine.forward(batches[i])
        return values, engine.vjp(tape, cotangents[i])[0]

    expected = [gradient(i) for i in range(4)]
    wrong = []

    def call(first):
        for step in range(40):
            i = (first + step) % 4
            wrong.append(not all(map(np.array_equal, gradient(i), expected[i])))

    monkeypatch.setattr(chunks, "REUSED_BYTES", 2**14)  # states are given up and made again
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=call, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(wrong) == 160
    assert not any(wrong)


FORK = """
import os
import numpy as np
from qllmft_engine import AdjointEngine, lower
from qllmft_circuits import head_circuit

def values():
    program = lower(head_circuit(4))
    return AdjointEngine(program, np.array([1])).values(np.ones((32, program.n_angles)))

before = values()
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(values(), before) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_pool_of_its_own():
    environment = os.environ | {"QLLMFT_THREADS": "2"}
    process = subprocess.run(
        [sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, timeout=180
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize(("text", "threads"), [("1", 1), ("3", 3), ("16", 16)])
def test_the_environment_sets_the_number_of_threads(text, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    assert thread_pool.thread_count() == threads


CPU_MAX = "/sys/fs/cgroup/cpu.max"


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes this a machine of so many processors, of which the process has some."""

    def make(processors, affinity=None, quota="max 100000"):
        real_open = open
        exists = os.path.exists
        monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: processors)
        monkeypatch.setattr(
            os, "sched_getaffinity", lambda pid: affinity or set(range(processors)), raising=False
        )
        monkeypatch.setattr(os.path, "exists", lambda path: path == CPU_MAX or exists(path))
        monkeypatch.setattr(
            "builtins.open",
            lambda path, *a, **k: (
                io.StringIO(quota) if path == CPU_MAX else real_open(path, *a, **k)
            ),
        )
        thread_pool._thread_count.cache_clear()

    yield make
    thread_pool._thread_count.cache_clear()


@pytest.mark.parametrize("text", [None, ""])
@pytest.mark.parametrize(
    ("hardware", "threads"),
    [
        ({}, 64),
        ({"affinity": {2, 5, 7}}, 3),
        ({"quota": "200000 100000"}, 2),
        ({"quota": "150000 100000"}, 2),
    ],
    ids=["all", "affinity", "quota of a container", "a part of a processor"],
)
def test_otherwise_it_is_the_processors_that_this_process_may_run_on(
    hardware, threads, text, machine, monkeypatch
):
    monkeypatch.delenv("QLLMFT_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("QLLMFT_THREADS", text)
    machine(64, **hardware)
    assert thread_pool.thread_count() == threads


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_bad_number_of_threads_is_refused_with_the_remedy(text, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    with pytest.raises(
        ValueError, match=f"QLLMFT_THREADS is '{text}', expected a positive whole number. Unset it"
    ):
        thread_pool.run_job(2, lambda queue, spins: True)
