"""Options of `qllmft study` and `qllmft sweep` about the place of the runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from qllmft.cli.options import Jobs, TrackOptions
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.campaign.executors import Executor
    from qllmft.events import OnEvent


@dataclass(frozen=True)
class PlaceOptions:
    """Options about the processes or the cluster that do the runs."""

    jobs: Jobs = None
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Do the runs on a Ray cluster, one per processor: HOST:PORT, or auto. The nodes need the same version "
            "of qllmft and the body, but neither the data nor a shared disk.",
        ),
    ] = None

    def check(self, context: typer.Context, track: TrackOptions, *, jobs_with_ray: bool = False) -> None:
        """Raise a UserError if options do not fit together."""
        source = context.get_parameter_source("jobs")
        # a number of jobs from the variable is for all commands
        if self.ray and not jobs_with_ray and source is not None and source.name == "COMMANDLINE":
            raise UserError("--jobs sets processes here, and --ray does the runs on a cluster. Omit one of them.")
        if self.ray and track.track:
            raise UserError("--track sends runs of this machine, and --ray does them on a cluster. Omit one of them.")

    def executor(self, on_event: OnEvent, track: TrackOptions) -> Executor:
        """Return the way to do the runs."""
        from qllmft.campaign.executors import Executor

        return Executor(on_event, track.tracking(), jobs=self.jobs, ray=self.ray)
