"""Weights & Biases: one run of a project, sent or, with ``WANDB_MODE=offline``, kept for `wandb sync`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qllmft.trackers import TrackedRun, Tracker, final_numbers

_SETTINGS = {
    # send no printed lines, program, machine, user, code or installed packages
    "console": "off",
    "disable_git": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 0.1,  # seconds; a kill loses as much of an offline run
}


class WeightsAndBiases(Tracker):
    """Tracker with settings as configuration, epochs as history, final table as summary, folder as notes.

    The runs of a study or a sweep are a group with the name of its folder.


    The account is set by ``WANDB_API_KEY``, the project by ``WANDB_PROJECT`` (``qllmft`` if not set), the folder of its
    files by ``WANDB_DIR`` (the run's folder if not set).
    """

    def __init__(self) -> None:
        import wandb

        self._wandb = wandb

    def start(self, run: TrackedRun) -> str:
        """Make a run, or continue the one of the key."""
        self._identity = run.identity
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "qllmft"),
            dir=os.environ.get("WANDB_DIR", str(run.folder)),
            id=run.key,
            resume="allow",
            reinit="create_new",
            name=run.identity,
            group=run.campaign.absolute().name if run.campaign else None,
            notes=str(run.folder.absolute()),
            config=dict(run.settings),
            settings=self._wandb.Settings(**_SETTINGS),
        )
        return str(self._run.id)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Log one point of each curve."""
        self._run.log(dict(metrics), step=epoch, commit=True)

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """Log the final table as the summary's MODEL/COLUMN, and the files as one artefact."""
        self._run.summary.update(final_numbers(record))
        if files:
            artefact = self._wandb.Artifact(f"run-{self._identity}", type="run")
            for file in files:
                artefact.add_file(str(file))
            self._run.log_artifact(artefact)
        self._run.finish()

    def aborted(self) -> None:
        """Mark the run as failed, the service's only other state."""
        self._run.finish(exit_code=1)
