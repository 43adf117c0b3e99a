"""Compiled jobs over threads: every chunk once, nobody waited for who has not begun, helpers that sleep and wake."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numba import carray, cfunc, njit, types
from reference_circuits import reuploading

from qllmft_backends.adjoint import AdjointEngine, lower, team
from qllmft_backends.adjoint.compiled.sharing import BOARD, COUNT, DONE, WORD, all_done, job_number, serve, share

TURNS = 1000


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


@pytest.fixture(autouse=True)
def asked_anew():
    yield
    team._thread_count.cache_clear()


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "2")


@pytest.mark.parametrize("threads", ["1", "2", "3"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 99])
def test_every_chunk_is_done_once(count, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    visits = np.zeros(100, np.int64)
    for _ in range(50):
        team.run_job(count, lambda board, turns: share(board, count_visits.address, visits, count, turns))
    assert visits[:count].tolist() == [50] * count
    assert not visits[count:].any()


def test_the_caller_works_from_below_and_a_helper_from_above():
    order = np.full(100, -1, np.int64)
    order[99] = 0
    board = np.zeros(BOARD, np.int64)
    assert share(board, note_order.address, order, 5, 0)
    assert order[:5].tolist() == [0, 1, 2, 3, 4]
    order[99] = 0
    board[WORD], board[DONE] = (job_number(board) + 1) << 44 | 5, 0  # a job put there, on which no caller works
    serve(board, 0, job_number(board) - 1, 1, 1)
    assert order[:5].tolist() == [4, 3, 2, 1, 0]
    assert all_done(board, 5)


def test_a_late_helper_takes_nothing_of_a_job_that_is_over():
    visits = np.zeros(100, np.int64)
    board = np.zeros(BOARD, np.int64)
    assert share(board, count_visits.address, visits, 3, 0)
    assert serve(board, 0, 0, 5, 10) == job_number(board)
    assert visits.sum() == 3


def test_a_helper_leaves_a_job_alone_that_has_no_chunk_for_it():
    visits = np.zeros(100, np.int64)
    board = np.zeros(BOARD, np.int64)
    board[16], board[17], board[COUNT] = count_visits.address, visits.ctypes.data, 2
    board[WORD] = 1 << 44 | 2
    serve(board, 1, 0, 1, 1)
    assert visits.sum() == 0
    serve(board, 0, 0, 1, 1)
    assert visits.sum() == 2


def test_a_caller_whose_team_is_busy_does_its_job_alone(two_threads):
    visits = np.zeros(100, np.int64)
    boards = []

    def job(board, turns):
        boards.append(board)
        return share(board, count_visits.address, visits, 4, turns)

    busy = team._team(os.getpid(), 1)
    with busy.lock:
        team.run_job(4, job)
    team.run_job(4, job)
    assert boards[0] is not busy.board
    assert boards[1] is busy.board
    assert visits[:4].tolist() == [2, 2, 2, 2]


def test_two_threads_take_part_and_a_sleeping_helper_wakes(two_threads):
    """A long chunk each: with one thread working they would take twice as much of its own time."""
    work = np.zeros(100, np.int64)

    def job(board, turns):
        return share(board, take_time.address, work, 2, turns)

    work[:2] = 1000
    team.run_job(2, job)
    helped = 0
    for _ in range(20):
        time.sleep(0.01)  # longer than a helper stays awake
        assert all(helper._asleep for helper in team._team(os.getpid(), 1).helpers)
        work[:2] = 3_000_000
        before = time.thread_time()
        team.run_job(2, job)
        both = time.thread_time() - before
        work[:1] = 3_000_000
        before = time.thread_time()
        share(np.zeros(BOARD, np.int64), take_time.address, work, 1, 0)
        one = time.thread_time() - before
        assert not work.any()
        helped += both < 1.6 * one
    assert helped > 0


def test_an_interrupt_waits_for_chunks_that_helpers_have_begun(two_threads, monkeypatch):
    answers = iter([False, False, True])
    asked, interrupts = [], [KeyboardInterrupt]
    monkeypatch.setattr(team, "all_done", lambda board, count: asked.append(count) or next(answers))

    def interrupted(seconds):
        if asked and interrupts:
            raise interrupts.pop()

    monkeypatch.setattr(team.time, "sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        team.run_job(2, lambda board, turns: False)
    assert len(asked) == 3
    assert team._team(os.getpid(), 1).lock.acquire(blocking=False)
    team._team(os.getpid(), 1).lock.release()


def test_many_threads_may_call_at_once(two_threads):
    program = lower(reuploading(5))
    masks = 1 << np.arange(5)
    angles = np.random.default_rng(0).uniform(-3, 3, (40, program.n_angles))
    expected = AdjointEngine(program, masks).values(angles)
    wrong = []

    def call():
        engine = AdjointEngine(program, masks)
        wrong.extend(not np.array_equal(engine.values(angles), expected) for _ in range(30))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 120
    assert not any(wrong)


FORK = """
import os
import numpy as np
from qllmft_backends.adjoint import AdjointEngine, lower
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
def test_a_forked_child_has_a_team_of_its_own():
    environment = os.environ | {"QLLMFT_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("text", "threads"), [("1", 1), ("3", 3), ("16", 16)])
def test_the_environment_sets_the_number_of_threads(text, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    assert team.thread_count() == threads


@pytest.mark.parametrize("text", [None, ""])
def test_otherwise_it_is_the_processors_that_this_process_may_run_on(text, monkeypatch):
    monkeypatch.setattr(team.os, "sched_getaffinity", lambda pid: {2, 5, 7}, raising=False)
    team._thread_count.cache_clear()
    monkeypatch.delenv("QLLMFT_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("QLLMFT_THREADS", text)
    assert team.thread_count() == 3


def test_a_system_without_affinities_counts_all_its_processors(monkeypatch):
    monkeypatch.delenv("QLLMFT_THREADS", raising=False)
    monkeypatch.delattr(team.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(team.os, "cpu_count", lambda: 6)
    team._thread_count.cache_clear()
    assert team.thread_count() == 6
    monkeypatch.setattr(team.os, "cpu_count", lambda: None)
    team._thread_count.cache_clear()
    assert team.thread_count() == 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_bad_number_of_threads_is_refused_with_the_remedy(text, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    with pytest.raises(ValueError, match=f"QLLMFT_THREADS is '{text}', expected a positive whole number; unset it"):
        team.run_job(2, lambda board, turns: True)
