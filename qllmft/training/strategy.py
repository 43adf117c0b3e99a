"""Choices that the training loop leaves to the model: where it begins, its largest learning rate, its ridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier
from qllmft.tasks import Task
from qllmft.training.examples import Examples

if TYPE_CHECKING:
    from qllmft.training.linear_start import LinearStart
    from qllmft.training.ridge import RidgeLoss


class Strategy:
    """Strategy of the paper: the model begins at random weights, and its loss is that of the task alone.

    Args:
        model: maps embeddings (B, D) to outputs (B, k).
        config: settings of the training.

    Attributes:
        config: the settings with the learning rate of this model.
        start: choices that `begin` made by the score that judges, or None.
    """

    start: LinearStart | None = None

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self.model = model
        self.config = config

    @property
    def begins_at_embeddings(self) -> bool:
        """Return whether `begin` needs the embeddings of the training texts."""
        return isinstance(self.model, Classifier) and self.model.data_map is not None

    def begin(
        self,
        train: Examples,
        validation: Examples | None = None,  # noqa: ARG002
        *,
        fresh: bool = True,  # noqa: ARG002
    ) -> Examples:
        """Fit the data map and set the initial weights, in place.

        Args:
            train: training examples, with scaled targets if they are real.
            validation: examples that may choose settings; None: there are none beside the training examples.
            fresh: if False, the weights stay, and only choices are made.

        Returns:
            The training examples, with the weights of texts that were chosen.
        """
        if isinstance(self.model, Classifier) and self.model.data_map is not None:
            self.model.data_map.fit(train.x)
        return train

    def ridge(self, task: Task, size: float) -> RidgeLoss | None:  # noqa: ARG002
        """Return the loss of a task with a ridge for N = ``size`` training texts; None: the task's own loss."""
        return None
