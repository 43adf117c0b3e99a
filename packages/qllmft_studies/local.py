"""Execution of a plan by processes of this machine, and of others that share the folder."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from qllmft.baselines.own_rows import register_controls, use_own_heads
from qllmft.config import RunConfig
from qllmft.events import (
    DataChecked,
    Event,
    Message,
    OnEvent,
    RunEnded,
    RunStarted,
    StageStarted,
    TextsRead,
    ignore,
)
from qllmft.progress import MinuteLines
from qllmft.run import RunRecord, SharedInputs, Tracking, run_tracked
from qllmft.run.lock import RunBusyError
from qllmft_base.errors import UserError
from qllmft_base.workers import report
from qllmft_engine import thread_count
from qllmft_studies.progress import CampaignProgress
from qllmft_studies.runs import FinishedRuns, Plan, PlannedRun

POLL_INTERVAL_S = 1.0  # between two looks at the folders of the runs
MIN_RUNS_PER_PROCESS = 8  # fewer are not worth the start of a process
MEMORY_PER_PROCESS = 2 * 2**30  # bytes that a process needs with all its imports


def execute_run(
    run: PlannedRun,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
) -> RunRecord:
    """Do a run, continue it from its checkpoint, or check and read its record.

    Args:
        run: the run.
        runs: folder of the campaign's run folders.
        on_event: gets the run's events.
        tracking: services that follow the run.
        inputs: texts and embeddings that runs of this process share; None: of this run alone.

    Raises:
        UserError: for bad input, or if the run was finished on other texts.
        RunBusyError: if another process works on the run.
        KeyboardInterrupt: if training was interrupted; the same call continues.
    """
    started = False

    def listen(event: Event) -> None:
        nonlocal started
        # until then another process may have the run
        if isinstance(event, StageStarted) and not started:
            started = True
            on_event(RunStarted(run.label))
        # `report_texts` sends them once for all runs on the same texts, and each record holds the findings
        if not isinstance(event, DataChecked | TextsRead):
            on_event(event)

    listener = ignore if run.is_finished(runs) else listen
    run_options: dict[str, Any] = {"read_test": run.read_test, "wait": False, "inputs": inputs}
    outcome = run_tracked(run.config, run.folder(runs).path, listener, tracking, **run_options)
    if outcome.record is None:
        raise KeyboardInterrupt
    if started:
        score = outcome.record.head.validation.value
        on_event(RunEnded(run.label, score, run.config.data.task))
    return outcome.record


def execute_plan(
    plan: Plan,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
    others_at_work: Callable[[], bool] = lambda: False,
) -> None:
    """Do every run of a plan that is not finished, and wait for those of other processes.

    A run that another process works on is left to it. If that process dies, this one continues the run.
    Errors are those of `execute_run`.

    Args:
        plan: the runs.
        runs: folder of their folders.
        on_event: gets the events of the runs and the campaign's progress.
        tracking: services that follow the runs.
        inputs: texts and embeddings that the runs share.
        others_at_work: returns whether other processes of this command are alive, which are waited for silently.
    """
    inputs = inputs or SharedInputs()
    checked: set[str] = set()
    last_busy_message = ""
    progress = CampaignProgress(plan, FinishedRuns(runs), on_event)
    for unchecked_runs in progress.rounds(checked):
        n_checked = len(checked)
        busy_message = ""
        for run in unchecked_runs.values():
            try:
                execute_run(run, runs, progress, tracking, inputs)
                checked.add(run.identity)
            except RunBusyError as error:
                busy_message = str(error)
        if len(checked) == n_checked:
            if busy_message != last_busy_message and not others_at_work():
                last_busy_message = busy_message
                on_event(Message(f"{busy_message}. Waiting for it."))
            time.sleep(POLL_INTERVAL_S)


@contextmanager
def share_threads(children: int) -> Iterator[int]:
    """Give this process its share of the processors beside its children during a block, and yield the share."""
    previous_threads = os.environ.get("QLLMFT_THREADS")
    threads = max(1, thread_count() // (children + 1))
    try:
        if children:
            os.environ["QLLMFT_THREADS"] = str(threads)
        yield threads
    finally:
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if previous_threads is None else {"QLLMFT_THREADS": previous_threads}


def work_on_plan(
    number: int, plan: Plan, runs: Path, tracking: Tracking, heads: Sequence[str] = ()
) -> None:
    """Work on a plan in a child process: report its number after its imports, then messages and runs.

    Args:
        number: of the child.
        plan: the runs.
        runs: folder of their folders.
        tracking: services that follow the runs.
        heads: ``FILE.py:NAME`` of the user's own heads.
    """
    register_controls(use_own_heads(heads))
    # this process may be the one that embeds the texts
    lines = MinuteLines(lambda text: report(Message(text)))

    def forward(event: Event) -> None:
        lines(event)
        if isinstance(event, RunStarted):
            event = replace(event, in_this_process=False)
        if isinstance(event, RunStarted | RunEnded | Message):
            report(event)

    warnings.showwarning = lambda message, *_, **__: report(Message(f"warning: {message}"))
    report(number)
    execute_plan(plan, runs, forward, tracking, others_at_work=lambda: True)


def count_processes(configs: Sequence[RunConfig], jobs: int | None) -> int:
    """Return the number of processes that share a run of each configuration, never more than runs.

    If ``jobs`` is None, there is one per processor, as far as memory allows and each has `MIN_RUNS_PER_PROCESS`. Runs
    that share something else get one process: a body that learns takes all processors, and there is one GPU and one
    budget.
    """
    if jobs is not None and jobs < 1:
        raise UserError(f"--jobs got {jobs}, expected 1 or more.")
    if jobs is None:
        kinds = {
            (c.body.learns, c.backend.entry.adjoint, c.backend.options.get("device", "cpu"))
            for c in configs
        }
        exclusive_kinds = kinds - {(False, True, "cpu")}
        fitting = psutil.virtual_memory().available // MEMORY_PER_PROCESS
        jobs = (
            1
            if exclusive_kinds
            else min(thread_count(), fitting, len(configs) // MIN_RUNS_PER_PROCESS)
        )
    return max(1, min(jobs, len(configs)))
