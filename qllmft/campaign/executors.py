"""Place where the runs of a campaign are done, this machine or a Ray cluster, and the checks before the first run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from qllmft.campaign.execute import do_all
from qllmft.campaign.local import child_processes, processes_for
from qllmft.campaign.plan import FinishedRuns, Plan
from qllmft.campaign.ray_cluster import do_all_on_cluster
from qllmft.config import RunConfig
from qllmft.embed import locate_body
from qllmft.errors import UserError
from qllmft.events import OnEvent, ignore
from qllmft.heads import build_classifier
from qllmft.run import SharedInputs, Tracking
from qllmft_backends import create


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
            with child_processes(plan, runs, self.on_event, tracking, children) as pool:
                do_all(plan, runs, pool.forward, tracking, self.inputs, pool.at_work)


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
