"""Separable twins: the same run with one part, the encoder or the head, without gates on two qubits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qllmft.config import BaselinesConfig, ModelConfig, RunConfig, TrainConfig
from qllmft.config.model import PAPER_ANSATZ
from qllmft.config.presets import load_preset
from qllmft.config.settings import find_differing
from qllmft.events import OnEvent
from qllmft.run import RunFolder, run_experiment
from qllmft.run.predictions import Predictions
from qllmft.tasks import ACCURACY
from qllmft.tasks.accuracy import Accuracy, DiscordantTexts, balanced_difference
from qllmft.tasks.comparison import PairedDifference
from qllmft.tasks.statistics import p_value
from qllmft_base.errors import UserError

SEPARABLE = "separable"
ENCODER = "separable encoder"  # names of the twins
HEAD = "separable head"


@dataclass(frozen=True)
class Twin:
    """Result of a twin, on the same test texts as the run."""

    test: Accuracy
    discordant: DiscordantTexts  # which only the run, or only the twin got right
    # of balanced accuracies of run and twin, by which a run with uneven labels is compared; else None
    balanced: PairedDifference | None = None

    @property
    def difference_text(self) -> str:
        """Return the difference in words: ``+5.00 points [−4.46, +13.98] (McNemar's test, p = 0.50)``."""
        difference = self.balanced or self.discordant.difference
        scale = "balanced points" if self.balanced else "points"
        test = (
            p_value(difference.p) if self.balanced else f"McNemar's test, {p_value(difference.p)}"
        )
        return (
            f"{ACCURACY.with_sign(difference.value, 2)} {scale} "
            f"{ACCURACY.brackets(difference.interval, 2)} ({test})"
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        values: dict[str, Any] = {
            "test": self.test.as_dict(),
            "difference": self.discordant.as_dict(),
        }
        if self.balanced is not None:
            values["balanced"] = self.balanced.as_dict()
        return values


def twin_configs(config: RunConfig) -> dict[str, RunConfig]:
    """Return the configurations of the twins by name: one part separable, the same seed, no baselines.

    A part has a twin if it is quantum and its ansatz is the paper's. The other part keeps its own ansatz. A twin trains
    as the run did, unless it starts elsewhere (see `_training_from_linear`).

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
        training = config.train
        if structure.start != model.start:
            training = _training_from_linear(config)
        update = {"model": structure, "train": training, "baselines": BaselinesConfig(names=())}
        twins[name] = config.model_copy(update=update)
    return twins


def _training_from_linear(config: RunConfig) -> TrainConfig:
    """Return the training of a head that starts with random weights, in place of one that starts at sines.

    It is that of the preset ``sines`` for such heads. With the rate and the epochs of the other start, a twin would
    hardly learn. A larger rate and more epochs of the run are kept, and so are the epochs of a trained body.
    """
    rule = load_preset("sines").otherwise[0]["train"]
    training = config.train
    settings = training.model_dump() | rule
    settings["lr"] = max(training.lr, rule["lr"])
    settings["epochs"] = max(training.epochs, rule["epochs"])
    if config.body.trainable:
        settings["epochs"] = training.epochs
    for name in ("start_angle", "register_lr"):  # of the other start alone
        del settings[name]
    return TrainConfig.model_validate(settings)


def check_twin_folders(run: Path, twins: Mapping[str, RunConfig]) -> None:
    """Check that the folders of twins, which an earlier version may have trained, are missing or of `twin_configs`.

    Raises:
        UserError: if one has other settings, or cannot be read.
    """
    for name, config in twins.items():
        folder = _twin_folder(run, name)
        if not folder.config_file.exists():
            continue
        remedy = "Delete that folder to train the twin again, or give --no-twin."
        try:
            stored_config = folder.read_config()
        except UserError as error:
            raise UserError(f"the twin in {folder.path} cannot be read: {error} {remedy}") from None
        if stored_config.identity != config.identity:
            differing_settings = ", ".join(find_differing(stored_config, config))
            raise UserError(
                f"the twin in {folder.path} has other settings than those that this version gives it. They differ in "
                f"{differing_settings}. {remedy}"
            )


def _twin_folder(run: Path, name: str) -> RunFolder:
    return RunFolder(run / name.replace(" ", "-"))


def _require_predictions(folder: RunFolder, remedy: str) -> Predictions:
    """Return the answers on the test texts, or raise UserError if they are not kept."""
    predictions = folder.read_predictions()
    if predictions is None:
        raise UserError(
            f"{folder.predictions_file} is missing, and a twin is compared by the answers in it. {remedy}"
        )
    return predictions


def train_twins(run: Path, twins: Mapping[str, RunConfig], on_event: OnEvent) -> dict[str, Twin]:
    """Train twins in the run's folder, or read them if they are there, and compare the answers on the test texts.

    Args:
        run: the run's folder.
        twins: of `twin_configs`.
        on_event: receives progress.

    Raises:
        UserError: if the training of one was interrupted, or answers are missing.
    """
    if not twins:
        return {}
    twin_results = {}
    folder = RunFolder(run)
    uneven = folder.require_record().head.uneven is not None
    ours = _require_predictions(folder, "Train the run again, or give --no-twin.")
    for name, config in twins.items():
        outcome = run_experiment(config, _twin_folder(run, name).path, on_event)
        if outcome.record is None:
            raise UserError(
                f"the twin in {outcome.folder.path} is not finished. The same command continues it."
            )
        remedy = f"Delete the folder {outcome.folder.path}, and run the same command again."
        theirs = _require_predictions(outcome.folder, remedy)
        run_answers, twin_answers = (
            next(iter(predictions.answers.values())) for predictions in (ours, theirs)
        )
        answers = ours.labels, run_answers, twin_answers
        twin_results[name] = Twin(
            Accuracy.from_answers(theirs.labels, twin_answers),
            DiscordantTexts.from_answers(*answers),
            balanced_difference(*answers) if uneven else None,
        )
    return twin_results
