"""Processes of a command: they end with it, whatever a task does with the signal that ends them."""

import signal
import threading
import time
from contextlib import suppress

import pytest

from qllmft.workers import ProcessDiedError, Processes, report

PATIENCE_S = 120


def swallow_signal():
    """Report, wait for SIGTERM, and swallow it as a library's callback may."""

    def interrupt(number, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    report("begun")
    with suppress(KeyboardInterrupt):
        time.sleep(PATIENCE_S)
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
