"""Ways to do the runs of a plan: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from qllmft.events import (
    Event,
    Message,
    OnEvent,
    ignore,
)
from qllmft.run import SharedInputs, Tracking
from qllmft_base.workers import ProcessDiedError, Processes
from qllmft_studies.cluster import execute_plan_on_cluster
from qllmft_studies.local import count_processes, execute_plan, share_threads, work_on_plan
from qllmft_studies.runs import FinishedRuns, Plan


@dataclass(frozen=True)
class Executor:
    """Way to do the runs of a campaign."""

    on_event: OnEvent = ignore
    tracking: Tracking = field(default_factory=Tracking)
    inputs: SharedInputs = field(default_factory=SharedInputs)  # of all plans that it executes
    jobs: int | None = 1  # processes of this command; None: see `count_processes`
    heads: tuple[str, ...] = ()  # of ``--head``: files of the user's own that each process runs
    ray: str | None = None  # address of a Ray cluster, which does the runs instead of this machine

    def execute(self, plan: Plan, runs: Path) -> None:
        """Do every run of a plan that is not finished.

        Several calls with the same plan and folder share the runs, on one machine or on several. This process and its
        children use equal shares of the processors. If an error or Ctrl-C ends the work here, the children save a
        checkpoint. An error of a child is raised here.
        """
        finished = FinishedRuns(runs)
        unfinished_runs = [run for run in plan.runs(finished) if not finished.has(run)]
        if self.ray is not None and unfinished_runs:
            execute_plan_on_cluster(plan, runs, self.ray, self.on_event, self.inputs)
            return
        children = count_processes([run.config for run in unfinished_runs], self.jobs) - 1
        tracking = replace(self.tracking, campaign=runs.parent)
        started_children = set()

        def on_value(value: int | Event) -> None:
            if isinstance(value, int):
                started_children.add(value)
            else:
                self.on_event(value)

        with share_threads(children) as threads, Processes(children, threads, on_value) as pool:
            tasks = [
                pool.submit(work_on_plan, i, plan, runs, tracking, self.heads)
                for i in range(children)
            ]

            def forward(event: Event) -> None:
                for task in tasks:
                    if task.done() and not isinstance(task.exception(), ProcessDiedError):
                        task.result()
                self.on_event(event)

            at_work = lambda: not all(task.done() for task in tasks)  # noqa: E731
            execute_plan(plan, runs, forward, tracking, self.inputs, at_work)
            for i, task in enumerate(tasks):
                if i in started_children or task.done():  # the others have nothing left to do
                    try:
                        task.result()
                    except ProcessDiedError as error:
                        self.on_event(Message(f"{error}. The others took its runs over."))
