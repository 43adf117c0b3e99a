"""Scaling of real targets for the training, by those of the training examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from qllmft.errors import UserError
from qllmft.heads import Classifier
from qllmft.training.examples import Examples


@dataclass(frozen=True)
class ScaledExamples(Examples):
    """Examples whose targets have mean 0 and standard deviation 1, float32."""


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of T targets, with the weights of their texts."""

    mean: Tensor  # (T,) float64
    deviation: Tensor  # (T,) float64, above 0

    @classmethod
    def of(cls, examples: Examples) -> Scaling:
        """Return the scaling by the targets (N, T) of training examples. A constant target keeps its unit."""
        y = examples.y.double()
        weight = (
            torch.ones(len(y), dtype=torch.float64) if examples.weight is None else examples.weight
        )
        share = (weight / weight.sum())[:, None]
        mean = (share * y).sum(dim=0)
        deviation = (share * (y - mean).square()).sum(dim=0).sqrt()
        return cls(mean, torch.where(deviation > 0, deviation, 1.0))

    def scaled(self, examples: Examples) -> ScaledExamples:
        """Return examples with scaled targets."""
        y = ((examples.y.double() - self.mean) / self.deviation).float()
        return ScaledExamples(examples.x, y, examples.weight, examples.task)

    def restore(self, model: nn.Module) -> None:
        """Give a model of scaled targets the unit of the examples."""
        _rescale(model, self.deviation, self.mean)

    def undo(self, model: nn.Module) -> None:
        """Give a model in the unit of the examples scaled targets, the inverse of `restore`."""
        _rescale(model, 1.0 / self.deviation, -self.mean / self.deviation)


def _rescale(model: nn.Module, factor: Tensor, shift: Tensor) -> None:
    if not isinstance(model, Classifier):
        raise UserError(
            f"the model is {type(model).__name__}; expected one by build_classifier for real targets."
        )
    last = next(model.parameters()).dtype
    model.rescale(factor.to(last), shift.to(last))
