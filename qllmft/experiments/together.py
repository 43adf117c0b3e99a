"""One command in several processes: each does whole runs with its share of the processors, the first tells of all."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.experiments.cost import TimeLeft
from qllmft.experiments.queue import PlannedRun, QueueReporter, Standing, do_all, do_free
from qllmft.run import PassingReporter, RunRecord, Tracking
from qllmft_backends.adjoint.thread_pool import thread_count

RUNS_EACH = 8  # fewer are not worth a process: its start, and the last run, which one does alone
MEMORY_EACH = 2 * 2**30  # bytes that a process is expected to take with all that it imports
TOLD_EVERY_S = 0.2  # between two standings that a child sends


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
    with together(count, do_free, (planned, runs), reporter) as combined:
        return do_all(planned, runs, combined, combined.children_at_work)


class CombinedReporter(PassingReporter, QueueReporter):
    """The reporter of the first process: passes on its own reports and its children's, and adds up how far all are."""

    def __init__(self, reporter: QueueReporter) -> None:
        super().__init__(reporter)
        self.tracking = reporter.tracking
        self.run_begins, self.run_ends = reporter.run_begins, reporter.run_ends  # type: ignore[method-assign]
        self.error: Exception | None = None  # of a child
        self.ending = False  # children are not needed any more
        self._queue, self._time, self._lock = reporter, TimeLeft(), threading.Lock()
        self.standings: dict[Any, Standing] = {}
        self._children: dict[Any, BaseProcess] = {}

    def children_at_work(self) -> bool:
        """Whether children are at work."""
        return bool(self._children)

    def stands(self, standing: Standing, of: object = None) -> None:
        """How far all are, of whom each knows what is finished and his own run; raises the error of a child."""
        if of is None and self.error:
            raise self.error
        with self._lock:
            self.standings[of] = standing
            known = self.standings.values()
            self._time.update(max(each.share - each.running for each in known), 1.0)
            self._time.running(sum(each.running for each in known))
            if len(known) > 1:
                finished, time_left = max(each.finished for each in known), self._time
                standing = replace(standing, finished=finished, share=time_left.share, seconds_left=time_left.seconds)
            self._queue.stands(standing)

    def listen(self, children: dict[Any, BaseProcess]) -> None:
        """Pass on what comes through the children's connections until all have ended."""
        self._children = children
        while children:
            ready: Any
            for ready in wait(list(children)):
                try:
                    kind, *content = ready.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    process = children.pop(ready)
                    process.join()
                    if process.exitcode and not self.ending:
                        self._queue.message(f"process {process.pid} has died; the others take its run over")
                    continue
                if kind == "error":
                    self.error = self.error or content[0]
                elif kind == "stands":
                    self.stands(content[0], ready)
                else:
                    getattr(self._queue, kind)(*content)


@contextmanager
def together(
    count: int, work: Callable[..., object], arguments: tuple[Any, ...], reporter: QueueReporter
) -> Iterator[CombinedReporter]:
    """While ``count`` - 1 children, processes beside this one, do ``work(*arguments, reporter)``, which can be pickled.

    All use their share of the processors. An error of a child is raised here. Where the block ends by an error or by
    Ctrl-C, children get SIGTERM, and save what it lets them save; else they are waited for.
    """
    combined, children = CombinedReporter(reporter), dict[Any, BaseProcess]()
    before, threads = os.environ.get("QLLMFT_THREADS"), max(1, thread_count() // count)
    context, listener = multiprocessing.get_context("spawn"), threading.Thread(target=lambda: combined.listen(children))
    try:
        if count > 1:
            os.environ["QLLMFT_THREADS"] = str(threads)  # the children inherit it
        for _ in range(count - 1):
            ours, theirs = context.Pipe(duplex=False)
            given = (theirs, work, arguments, reporter.tracking)
            children[ours] = context.Process(target=_in_child, args=given, daemon=True)
            children[ours].start()
            theirs.close()
        listener.start()
        yield combined
        combined.ending = True
        for connection, process in list(children.items()):
            if connection not in combined.standings:
                process.terminate()  # all was done before it had started
        listener.join()
    except BaseException as error:
        combined.ending = True
        _end(list(children.values()))
        if combined.error and isinstance(error, KeyboardInterrupt):
            raise combined.error from None
        raise
    finally:
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if before is None else {"QLLMFT_THREADS": before}
    if combined.error:
        raise combined.error


def _end(processes: list[BaseProcess]) -> None:
    """Let processes save what they have; a second Ctrl-C kills them."""
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.kill()


def _in_child(
    connection: Connection, work: Callable[..., object], arguments: tuple[Any, ...], tracking: Tracking
) -> None:
    """What a child does, until its work or the first process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    reporter = _Sender(connection, tracking)
    warnings.showwarning = lambda message, *_, **__: reporter.message(f"warning: {message}")
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
    """Sends a child's reports to the first process."""

    def __init__(self, connection: Connection, tracking: Tracking) -> None:
        self._connection, self.tracking = connection, tracking
        self._finished, self._at = -1, 0.0

    def send(self, *what: Any) -> None:
        with suppress(BrokenPipeError):  # the first process is gone; this one is about to go
            self._connection.send(what)

    def message(self, text: str) -> None:
        self.send("message", text)

    def run_begins(self, label: str) -> None:
        self.send("run_begins_elsewhere", label)

    def run_ends(self, label: str, validation: float) -> None:
        self.send("run_ends", label, validation)

    def stands(self, standing: Standing) -> None:
        now = time.monotonic()
        if standing.finished != self._finished or now - self._at >= TOLD_EVERY_S:
            self._finished, self._at = standing.finished, now
            self.send("stands", standing)
