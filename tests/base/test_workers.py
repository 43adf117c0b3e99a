"""Processes of a command: they end with it, whatever a task does with the signal that ends them."""

import signal
import threading
import time

import pytest

from qllmft_base.workers import ProcessDiedError, Processes, report

PATIENCE_S = 120


def swallow_signal():
    """Report, wait for SIGTERM, and end as usual, as if a library's callback had swallowed it."""
    received = []
    signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    report("begun")
    until = time.monotonic() + PATIENCE_S
    while not received and time.monotonic() < until:
        time.sleep(0.01)
    return "done"


def wait():
    report("begun")
    time.sleep(PATIENCE_S)


def end_during(task):
    """Return the task's future after processes were ended while it ran."""
    begun = threading.Event()
    with Processes(2, 1, lambda _: begun.set()) as pool:
        future = pool.submit(task)
        assert begun.wait(PATIENCE_S)
        started = time.monotonic()
    assert time.monotonic() - started < PATIENCE_S / 2
    return future


def test_a_process_whose_task_swallowed_the_signal_ends_after_it():
    assert end_during(swallow_signal).result() == "done"


def test_a_process_ends_at_the_signal():
    with pytest.raises(ProcessDiedError):
        end_during(wait).result()


def test_processes_without_a_task_end():
    with Processes(2, 1) as pool:
        assert pool.submit(len, "abc").result() == 3


def test_an_argument_that_changes_after_the_submission_is_passed_as_it_was():
    words = ["a", "b"]
    with Processes(1, 1) as pool:
        pool.submit(time.sleep, 0.5)  # the process is busy when the argument changes
        future = pool.submit(len, words)
        words.append("c")
        assert future.result() == 2
