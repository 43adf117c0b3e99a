"""One command in several processes: each does whole runs with its share of the processors, the first tells of all."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psutil

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.experiments.queue import PlannedRun, QueueReporter, do_all
from qllmft.run import RunRecord, Tracking
from qllmft_backends.adjoint.thread_pool import thread_count

RUNS_EACH = 8  # fewer are not worth a process: its start, and the last run, which one does alone
MEMORY_EACH = 2 * 2**30  # bytes that a process is expected to take with all that it imports


def processes_for(configs: Iterable[RunConfig], runs: int, asked: int | None) -> int:
    """How many processes are to share ``runs`` runs of such configurations, never more than runs.

    Where nobody asked: one a processor, as far as memory goes and each has `RUNS_EACH`; but 1 where runs share
    something else: a body that learns takes all processors, a GPU is one, and circuits that are sent away are paid for.
    """
    if asked is not None and asked < 1:
        raise UserError(f"--jobs is {asked}; expected 1 or more.")
    if asked is None:
        kinds = {(c.body.learns, c.backend.name, c.backend.options.get("device", "cpu")) for c in configs}
        alone = kinds - {(False, "adjoint", "cpu")}
        fitting = psutil.virtual_memory().available // MEMORY_EACH
        asked = 1 if alone else min(thread_count(), fitting, runs // RUNS_EACH)
    return max(1, min(asked, runs))


def do_all_together(planned: Sequence[PlannedRun], runs: Path, reporter: QueueReporter, count: int) -> list[RunRecord]:
    """`do_all` in ``count`` processes."""
    with together(count, do_all, (planned, runs), reporter) as children_at_work:
        return do_all(planned, runs, reporter, children_at_work)


@contextmanager
def together(
    count: int, work: Callable[..., object], arguments: tuple[Any, ...], reporter: QueueReporter
) -> Iterator[Callable[[], bool]]:
    """While ``count`` - 1 children, processes beside this one, do ``work(*arguments, reporter)``, which can be pickled.

    Gives whether one of them is at work. All use their share of the processors. ``reporter`` gets the children's
    messages and the ends of their runs; how far they are stands in the folders of the runs, and a run that one fails in
    is anybody's again, who meets the same error. Where the block ends by an error or by Ctrl-C, children get SIGTERM,
    and save what it lets them save; else they are waited for.
    """
    context = multiprocessing.get_context("spawn")
    begun, pipes = context.Event(), [context.Pipe(duplex=False) for _ in range(count - 1)]
    given = (begun, work, arguments, reporter.tracking)
    children = [context.Process(target=_in_child, args=(theirs, *given), daemon=True) for _, theirs in pipes]
    listener = threading.Thread(target=_pass_on, args=([ours for ours, _ in pipes], reporter), daemon=True)
    before, threads = os.environ.get("QLLMFT_THREADS"), max(1, thread_count() // count)
    listener.start()
    try:
        if children:
            os.environ["QLLMFT_THREADS"] = str(threads)  # the children inherit it
        for child, (_, theirs) in zip(children, pipes, strict=True):
            child.start()
            theirs.close()
        yield lambda: any(child.is_alive() for child in children)
        for child in children:
            if begun.is_set():
                child.join()
            if child.exitcode:
                reporter.message(f"process {child.pid} has died; the others took its runs over")
    finally:
        _end(children)
        for _, theirs in pipes:
            theirs.close()
        listener.join()
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if before is None else {"QLLMFT_THREADS": before}


def _end(processes: Sequence[BaseProcess]) -> None:
    """Let processes save what they have; a second Ctrl-C kills them."""
    started = [process for process in processes if process.pid is not None]
    try:
        for process in started:
            process.terminate()
        for process in started:
            process.join()
    finally:
        for process in started:
            process.kill()


def _pass_on(connections: list[Any], reporter: QueueReporter) -> None:
    """Tell ``reporter`` what children say, until all have ended."""
    ready: Any
    while connections:
        for ready in wait(connections):
            try:
                name, *words = ready.recv()
            except (EOFError, OSError, pickle.UnpicklingError):
                connections.remove(ready)
            else:
                getattr(reporter, name)(*words)


def _in_child(
    connection: Connection, begun: Event, work: Callable[..., object], arguments: tuple[Any, ...], tracking: Tracking
) -> None:
    """What a child does, until its work or the first process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reporter = _Sender(connection, tracking)
    warnings.showwarning = lambda message, *_, **__: reporter.message(f"warning: {message}")
    begun.set()
    try:
        work(*arguments, reporter)
    except KeyboardInterrupt:
        return
    except Exception:
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _Sender(QueueReporter):
    """Sends a child's messages, and the beginning and the end of its runs, to the first process."""

    def __init__(self, connection: Connection, tracking: Tracking) -> None:
        self._connection, self.tracking = connection, tracking

    def message(self, text: str) -> None:
        self._send("message", text)

    def run_begins(self, label: str) -> None:
        self._send("run_begins_elsewhere", label)

    def run_ends(self, label: str, validation: float) -> None:
        self._send("run_ends", label, validation)

    def _send(self, *words: Any) -> None:
        with suppress(BrokenPipeError):  # the first process is gone; this one is about to go
            self._connection.send(words)
