"""Options of studies and sweeps about the processes that do the runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeVar

import typer

from qllmft.cli.console import say
from qllmft.cli.options import TrackOptions
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.events import OnEvent
    from qllmft_studies.executors import Executor

T = TypeVar("T")


@dataclass(frozen=True)
class CampaignOptions(TrackOptions):
    """Options of `qllmft study` and `sweep` about trackers and the processes or the cluster that do the runs.

    Attributes:
        jobs: Number of local processes, each with its share of the processors. A run has the same results to the bit.
            [default: QLLMFT_JOBS, or one per processor if each has 8 runs]
        ray: Do the runs on a Ray cluster, one per processor: HOST:PORT, or auto. The nodes need the same version of
            qllmft and the body, but neither the data nor a shared disk.
    """

    panel: ClassVar = "Processes and trackers"

    jobs: Annotated[int | None, typer.Option(envvar="QLLMFT_JOBS", show_envvar=False)] = None
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS")] = None

    def check(self, context: typer.Context, *, jobs_with_ray: bool = False) -> None:
        """Raise a UserError if options do not fit together."""
        # a number of jobs from the variable is for all commands
        if self.ray and not jobs_with_ray and _is_given(context, "jobs"):
            raise UserError(
                "--jobs sets local processes, and --ray does the runs on a cluster. Omit one of them."
            )
        if self.ray and self.track:
            raise UserError(
                "--track logs runs of your computer, and --ray does the runs on a cluster. Omit one of them."
            )

    def executor(self, on_event: OnEvent, heads: tuple[str, ...] = ()) -> Executor:
        """Return the way to do the runs, in which ``heads`` are files of the user's own."""
        from qllmft_studies.executors import Executor

        return Executor(on_event, self.tracking(), jobs=self.jobs, heads=heads, ray=self.ray)


def run_resumable(folder: Path, campaign: Callable[[], T]) -> T:
    """Return what a campaign in ``folder`` returns. If Ctrl-C stops it, say how it continues, and exit with 130."""
    try:
        return campaign()
    except KeyboardInterrupt as stop:
        if str(stop):  # jobs that continue at a service
            raise
    # behind the handler: `main` would report an interruption in the context of the exit, too
    say(f"Interrupted. The same command continues. The runs are in {folder / 'runs'}.")
    raise typer.Exit(130)


def list_given_options(context: typer.Context, *, without: Collection[str]) -> list[str]:
    """Return the options on the command line, such as ``--seeds``, but those of the parameters ``without``."""
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in without and _is_given(context, str(parameter.name))
    ]


def _is_given(context: typer.Context, parameter_name: str) -> bool:
    """Return whether a parameter is on the command line, and not from an environment variable."""
    source = context.get_parameter_source(parameter_name)
    return source is not None and source.name == "COMMANDLINE"
