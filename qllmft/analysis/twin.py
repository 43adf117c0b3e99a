"""Separable twin: the same run without gates on two qubits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qllmft.config import BaselinesConfig, RunConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.errors import UserError
from qllmft.events import OnEvent
from qllmft.run import RunFolder, run_experiment
from qllmft.tasks.statistics import Accuracy, TextDifference

FOLDER = "separable-twin"  # in the run's folder


@dataclass(frozen=True)
class Twin:
    """Result of the twin, on the same test texts as the run."""

    test: Accuracy
    difference: TextDifference  # of the run and the twin


def twin_config(config: RunConfig) -> RunConfig:
    """Return the twin's configuration: the ansatz ``separable``, the same seed, no baselines.

    Raises:
        UserError: if the ansatz is not the paper's, or training would use another backend than the engine.
    """
    if config.model.ansatz != PAPER_ANSATZ:
        raise UserError(
            f"the ansatz is {config.model.ansatz!r}, and only 'paper' has a separable twin; give --no-twin."
        )
    if not config.backend.entry.adjoint:
        raise UserError(
            f"the run was trained on the backend {config.backend.name!r}, and its twin would be too; give --no-twin."
        )
    plain = {"ansatz": "separable", "connectivity": 1, "ring": True, "block": "cx_ry"}
    model = config.model.model_copy(update=plain)
    return config.model_copy(update={"model": model, "baselines": BaselinesConfig(names=())})


def train_twin(run: Path, config: RunConfig, on_event: OnEvent) -> Twin:
    """Train the twin in the run's folder, or read it if it is there, and compare the answers on the test texts.

    Raises:
        UserError: if there is no twin, or its training was interrupted.
    """
    outcome = run_experiment(twin_config(config), run / FOLDER, on_event)
    ours, theirs = RunFolder(run).read_predictions(), outcome.folder.read_predictions()
    if outcome.record is None or ours is None or theirs is None:
        raise UserError(
            f"the twin in {run / FOLDER} is not finished; the same command continues it."
        )
    answers = (next(iter(each.answers.values())) for each in (ours, theirs))
    return Twin(outcome.record.head.accuracy, TextDifference.of(ours.labels, *answers))
