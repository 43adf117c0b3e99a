"""One command in several processes: each does whole runs with its share of the processors, the first tells of all."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from qllmft.campaign.queue import PlannedRun, QueueProgress, QueueReporter, do_all, do_free
from qllmft.config import RunConfig
from qllmft.errors import UserError
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
        kinds = {(c.body.learns, c.backend.entry.adjoint, c.backend.options.get("device", "cpu")) for c in configs}
        alone = kinds - {(False, True, "cpu")}
        fitting = psutil.virtual_memory().available // MEMORY_EACH
        asked = 1 if alone else min(thread_count(), fitting, runs // RUNS_EACH)
    return max(1, min(asked, runs))


def do_all_together(planned: Sequence[PlannedRun], runs: Path, reporter: QueueReporter, count: int) -> list[RunRecord]:
    """`do_all` in ``count`` processes."""
    progress = QueueProgress(reporter, runs)
    with together(count, do_free, (planned, runs), progress) as children:
        return do_all(planned, progress, children.at_work)


class Children:
    """Processes beside this one; what they say goes to ``reporter``."""

    def __init__(self, reporter: QueueReporter) -> None:
        self.processes: dict[Any, BaseProcess] = {}  # by this end of their pipe
        self._reporter = reporter
        self._begun: set[Any] = set()  # those that have imported what they need
        self._error: Exception | None = None

    def at_work(self) -> bool:
        """Whether one of them is at work."""
        return any(process.is_alive() for process in self.processes.values())

    def check(self) -> None:
        """Raise the error that one of them ended with."""
        if self._error:
            raise self._error

    def listen(self) -> None:
        """Pass on what they say until all have ended."""
        connections = list(self.processes)
        ready: Any
        while connections:
            for ready in wait(connections):
                try:
                    name, *words = ready.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    connections.remove(ready)
                    continue
                if name == "begun":
                    self._begun.add(ready)
                elif name == "error":
                    self._error = self._error or words[0]
                else:
                    getattr(self._reporter, name)(*words)

    def wait(self) -> None:
        """Wait for those that have begun: to the others nothing is left to do."""
        for connection, process in self.processes.items():
            if connection in self._begun:
                process.join()
            if process.exitcode:
                self._reporter.message(f"process {process.pid} has died; the others took its runs over")

    def end(self) -> None:
        """Let them save what they have; a second Ctrl-C kills them."""
        started = [process for process in self.processes.values() if process.pid is not None]
        try:
            for process in started:
                process.terminate()
            for process in started:
                process.join()
        finally:
            for process in started:
                process.kill()


@contextmanager
def together(
    count: int, work: Callable[..., object], arguments: tuple[Any, ...], progress: QueueProgress
) -> Iterator[Children]:
    """While ``count`` - 1 children, processes beside this one, do ``work(*arguments, reporter)``, which can be pickled.

    All use their share of the processors. The reporter of ``progress`` gets the children's messages, and the
    beginnings and ends of their runs; how far they are stands in the folders of the runs. An error of a child is raised
    here, at the next look of ``progress``. Where the block ends by an error or by Ctrl-C, children get SIGTERM, and
    save what it lets them save; else they are waited for.
    """
    context, children = multiprocessing.get_context("spawn"), Children(progress.reporter)
    progress.check = children.check
    before, threads = os.environ.get("QLLMFT_THREADS"), max(1, thread_count() // count)
    theirs = []
    for _ in range(count - 1):
        ours, other = context.Pipe(duplex=False)
        given = (other, work, arguments, progress.reporter.tracking)
        children.processes[ours] = context.Process(target=_in_child, args=given, daemon=True)
        theirs.append(other)
    listener = threading.Thread(target=children.listen, daemon=True)
    listener.start()
    try:
        if children.processes:
            os.environ["QLLMFT_THREADS"] = str(threads)  # the children inherit it
        for process, other in zip(children.processes.values(), theirs, strict=True):
            process.start()
            other.close()
        yield children
        children.wait()
    finally:
        children.end()
        for other in theirs:
            other.close()
        listener.join()
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if before is None else {"QLLMFT_THREADS": before}
    children.check()


def _in_child(
    connection: Connection, work: Callable[..., object], arguments: tuple[Any, ...], tracking: Tracking
) -> None:
    """What a child does, until its work or the first process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reporter = _Sender(connection, tracking)
    warnings.showwarning = lambda message, *_, **__: reporter.message(f"warning: {message}")
    reporter.send("begun")
    try:
        work(*arguments, reporter)
    except KeyboardInterrupt:
        return
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
            reporter.send("error", error)
        except Exception:
            reporter.send("error", RuntimeError(repr(error)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


class _Sender(QueueReporter):
    """Sends a child's messages, and the beginning and the end of its runs, to the first process."""

    def __init__(self, connection: Connection, tracking: Tracking) -> None:
        self._connection, self.tracking = connection, tracking

    def send(self, *words: Any) -> None:
        with suppress(BrokenPipeError):  # the first process is gone; this one is about to go
            self._connection.send(words)

    def message(self, text: str) -> None:
        self.send("message", text)

    def run_begins(self, label: str) -> None:
        self.send("run_begins_elsewhere", label)

    def run_ends(self, label: str, validation: float) -> None:
        self.send("run_ends", label, validation)
