"""Several processes of one command: each does whole runs with its share of the processors."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

from qllmft.campaign.execute import do_all
from qllmft.campaign.plan import Plan
from qllmft.config import RunConfig
from qllmft.errors import UserError
from qllmft.events import Event, Message, OnEvent, RunEnded, RunStarted
from qllmft.progress import MinuteLines
from qllmft.run import Tracking
from qllmft_backends.adjoint.thread_pool import thread_count

RUNS_EACH = 8  # fewer are not worth the start of a process
MEMORY_EACH = 2 * 2**30  # bytes that a process needs with all its imports


def processes_for(configs: Iterable[RunConfig], runs: int, jobs: int | None) -> int:
    """Return the number of processes that share ``runs`` runs of such configurations, never more than runs.

    If ``jobs`` is None, there is one per processor, as far as memory allows and each has `RUNS_EACH`. Runs that share
    something else get one process: a body that learns takes all processors, and there is one GPU and one budget.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs got {jobs}, expected 1 or more.")
    if jobs is None:
        kinds = {
            (c.body.learns, c.backend.entry.adjoint, c.backend.options.get("device", "cpu"))
            for c in configs
        }
        alone = kinds - {(False, True, "cpu")}
        fitting = psutil.virtual_memory().available // MEMORY_EACH
        jobs = 1 if alone else min(thread_count(), fitting, runs // RUNS_EACH)
    return max(1, min(jobs, runs))


class ChildProcesses:
    """Child processes whose events go to ``on_event``."""

    def __init__(self, on_event: OnEvent) -> None:
        self.processes: dict[Any, BaseProcess] = {}  # by this end of their pipe
        self._on_event = on_event
        self._ready: set[Any] = set()
        self._error: Exception | None = None

    def at_work(self) -> bool:
        """Return whether a child is alive."""
        return any(process.is_alive() for process in self.processes.values())

    def raise_error(self) -> None:
        """Raise the first error that ended a child."""
        if self._error:
            raise self._error

    def forward(self, event: Event) -> None:
        """Forward an event of this process, or raise the first error that ended a child."""
        self.raise_error()
        self._on_event(event)

    def listen(self) -> None:
        """Forward the children's events until all have ended."""
        connections = list(self.processes)
        ready: Any
        while connections:
            for ready in wait(connections):
                try:
                    found = ready.recv()
                except (EOFError, OSError, pickle.UnpicklingError):
                    connections.remove(ready)
                    continue
                if found is None:  # sent by a child after its imports
                    self._ready.add(ready)
                elif isinstance(found, Exception):
                    self._error = self._error or found
                else:
                    self._on_event(found)

    def wait(self) -> None:
        """Wait for the children that are ready. The others have nothing left to do."""
        for connection, process in self.processes.items():
            if connection in self._ready:
                process.join()
            if process.exitcode:
                self._on_event(
                    Message(f"process {process.pid} has died; the others took its runs over")
                )

    def end(self) -> None:
        """Terminate the children after they saved a checkpoint. A second Ctrl-C kills them."""
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
def child_processes(
    plan: Plan, runs: Path, on_event: OnEvent, tracking: Tracking, children: int
) -> Iterator[ChildProcesses]:
    """Start children that work on a plan, and wait for them at the end of the block.

    This process and its children use equal shares of the processors. If the block ends with an error or Ctrl-C, the
    children get SIGTERM and save a checkpoint. An error of a child is raised after the block.

    Args:
        plan: of the campaign.
        runs: folder of the runs' folders.
        on_event: called with the children's events, in a thread.
        tracking: services that record the runs.
        children: number of processes to start.
    """
    context, pool = multiprocessing.get_context("spawn"), ChildProcesses(on_event)
    before, threads = os.environ.get("QLLMFT_THREADS"), max(1, thread_count() // (children + 1))
    their_ends = []
    for _ in range(children):
        ours, theirs = context.Pipe(duplex=False)
        pool.processes[ours] = context.Process(
            target=_work_in_child, args=(theirs, plan, runs, tracking), daemon=True
        )
        their_ends.append(theirs)
    listener = threading.Thread(target=pool.listen, daemon=True)
    listener.start()
    try:
        if children:
            os.environ["QLLMFT_THREADS"] = str(threads)  # inherited by the children
        for process, theirs in zip(pool.processes.values(), their_ends, strict=True):
            process.start()
            theirs.close()
        yield pool
        pool.wait()
    finally:
        pool.end()
        for theirs in their_ends:
            theirs.close()
        listener.join()
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if before is None else {"QLLMFT_THREADS": before}
    pool.raise_error()


def _work_in_child(connection: Connection, plan: Plan, runs: Path, tracking: Tracking) -> None:
    # a terminal sends Ctrl-C to all; the parent process decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def send(value: object) -> None:
        with suppress(BrokenPipeError):  # the parent has died; this process is about to end
            connection.send(value)

    # this process may be the one that embeds the texts
    lines = MinuteLines(lambda text: send(Message(text)))

    def forward(event: Event) -> None:
        lines(event)
        if isinstance(event, RunStarted):
            event = replace(event, here=False)
        if isinstance(event, RunStarted | RunEnded | Message):
            send(event)

    warnings.showwarning = lambda message, *_, **__: send(Message(f"warning: {message}"))
    send(None)
    try:
        do_all(plan, runs, forward, tracking, others_at_work=lambda: True)
    except KeyboardInterrupt:
        return
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
            send(error)
        except Exception:
            send(RuntimeError(repr(error)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
