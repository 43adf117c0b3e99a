"""Chunks over threads: every index once, no waiting for busy helpers, errors come through."""

import os
import subprocess
import sys
import threading

import pytest

from qllmft_backends.adjoint import workers
from qllmft_backends.adjoint.workers import for_each, thread_count

MEETING_S = 20  # how long two threads wait for each other before a test gives up


@pytest.fixture(autouse=True)
def asked_anew():
    yield
    workers._thread_count.cache_clear()


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", "2")


@pytest.mark.parametrize("threads", ["1", "2", "5"])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, 200])
def test_every_index_is_worked_on_once(count, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    done = []
    for_each(count, done.append)
    assert sorted(done) == list(range(count))


def test_two_threads_work_at_the_same_time(two_threads):
    meeting = threading.Barrier(2)
    at_work = []

    def work(index: int) -> None:
        meeting.wait(MEETING_S)  # broken unless both indices are under way
        at_work.append(threading.current_thread())

    for_each(2, work)
    assert len(set(at_work)) == 2
    assert threading.current_thread() in at_work


@pytest.mark.parametrize(("threads", "count"), [("1", 3), ("2", 1)])
def test_one_thread_or_one_chunk_stays_with_the_caller_in_order(threads, count, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    seen = []
    for_each(count, lambda i: seen.append((i, threading.current_thread())))
    assert seen == [(i, threading.current_thread()) for i in range(count)]


@pytest.mark.parametrize("culprit", ["caller", "helper"])
def test_an_error_comes_through_whichever_thread_it_struck(culprit, two_threads):
    meeting = threading.Barrier(2)
    caller = threading.current_thread()

    def work(index: int) -> None:
        meeting.wait(MEETING_S)
        if (threading.current_thread() is caller) == (culprit == "caller"):
            raise ArithmeticError(f"chunk {index} went wrong")

    with pytest.raises(ArithmeticError, match=r"chunk [01] went wrong"):
        for_each(2, work)


@pytest.mark.parametrize("threads", ["1", "2"])
def test_the_workers_go_on_after_an_error(threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", threads)
    with pytest.raises(ZeroDivisionError):
        for_each(4, lambda i: 1 // 0)
    done = []
    for_each(4, done.append)
    assert sorted(done) == [0, 1, 2, 3]


def test_an_error_waits_for_helpers_that_are_still_writing(two_threads):
    meeting, caller_failed = threading.Barrier(2), threading.Event()
    caller = threading.current_thread()
    written = []

    def work(index: int) -> None:
        meeting.wait(MEETING_S)
        if threading.current_thread() is caller:
            caller_failed.set()
            raise ArithmeticError("the caller stops")
        caller_failed.wait(MEETING_S)
        written.append(index)

    with pytest.raises(ArithmeticError, match="the caller stops"):
        for_each(2, work)
    assert len(written) == 1


def test_the_caller_does_not_wait_for_a_helper_that_is_busy_elsewhere(two_threads):
    meeting, inner_done = threading.Barrier(2), threading.Event()
    caller = threading.current_thread()
    inner, in_time = [], []

    def work(index: int) -> None:
        meeting.wait(MEETING_S)
        if threading.current_thread() is caller:
            for_each(6, inner.append)  # the one helper is in the other branch and stays there
            inner_done.set()
        else:
            in_time.append(inner_done.wait(MEETING_S))

    for_each(2, work)
    assert inner == list(range(6))
    assert in_time == [True]


FORK = """
import os, threading
from qllmft_backends.adjoint.workers import for_each

def together():
    meeting = threading.Barrier(2)
    for_each(2, lambda i: meeting.wait(20))

together()
child = os.fork()
if child == 0:
    together()
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_helpers_of_its_own():
    environment = os.environ | {"QLLMFT_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", FORK], env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("text", "threads"), [("1", 1), ("3", 3), ("16", 16)])
def test_the_environment_sets_the_number_of_threads(text, threads, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    assert thread_count() == threads


@pytest.mark.parametrize("text", [None, ""])
def test_otherwise_it_is_the_processors_that_this_process_may_run_on(text, monkeypatch):
    monkeypatch.setattr(workers.os, "sched_getaffinity", lambda pid: {2, 5, 7}, raising=False)
    workers._thread_count.cache_clear()
    monkeypatch.delenv("QLLMFT_THREADS", raising=False)
    if text is not None:
        monkeypatch.setenv("QLLMFT_THREADS", text)
    assert thread_count() == 3


def test_a_system_without_affinities_counts_all_its_processors(monkeypatch):
    monkeypatch.delenv("QLLMFT_THREADS", raising=False)
    monkeypatch.delattr(workers.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(workers.os, "cpu_count", lambda: 6)
    workers._thread_count.cache_clear()
    assert thread_count() == 6
    monkeypatch.setattr(workers.os, "cpu_count", lambda: None)
    workers._thread_count.cache_clear()
    assert thread_count() == 1


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_bad_number_of_threads_is_refused_with_the_remedy(text, monkeypatch):
    monkeypatch.setenv("QLLMFT_THREADS", text)
    with pytest.raises(ValueError, match=f"QLLMFT_THREADS is '{text}', expected a positive whole number; unset it"):
        for_each(2, lambda i: None)
