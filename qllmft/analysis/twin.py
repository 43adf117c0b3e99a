"""Separable twins: the same run with one part, the encoder or the head, without gates on two qubits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qllmft.config import BaselinesConfig, ModelConfig, RunConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.errors import UserError
from qllmft.events import OnEvent
from qllmft.run import RunFolder, run_experiment
from qllmft.tasks.accuracy import Accuracy, TextDifference

SEPARABLE = "separable"
ENCODER = "separable encoder"  # names of the twins
HEAD = "separable head"


@dataclass(frozen=True)
class Twin:
    """Result of a twin, on the same test texts as the run."""

    test: Accuracy
    difference: TextDifference  # of the run and the twin


def twin_configs(config: RunConfig) -> dict[str, RunConfig]:
    """Return the configurations of the twins by name: one part separable, the same seed, no baselines.

    A part has a twin if it is quantum and its ansatz is the paper's. The other part keeps its own ansatz.

    Raises:
        UserError: if no part has a twin, or training would use another backend than the engine.
    """
    if not config.backend.entry.adjoint:
        raise UserError(
            f"the run was trained on the backend {config.backend.name!r}, and its twins would be too. Give --no-twin."
        )
    model = config.model
    unused_options = {"ring": True, "block": "cx_ry"}  # options that no part of the twin reads
    changes: dict[str, dict[str, Any]] = {}
    if model.encoder == "quantum" and model.ansatz_of_encoders == PAPER_ANSATZ:
        changes[ENCODER] = {"encoder_ansatz": SEPARABLE}
        if model.head != "quantum":
            changes[ENCODER] = {"ansatz": SEPARABLE, **unused_options}
        elif model.ansatz != PAPER_ANSATZ:
            changes[ENCODER] |= unused_options
    if model.head == "quantum" and model.ansatz == PAPER_ANSATZ:
        encoder_ansatz = model.ansatz_of_encoders if model.encoder == "quantum" else None
        changes[HEAD] = {"ansatz": SEPARABLE, "encoder_ansatz": encoder_ansatz, "connectivity": 1}
        if encoder_ansatz != PAPER_ANSATZ:
            changes[HEAD] |= unused_options
        if model.start == "sines":  # of the paper's ansatz; encoders start at the same solution
            changes[HEAD]["start"] = "linear"
    if not changes:
        raise UserError(
            f"the ansatz is {model.ansatz!r}, and only 'paper' has separable twins. Give --no-twin."
        )
    twins = {}
    for name, change in changes.items():
        structure = ModelConfig.model_validate(model.model_copy(update=change).model_dump())
        update = {"model": structure, "baselines": BaselinesConfig(names=())}
        twins[name] = config.model_copy(update=update)
    return twins


def train_twins(run: Path, twins: Mapping[str, RunConfig], on_event: OnEvent) -> dict[str, Twin]:
    """Train twins in the run's folder, or read them if they are there, and compare the answers on the test texts.

    Args:
        run: the run's folder.
        twins: of `twin_configs`.
        on_event: receives progress.

    Raises:
        UserError: if the training of one was interrupted.
    """
    twin_results = {}
    for name, config in twins.items():
        outcome = run_experiment(config, run / name.replace(" ", "-"), on_event)
        ours = RunFolder(run).read_predictions()
        theirs = outcome.folder.read_predictions()
        if outcome.record is None or ours is None or theirs is None:
            raise UserError(
                f"the twin in {outcome.folder.path} is not finished. The same command continues it."
            )
        run_answers, twin_answers = (
            next(iter(predictions.answers.values())) for predictions in (ours, theirs)
        )
        difference = TextDifference.from_answers(ours.labels, run_answers, twin_answers)
        twin_results[name] = Twin(Accuracy.from_answers(theirs.labels, twin_answers), difference)
    return twin_results
