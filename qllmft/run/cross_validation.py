"""Cross-validation within a run: each fold of the training texts validates models that were trained without it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.baselines import (
    FittedHead,
    GridBaseline,
    Head,
    WordBaseline,
    as_classifier,
    compute_stored_logits,
    fit_and_score,
    fit_without_circuit,
    fitting_stage,
    make_baselines,
    score_answers,
)
from qllmft.config import TrainConfig
from qllmft.config.training import StrengthChoice
from qllmft.events import BackendReady, EpochEnded, Event, Message
from qllmft.heads import Classifier
from qllmft.heads.classical import KernelMachine
from qllmft.run.bodies import FrozenBody, RunBody, make_body
from qllmft.run.device import compile_kernels
from qllmft.run.folder import RunFolder
from qllmft.run.interruption import check_not_interrupted
from qllmft.run.novelty import Novelty
from qllmft.run.setup import RunSetup
from qllmft.run.vectors import word_vectors
from qllmft.tasks.calibration import best_temperature, divide_logits, logits_of
from qllmft.training import EpochMetrics, Examples, TorchHead
from qllmft.training.head import calibrates
from qllmft_base.errors import UserError


@dataclass(frozen=True)
class _FoldModel:
    """Model of a row of the table that was trained without a fold."""

    fitted: FittedHead  # with its answers to the fold's texts
    control: FittedHead | None  # the same without its circuit
    probabilities: NDArray[np.floating] | None  # (n, k) of the fold's texts
    scale: float | None  # of the outputs of support vectors


@dataclass(frozen=True)
class HeldOutResults:
    """Results of a row's models for the training texts, each by the model that was trained without the text's fold."""

    parts: Sequence[_FoldModel]  # by fold
    rows: Sequence[NDArray[np.int64]]  # of the training table, by fold

    def choose_settings(self, head: Head) -> None:
        """Prepare a head for its training on all texts: its settings are those that are best over all folds."""
        if isinstance(head, TorchHead):
            head.calibrates_in_fit = False
            if head.converges:
                copies = [part.fitted.head for part in self.parts]
                selections = [copy.selection for copy in copies if isinstance(copy, TorchHead)]
                head.chosen_epochs = round(
                    median(selection.epoch for selection in selections if selection)
                )
            if head.config.ridge_c == "validation":
                head.config = head.config.model_copy(update={"ridge_c": self._mean_strength})
        else:
            head.choose([part.fitted.head for part in self.parts])  # type: ignore[attr-defined]

    @property
    def _mean_strength(self) -> float | StrengthChoice:
        """Return the geometric mean of the C that each fold chose, or the rule of `linear_solution` if none did."""
        settings = [part.fitted.head.settings for part in self.parts]
        logarithms = [
            math.log(fold_settings["C"]) for fold_settings in settings if "C" in fold_settings
        ]
        return math.exp(fmean(logarithms)) if logarithms else "auto"

    def calibrate_and_score(
        self, head: Head, train: Examples, seconds: float, config: TrainConfig
    ) -> FittedHead:
        """Calibrate a head that was trained on all texts, and return it with the folds' answers and all seconds.

        Args:
            head: of the row, a baseline or the run's own.
            train: all texts.
            seconds: of the training on all texts.
            config: says whether a baseline is calibrated.
        """
        probabilities = self.probabilities
        if probabilities is None:
            pass
        elif isinstance(head, TorchHead):
            if head.calibrates(len(train)):
                head.calibrate(logits_of(probabilities), train.y.numpy())
        elif isinstance(head, GridBaseline) and calibrates(config, train.task, len(train)):
            head.divide_logits_by(
                1.0 / self._mean_scale
                if self._mean_scale
                else best_temperature(logits_of(probabilities), train.y.numpy())
            )
        answers = self._in_text_order([part.fitted.validation_answers for part in self.parts])
        exact = [part.fitted.validation_exact for part in self.parts]
        share = [len(rows) / len(train) for rows in self.rows]
        mean = None if None in exact else float(np.dot(np.array(exact, np.float64), share))
        seconds += sum(part.fitted.seconds for part in self.parts)
        return FittedHead(head, answers, score_answers(train, answers), seconds, mean)

    def control(self, head: TorchHead, train: Examples) -> FittedHead | None:
        """Return the model of a head without its circuit, its penalty chosen over all folds."""
        fold_controls = [part.control for part in self.parts if part.control]
        if not fold_controls:
            return None
        control = fit_without_circuit(
            head, train, train, [fold_control.head for fold_control in fold_controls]
        )
        answers = self._in_text_order(
            [fold_control.validation_answers for fold_control in fold_controls]
        )
        return control and replace(
            control, validation_answers=answers, validation=score_answers(train, answers)
        )

    @property
    def probabilities(self) -> NDArray[np.floating] | None:
        """Return probabilities (N, k) of the training texts, or None if the models have none."""
        fold_probabilities = [part.probabilities for part in self.parts]
        return (
            None
            if any(probabilities is None for probabilities in fold_probabilities)
            else self._in_text_order(fold_probabilities)
        )

    def calibrated_probabilities(self, head: Head) -> NDArray[np.floating] | None:
        """Return `probabilities`, calibrated as a head that was trained on all texts is."""
        probabilities = self.probabilities
        temperature = getattr(head, "temperature", None)
        if probabilities is None or temperature is None or self._mean_scale:
            return probabilities
        return divide_logits(probabilities, temperature)

    def rescale(self, classifier: Classifier) -> None:
        """Give support vectors the geometric mean of the scales that the folds chose for their outputs, in place."""
        if self._mean_scale and isinstance(classifier.head, KernelMachine):
            classifier.head.scale.fill_(self._mean_scale)

    @property
    def _mean_scale(self) -> float | None:
        """Return the geometric mean of the scales of support vectors' outputs, None of another model."""
        scales = [part.scale for part in self.parts if part.scale is not None]
        return math.exp(fmean(map(math.log, scales))) if scales else None

    def _in_text_order(self, fold_results: Sequence[Any]) -> NDArray[Any]:
        """Return results by fold in the order of the training texts."""
        fold_ordered = np.concatenate(fold_results)
        return fold_ordered[np.argsort(np.concatenate(self.rows), kind="stable")]


@dataclass(frozen=True)
class CrossValidation:
    """Results of all folds."""

    rows: Sequence[HeldOutResults]  # the head, then its baselines
    metrics: Sequence[Sequence[EpochMetrics]]  # of the head, by fold
    distances: NDArray[np.float32]  # ascending, of texts from the training texts of the other folds

    def with_validation(self, metrics: EpochMetrics) -> EpochMetrics:
        """Return the metrics of an epoch on all texts with the mean validation of the folds after that epoch."""
        fold_epochs = [epochs[min(metrics.epoch, len(epochs)) - 1] for epochs in self.metrics]
        exact_scores = [epoch.score_exact for epoch in fold_epochs if epoch.score_exact is not None]
        return replace(
            metrics,
            validation_loss=fmean(epoch.validation_loss for epoch in fold_epochs),
            score=fmean(epoch.score for epoch in fold_epochs),
            score_exact=fmean(exact_scores) if exact_scores else None,
        )


def cross_validate(setup: RunSetup, make: Callable[..., TorchHead]) -> CrossValidation:
    """Train the head and its baselines once for each fold, without its texts.

    The head of each fold continues from a checkpoint in a folder of the fold.

    Args:
        setup: of the run, with folds.
        make: maps a body, ``on_epoch`` and a checkpoint to the run's head, not yet trained.

    Raises:
        UserError: if a baseline does not choose its settings over folds.
        StageInterruptedError: by Ctrl-C or SIGTERM.
    """
    splits = setup.splits
    assert splits.folds is not None
    fold_models = []
    metrics = []
    distances = []
    for fold in range(splits.n_folds):
        fold_setup = _make_fold_setup(setup, fold)
        body = make_body(fold_setup)
        assert isinstance(body, FrozenBody)
        if fold == 0:
            n_texts = fold_setup.splits.sizes
            compile_kernels(
                setup.config, body.dimension, setup.corpus.n_classes, n_texts, fold_setup.on_event
            )
        folder = fold_setup.folder
        folder.keep_metrics_until(folder.checkpoint.epochs_done())
        head = make(body, folder.write_metrics, folder.checkpoint)
        heads = [head, *make_run_baselines(setup, body)]
        check_choosing(heads)
        for head_or_baseline in heads:
            if isinstance(head_or_baseline, TorchHead):
                head_or_baseline.calibrates_in_fit = False
        fold_models.append(
            [
                _fit_without_fold(fold_setup, head_or_baseline, body, fold)
                for head_or_baseline in heads
            ]
        )
        metrics.append(folder.metrics())
        distances.append(Novelty.from_vectors(body.head_vectors, setup.config.seed).distances)
    rows = [np.flatnonzero(splits.folds == fold) for fold in range(splits.n_folds)]
    row_results = [HeldOutResults(parts, rows) for parts in zip(*fold_models, strict=True)]
    return CrossValidation(row_results, metrics, np.sort(np.concatenate(distances)))


def make_run_baselines(setup: RunSetup, body: RunBody) -> list[Head]:
    """Return the classical baselines of a run, not yet fitted."""
    return make_baselines(
        setup.config,
        body.classifier.n_parameters,
        body.dimension,
        setup.corpus.n_classes,
        len(setup.splits.train),
    )


def check_choosing(heads: Sequence[Head]) -> None:
    """Raise UserError for a baseline that does not choose its settings over folds."""
    for head in heads:
        if not isinstance(head, TorchHead) and not hasattr(head, "choose"):
            raise UserError(
                f"the baseline {head.name!r} has no method `choose`, which takes the settings that are best over "
                "folds. Leave it out of baselines.names, or leave data.validation_folds out."
            )


def _make_fold_setup(setup: RunSetup, fold: int) -> RunSetup:
    """Return the setup of a fold; messages are those of the first one."""
    dropped_events = BackendReady | EpochEnded | Message if fold else BackendReady | EpochEnded

    def on_event(event: Event) -> None:
        if not isinstance(event, dropped_events):
            setup.on_event(event)

    return replace(
        setup,
        folder=RunFolder(setup.folder.checkpoint.path.parent).fold(fold),
        splits=setup.splits.take_fold(fold),
        on_event=on_event,
        read_test=False,
        steps=setup.splits.n_folds + 1 - fold,
    )


def _fit_without_fold(setup: RunSetup, head: Head, body: FrozenBody, fold: int) -> _FoldModel:
    """Train a head without a fold, and answer the fold's texts."""
    vectors = body.head_vectors
    if isinstance(head, WordBaseline):
        vectors = word_vectors(setup, head.read)
    train = vectors.train
    held_out = vectors.validation
    title = f"{head.name}, fold {fold + 1} of {setup.steps + fold - 1}"
    with fitting_stage(setup.on_event, head, train, title):
        fitted = fit_and_score(head, train, held_out)
    if isinstance(head, TorchHead) and head.checkpoint is not None:  # no baseline has one
        fitted = replace(fitted, seconds=body.seconds(fitted.seconds))
    check_not_interrupted(head)
    if isinstance(head, TorchHead):
        control = fit_without_circuit(head, train, held_out)
        return _FoldModel(fitted, control, head.probabilities(held_out.x.numpy()), None)
    stored_classifier = as_classifier(head, held_out, setup.corpus.n_classes)
    if stored_classifier is None:
        return _FoldModel(fitted, None, None, None)
    probabilities = held_out.task.probabilities(
        compute_stored_logits(head, stored_classifier, held_out.x)
    )
    machine = stored_classifier.classifier.head
    scale = float(machine.scale) if isinstance(machine, KernelMachine) else None
    return _FoldModel(fitted, None, probabilities, scale)
