"""trackio: one run of a project in a local database, shown by `trackio show`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from qllmft.trackers.tracker import TrackedRun, Tracker, final_numbers


class Trackio(Tracker):
    """Tracker with settings as configuration, and epochs and final table as metrics.

    The project is set by ``TRACKIO_PROJECT`` (``qllmft`` if not set), the folder of the database by ``TRACKIO_DIR``.
    The runs of a study or a sweep are a group with the name of its folder. Files are not sent.
    """

    def __init__(self) -> None:
        import trackio

        self._trackio = trackio

    def start(self, run: TrackedRun) -> str:
        """Make a run, or continue the one of the key."""
        # standard output is the command's own
        with redirect_stdout(sys.stderr):
            self._run = self._trackio.init(
                project=os.environ.get("TRACKIO_PROJECT", "qllmft"),
                name=run.identity,
                group=run.campaign.absolute().name if run.campaign else None,
                config={"folder": str(run.folder.absolute()), **run.settings},
                resume="never" if run.key is None else "allow",
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        return run.identity

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve."""
        self._run.log(dict(metrics), step=epoch)

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table as metrics MODEL/COLUMN."""
        self._run.log(final_numbers(record))
        self.aborted()

    def aborted(self) -> None:
        """End the session. A later one continues the run."""
        with redirect_stdout(sys.stderr):
            self._run.finish()
