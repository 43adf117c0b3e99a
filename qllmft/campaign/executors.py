"""Place where the runs of a campaign are done: this machine or a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from qllmft.campaign.execute import do_all
from qllmft.campaign.local import processes_for, worker_pool
from qllmft.campaign.plan import FinishedRuns, Plan
from qllmft.campaign.ray_cluster import do_all_on_cluster
from qllmft.events import OnEvent, ignore
from qllmft.run import SharedInputs, Tracking


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

        Several calls with the same plan and folder share the runs, on one machine or on several.
        """
        finished = FinishedRuns(runs)
        left = [run for run in plan.runs(finished) if not finished.has(run)]
        if self.ray is not None and left:
            do_all_on_cluster(plan, runs, self.ray, self.on_event, self.inputs)
        else:
            children = processes_for((run.config for run in left), len(left), self.jobs) - 1
            tracking = replace(self.tracking, campaign=runs.parent)
            with worker_pool(plan, runs, self.on_event, tracking, children) as pool:
                do_all(plan, runs, pool.forward, tracking, self.inputs, pool.at_work)
