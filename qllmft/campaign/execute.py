"""Execution of a plan: every run is done once, however many processes and machines work on the same folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from qllmft.campaign.plan import FinishedRuns, Plan, PlannedRun
from qllmft.campaign.progress import LOOK_S, CampaignProgress
from qllmft.events import (
    DataChecked,
    Event,
    Message,
    OnEvent,
    RunEnded,
    RunStarted,
    StageStarted,
    ignore,
)
from qllmft.run import RunRecord, SharedInputs, Tracking, run_tracked
from qllmft.run.lock import RunBusyError


def do_run(
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
        # the runs share their texts, and each record holds the findings
        if not isinstance(event, DataChecked):
            on_event(event)

    outcome = run_tracked(
        run.config,
        run.folder(runs).path,
        ignore if run.is_finished(runs) else listen,
        tracking,
        read_test=run.read_test,
        wait=False,
        inputs=inputs,
    )
    if outcome.record is None:
        raise KeyboardInterrupt
    if started:
        score = outcome.record.head.validation.value
        on_event(RunEnded(run.label, score, run.config.data.task))
    return outcome.record


def do_all(
    plan: Plan,
    runs: Path,
    on_event: OnEvent,
    tracking: Tracking,
    inputs: SharedInputs | None = None,
    others_at_work: Callable[[], bool] = lambda: False,
) -> None:
    """Do every run of a plan that is not finished, and wait for those of other processes.

    A run that another process works on is left to it. If that process dies, this one continues the run.
    Errors are those of `do_run`.

    Args:
        plan: the runs.
        runs: folder of their folders.
        on_event: gets the events of the runs and the campaign's progress.
        tracking: services that follow the runs.
        inputs: texts and embeddings that the runs share.
        others_at_work: returns whether other processes of this command are alive, which are waited for silently.
    """
    finished, inputs = FinishedRuns(runs), inputs or SharedInputs()
    checked: set[str] = set()
    waited_for = ""
    progress = CampaignProgress(plan, finished, on_event)
    progress.report(at_once=True)
    while left := {r.identity: r for r in plan.runs(finished) if r.identity not in checked}:
        before, busy = len(checked), ""
        for run in left.values():
            try:
                do_run(run, runs, progress, tracking, inputs)
                checked.add(run.identity)
            except RunBusyError as error:
                busy = str(error)
        if len(checked) == before:
            if busy != waited_for and not others_at_work():
                waited_for = busy
                on_event(Message(f"{busy}; waiting for it"))
            progress.report()
            time.sleep(LOOK_S)
    progress.report(at_once=True)
