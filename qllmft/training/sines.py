"""Training of the head `sines`, and of others behind odd encoders: it begins at a linear model and has its ridge."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier, QuantumHead
from qllmft.tasks import Task
from qllmft.training.checkpoint import EpochMetrics, Selection
from qllmft.training.examples import Examples
from qllmft.training.linear_start import start_at_linear, starts_at_linear
from qllmft.training.ridge import RidgeLoss, Strength
from qllmft.training.strategy import Strategy


class Sines(Strategy):
    """Strategy of models on odd encoders, whose latent values are linear in the loaded vector.

    Attributes:
        c: C of the ridge; before `begin` that of the configuration, or 1 if it is to be chosen.
    """

    model: Classifier

    def __init__(self, model: Classifier, config: TrainConfig) -> None:
        super().__init__(model, _limit_rate(model, config))
        self.c: Strength = 1.0 if isinstance(config.ridge_c, str) else config.ridge_c

    @property
    def begins_at_embeddings(self) -> bool:
        """Return whether there is a data map or a linear start."""
        return super().begins_at_embeddings or starts_at_linear(self.model)

    def begin(
        self, train: Examples, validation: Examples | None = None, *, fresh: bool = True
    ) -> Examples:
        """Set encoders and final layer to a linear model, if the head starts at one, and choose C; see `Strategy`."""
        super().begin(train)
        self.start = start_at_linear(
            self.model, train, self.config, validation=validation, fresh=fresh
        )
        self.c = self.start.c
        return self.start.examples

    def ridge(self, task: Task, size: float) -> RidgeLoss | None:
        """Return the loss with the ridge of C, or None if the settings have no ridge."""
        return RidgeLoss(self.model, task, self.c, size) if self.config.ridge else None

    def fit_full_batch(
        self,
        train: Examples,
        validation: Examples,
        on_epoch: Callable[[EpochMetrics], None] | None,
    ) -> Selection:
        """Train by L-BFGS on all texts at once; see `qllmft.training.full_batch.fit_full_batch`."""
        from qllmft.training.full_batch import fit_full_batch

        return fit_full_batch(self.model, train, validation, self.config, self.c, on_epoch)


def choose_strategy(model: nn.Module, config: TrainConfig) -> Strategy:
    """Return the strategy of a model: `Sines` behind odd encoders, else that of the paper."""
    if isinstance(model, Classifier) and model.has_odd_encoders:
        return Sines(model, config)
    return Strategy(model, config)


def _limit_rate(model: Classifier, config: TrainConfig) -> TrainConfig:
    """Return the settings with the learning rate of a head of several registers that starts at sines."""
    head = model.head
    if not isinstance(head, QuantumHead) or head.start != "sines" or head.registers == 1:
        return config
    return config.model_copy(update={"lr": min(config.lr, config.register_lr)})
