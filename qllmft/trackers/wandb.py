"""Weights & Biases: a run of a project, sent or, with ``WANDB_MODE=offline``, kept for `wandb sync`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qllmft.trackers.tracker import TrackedRun, Tracker, final_numbers

_SETTINGS = {
    # nothing but what it is told: no printed lines, program, machine, user, code, installed packages
    "console": "off",
    "disable_git": True,
    "save_code": False,
    "x_disable_machine_info": True,
    "x_disable_meta": True,
    "x_disable_stats": True,
    "x_save_requirements": False,
    "x_transaction_log_flush_interval": 0.1,  # seconds; what a kill may cost of a run that is offline
}


class WeightsAndBiases(Tracker):
    """Settings as the run's configuration, epochs as its history, the final table as its summary, the folder as notes.

    Where, and who asks, is the service's business: ``WANDB_API_KEY``, ``WANDB_MODE``. The project is that of
    ``WANDB_PROJECT``, or ``qllmft``; its files are in the run's folder, or that of ``WANDB_DIR``.
    """

    def __init__(self) -> None:
        import wandb

        self._wandb = wandb

    def start(self, run: TrackedRun) -> str:
        """Make a run, or go on with the one of the key."""
        self._identity = run.identity
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", "qllmft"),
            dir=os.environ.get("WANDB_DIR", str(run.folder)),
            id=run.key,
            resume="allow",
            reinit="create_new",
            name=run.identity,
            notes=str(run.folder.absolute()),
            config=dict(run.settings),
            settings=self._wandb.Settings(**_SETTINGS),
        )
        return str(self._run.id)

    def epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """One point of each curve."""
        self._run.log(dict(metrics), step=epoch, commit=True)

    def end(self, record: Mapping[str, Any], files: Sequence[Path]) -> None:
        """The final table as the summary's MODEL/COLUMN, and the files as one artefact."""
        self._run.summary.update(final_numbers(record))
        if files:
            artefact = self._wandb.Artifact(f"run-{self._identity}", type="run")
            for file in files:
                artefact.add_file(str(file))
            self._run.log_artifact(artefact)
        self._run.finish()

    def aborted(self) -> None:
        """Mark the run as failed, which is the service's word for every other end."""
        self._run.finish(exit_code=1)
