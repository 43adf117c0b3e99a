"""Head that the training loop fits: the quantum one, and classical networks beside it."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qllmft.config import TrainConfig
from qllmft.data import Table
from qllmft.heads import Classifier, reseed
from qllmft.tasks import CLASSIFICATION, MULTILABEL, Task
from qllmft.tasks.calibration import MIN_TEMPERATURE_TEXTS, best_temperature
from qllmft.tasks.multilabel import USUAL_THRESHOLD, best_thresholds
from qllmft.training.checkpoint import Checkpoint, EpochMetrics, Selection
from qllmft.training.end_to_end import EndToEnd, fit_end_to_end
from qllmft.training.evaluation import (
    compute_noise_logits,
    exact_score,
    finite_logits,
    latent_vectors,
)
from qllmft.training.examples import Examples
from qllmft.training.loop import fit
from qllmft.training.search import judge_outputs, split_examples
from qllmft.training.torch_threads import one_torch_thread
from qllmft_base.randomness import derive_seed

# training of a baseline to convergence: with this rate and patience, linear layers and perceptrons came within the
# scatter of ridge and logistic regression on sentence embeddings of 100 to 2,000 training texts
CONVERGED_RATE = 1e-2
CONVERGED_PATIENCE = 600  # steps without a better epoch
MIN_PATIENCE = 5  # epochs
MAX_PATIENCE = 50
MAX_EPOCHS = 1_000


def until_converged(config: TrainConfig, n_texts: int) -> TrainConfig:
    """Return a configuration that trains a baseline until the validation texts find no better epoch.

    The loss, its weights, noise on embeddings, weight decay, the size of a batch and thresholds stay.
    """
    batches = math.ceil(n_texts / config.batch_size)
    changes = {
        "optimizer": "adam",
        "lr": CONVERGED_RATE,
        "lr_decay": 1.0,
        "epochs": MAX_EPOCHS,
        "patience": min(max(MIN_PATIENCE, CONVERGED_PATIENCE // batches), MAX_PATIENCE),
        "select": "accuracy",
        "ridge": False,
        "ridge_c": 1.0,
    }
    return config.model_copy(update=changes)


def calibrates(config: TrainConfig, task: Task, texts: int) -> bool:
    """Return whether so many validation texts choose a temperature, of the head and of its baselines."""
    if config.calibration != "auto":
        return config.calibration == "temperature"
    return task.one_label and texts >= MIN_TEMPERATURE_TEXTS


class _Prediction(NamedTuple):
    """Results of the last prediction, so that the same embeddings are not computed again."""

    x: torch.Tensor = torch.empty(0)  # embeddings (N, D)
    latent: torch.Tensor | None = None  # see `latent_vectors`
    logits: torch.Tensor | None = None  # (N, k)


_NO_PREDICTION = _Prediction()


@dataclass(eq=False)
class TorchHead:
    """Torch classifier as a head in a comparison."""

    name: str  # as in tables
    model: Classifier  # embeddings (B, D) to logits (B, k)
    config: TrainConfig
    seed: int  # seed of shuffling and noise
    _: KW_ONLY
    checkpoint: Checkpoint | None = None  # as in `qllmft.training.fit`, like on_epoch
    on_epoch: Callable[[EpochMetrics], None] | None = None
    end_to_end: EndToEnd | None = None  # the model with its body, if that is trained too
    # `fit` calibrates on its validation texts if `calibrates`; False: the caller does it
    calibrates_in_fit: bool = True
    # of a baseline: train it until the validation texts find no better epoch, see `until_converged`
    converges: bool = False
    # of a user's separable twin: no control, since that of the row beside it is read
    controlled: bool = True
    # train for so many epochs and keep the last one, if folds chose them; None: as the rest says
    chosen_epochs: int | None = None
    selection: Selection | None = field(default=None, init=False)  # None before the training
    _task: Task = field(default=CLASSIFICATION, init=False)
    # divisor of the logits; None: not calibrated
    temperature: float | None = field(default=None, init=False)
    # least probabilities of several labels (L,), chosen as ``config.thresholds`` says; None: 1/2
    thresholds: NDArray[np.float64] | None = field(default=None, init=False)
    _prediction: _Prediction = field(default=_NO_PREDICTION, init=False)

    def fit(self, train: Examples | Table, validation: Examples | Table) -> None:
        """Train, and keep the epoch that validation selects.

        With `end_to_end` the body is trained too, on tables of texts; `predict` then expects embeddings of the trained
        body.
        """
        self._prediction = _NO_PREDICTION
        end_to_end = self.end_to_end
        untrained_weights = deepcopy(self.model.state_dict())
        fit_options: dict[str, Any] = {"checkpoint": self.checkpoint, "on_epoch": self.on_epoch}
        held_out: Examples | None = None
        if isinstance(train, Examples) and isinstance(validation, Examples):
            self._task = train.task
            held_out = validation
            if self.converges:
                self.config = until_converged(self.config, len(train))
            if self.chosen_epochs is not None:
                last_epoch_settings = {
                    "epochs": self.chosen_epochs,
                    "select": "last",
                    "patience": None,
                }
                self.config = self.config.model_copy(update=last_epoch_settings)
            self.selection = fit(
                self.model, train, validation, self.config, self.seed, **fit_options
            )
        else:
            assert end_to_end is not None
            assert isinstance(train, Table)
            assert isinstance(validation, Table)
            self.selection = fit_end_to_end(
                end_to_end, train, validation, self.config, self.seed, **fit_options
            )
            if self.calibrates(len(validation)):
                held_out = end_to_end.embed_table(validation)
        if held_out is not None and not self.interrupted:
            if self.calibrates_in_fit and self.calibrates(len(held_out)):
                self.calibrate(self._logits(held_out.x).numpy(), held_out.y.numpy())
            if self.config.thresholds != "half" and self._task.several:
                assert isinstance(train, Examples)
                self.thresholds = self._best_thresholds(train, held_out, untrained_weights)
        self._prediction = _NO_PREDICTION

    def _best_thresholds(
        self, train: Examples, validation: Examples, untrained_weights: dict[str, torch.Tensor]
    ) -> NDArray[np.float64] | None:
        """Return the thresholds (L,) with the highest F1 of each label on texts that their model did not learn.

        They are validation texts, or folds of the training texts: answered by the linear models from which the head
        starts, or else by the head trained without them.

        Args:
            train: training texts.
            validation: validation texts.
            untrained_weights: weights before the training.

        Returns:
            None if there are no folds, or if training without one was interrupted.
        """
        if self.config.thresholds == "validation":
            probabilities = MULTILABEL.probabilities(self._logits(validation.x))
            return best_thresholds(probabilities, validation.y.numpy(), USUAL_THRESHOLD)
        selection = self.selection
        assert selection is not None
        if selection.start is not None and selection.start.latent_folds:
            assert selection.start.choice is not None
            return selection.start.choice.judgement.thresholds
        folds = split_examples(train)
        trained_weights = deepcopy(self.model.state_dict())
        # of each fold the epochs that the validation texts chose
        last_epoch_settings = {"epochs": selection.epoch, "select": "last", "patience": None}
        config = self.config.model_copy(update=last_epoch_settings)
        answers = []
        for fold in folds:
            self.model.load_state_dict(untrained_weights)
            fold_selection = fit(self.model, fold.train, fold.held_out, config, self.seed)
            if not fold_selection.finished:
                self.selection = replace(selection, finished=False, signal=fold_selection.signal)
                break
            answers.append(MULTILABEL.probabilities(self._logits(fold.held_out.x)))
        self.model.load_state_dict(trained_weights)
        if not folds or self.interrupted:
            return None
        labels = [fold.held_out.y.numpy() for fold in folds]
        train_labels = train.y.numpy()
        return judge_outputs(MULTILABEL, train_labels, labels, answers, USUAL_THRESHOLD).thresholds

    def calibrate(self, logits: NDArray[np.floating], labels: NDArray[np.int64]) -> None:
        """Divide the model's logits by the temperature that fits logits (N, k) of other texts and their labels."""
        self.temperature = best_temperature(logits, labels)
        self.model.rescale(1.0 / self.temperature)
        self._prediction = _NO_PREDICTION

    def calibrates(self, texts: int) -> bool:
        """Return whether so many validation texts choose a temperature."""
        if self.model.sign_readout and self.config.calibration == "auto":
            return False
        return calibrates(self.config, self._task, texts)

    def predict(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Return answers for embeddings (N, D) with the circuit's noise, as `Head` does."""
        return self._answers(self._logits(torch.from_numpy(x)))

    def _answers(self, outputs: torch.Tensor) -> NDArray[Any]:
        if self.thresholds is not None:
            return MULTILABEL.probabilities(outputs) - self.thresholds
        return self._task.answers(outputs)

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.floating] | None:
        """Return probabilities (N, k) of embeddings (N, D), from the logits of `predict` if it had them just before.

        They are None if the outputs are real values.
        """
        return self._task.probabilities(self._cached_logits(torch.from_numpy(x)))

    def _matching_prediction(self, x: torch.Tensor) -> _Prediction:
        """Return the results of the last prediction if it was of the same embeddings, else empty ones."""
        return self._prediction if torch.equal(self._prediction.x, x) else _NO_PREDICTION

    def _logits(self, x: torch.Tensor) -> torch.Tensor:
        reseed(self.model, derive_seed(self.seed, "prediction noise"))
        with one_torch_thread():
            latent = latent_vectors(self.model, x)
            logits = finite_logits(self.model, x, latent)
        self._prediction = _Prediction(x, latent, logits)
        return logits

    def _cached_logits(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits of `predict` if it had the same embeddings just before, else computed ones."""
        cached_logits = self._matching_prediction(x).logits
        return self._logits(x) if cached_logits is None else cached_logits

    def circuit_dependence(self, examples: Examples) -> float | None:
        """Return the share of answers that change if the measured circuits return only noise, see `Task.changed_share`.

        None: no circuit is measured.
        """
        with one_torch_thread():
            noise = compute_noise_logits(self.model, examples.x)
        if noise is None:
            return None
        answers = self._answers(self._cached_logits(examples.x))
        return examples.task.changed_share(answers, self._answers(noise))

    def latent(self, x: torch.Tensor) -> torch.Tensor | None:
        """Return `latent_vectors`, from `predict` if it had the same embeddings just before."""
        cached_latent = self._matching_prediction(x).latent
        with one_torch_thread():
            return latent_vectors(self.model, x) if cached_latent is None else cached_latent

    def exact_score(self, examples: Examples) -> float | None:
        """Return the score of the task without noise of the head's circuit, or None if there is no noise.

        If `predict` had the same embeddings just before, its latent vectors are used.
        """
        cached_latent = self._matching_prediction(examples.x).latent
        self._prediction = _NO_PREDICTION
        with one_torch_thread():
            return exact_score(self.model, examples, cached_latent)

    @property
    def interrupted(self) -> bool:
        """Return whether Ctrl-C or SIGTERM ended the training before its last epoch."""
        return self.selection is not None and not self.selection.finished

    @property
    def n_parameters(self) -> int:
        """Return the number of trained parameters, with those of the body if it was trained."""
        return self.model.n_parameters + self._body_parameters

    @property
    def n_encoder_parameters(self) -> int:
        """Return the number of trained parameters before the head."""
        encoder = self.model.encoder
        encoder_parameters = encoder.parameters() if encoder is not None else ()
        return self._body_parameters + sum(p.numel() for p in encoder_parameters if p.requires_grad)

    @property
    def _body_parameters(self) -> int:
        return self.end_to_end.body.n_parameters if self.end_to_end is not None else 0

    @property
    def settings(self) -> dict[str, Any]:
        """Return the selected epoch, the number of stored numbers of a data map, temperature and thresholds, if any."""
        if self.selection is None:
            return {}
        data_map = self.model.data_map
        thresholds = self.thresholds
        named_settings = {
            "epoch": self.selection.epoch,
            "stored": None if data_map is None else data_map.n_stored,
            **({} if self.selection.start is None else self.selection.start.settings),
            "temperature": self.temperature,
            "thresholds": None if thresholds is None else thresholds.tolist(),
        }
        return {name: value for name, value in named_settings.items() if value is not None}


def to_latent(head: TorchHead, examples: Examples) -> Examples | None:
    """Return examples with latent values in place of embeddings, or None without an encoder."""
    latent = head.latent(examples.x)
    return None if latent is None else replace(examples, x=latent)
