"""Place where the runs of a campaign are done, this machine or a Ray cluster, and the checks before the first run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from qllmft.campaign.execute import do_all
from qllmft.campaign.plan import FinishedRuns, Plan
from qllmft.campaign.ray_cluster import do_all_on_cluster
from qllmft.config import RunConfig
from qllmft.embed import locate_body
from qllmft.errors import UserError
from qllmft.events import Event, Message, OnEvent, RunEnded, RunStarted, ignore
from qllmft.heads import build_classifier
from qllmft.progress import MinuteLines
from qllmft.run import SharedInputs, Tracking
from qllmft.workers import ProcessDiedError, Processes, report
from qllmft_backends import create
from qllmft_backends.adjoint.thread_pool import thread_count

RUNS_EACH = 8  # fewer are not worth the start of a process
MEMORY_EACH = 2 * 2**30  # bytes that a process needs with all its imports


@dataclass(frozen=True)
class Executor:
    """Way to do the runs of a campaign."""

    on_event: OnEvent = ignore
    tracking: Tracking = field(default_factory=Tracking)
    inputs: SharedInputs = field(default_factory=SharedInputs)  # of all plans that it executes
    jobs: int | None = 1  # processes of this command; None: see `processes_for`
    ray: str | None = None  # address of a Ray cluster, which does the runs instead of this machine

    def execute(self, plan: Plan, runs: Path) -> None:
        """Do every run of a plan that is not finished.

        Several calls with the same plan and folder share the runs, on one machine or on several. This process and its
        children use equal shares of the processors. If an error or Ctrl-C ends the work here, the children save a
        checkpoint. An error of a child is raised here.
        """
        finished = FinishedRuns(runs)
        left = [run for run in plan.runs(finished) if not finished.has(run)]
        if self.ray is not None and left:
            do_all_on_cluster(plan, runs, self.ray, self.on_event, self.inputs)
            return
        children = processes_for((run.config for run in left), len(left), self.jobs) - 1
        tracking, begun = replace(self.tracking, campaign=runs.parent), set()

        def on_value(value: int | Event) -> None:
            if isinstance(value, int):
                begun.add(value)
            else:
                self.on_event(value)

        with _shared_threads(children) as threads, Processes(children, threads, on_value) as pool:
            tasks = [pool.submit(_work, i, plan, runs, tracking) for i in range(children)]

            def forward(event: Event) -> None:
                for task in tasks:
                    if task.done() and not isinstance(task.exception(), ProcessDiedError):
                        task.result()
                self.on_event(event)

            at_work = lambda: not all(task.done() for task in tasks)  # noqa: E731
            do_all(plan, runs, forward, tracking, self.inputs, at_work)
            for i, task in enumerate(tasks):
                if i in begun or task.done():  # the others have nothing left to do
                    try:
                        task.result()
                    except ProcessDiedError as error:
                        self.on_event(Message(f"{error}; the others took its runs over"))


@contextmanager
def _shared_threads(children: int) -> Iterator[int]:
    """Give this process its share of the processors beside its children during a block, and yield the share."""
    before, threads = os.environ.get("QLLMFT_THREADS"), max(1, thread_count() // (children + 1))
    try:
        if children:
            os.environ["QLLMFT_THREADS"] = str(threads)
        yield threads
    finally:
        os.environ.pop("QLLMFT_THREADS", None)
        os.environ |= {} if before is None else {"QLLMFT_THREADS": before}


def _work(number: int, plan: Plan, runs: Path, tracking: Tracking) -> None:
    """Work on a plan in the child ``number``, which this reports after its imports, and then messages and runs."""
    # this process may be the one that embeds the texts
    lines = MinuteLines(lambda text: report(Message(text)))

    def forward(event: Event) -> None:
        lines(event)
        if isinstance(event, RunStarted):
            event = replace(event, here=False)
        if isinstance(event, RunStarted | RunEnded | Message):
            report(event)

    warnings.showwarning = lambda message, *_, **__: report(Message(f"warning: {message}"))
    report(number)
    do_all(plan, runs, forward, tracking, others_at_work=lambda: True)


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


def check_feasible(configs: Mapping[str, RunConfig], inputs: SharedInputs) -> None:
    """Raise an error if texts, a split, a body or a backend is missing, or a head does not fit on its body."""
    for config in configs.values():
        locate_body(config.body)
        inputs.splits(config.data, config.seed)
    checked: set[str] = set()
    for name, config in configs.items():
        if config.structure in checked:
            continue
        checked.add(config.structure)
        backend = create(config.backend.name, config.backend_options)
        dimension, n_classes = inputs.dimension(config), inputs.corpus(config.data).n_classes
        try:
            build_classifier(config.model, dimension, n_classes, backend=backend)
        except UserError as error:
            raise UserError(f"{name}: {error}") from None
