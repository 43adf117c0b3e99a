"""Training examples, embedded texts with labels or scaled targets, and their order and noise in an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qllmft.config import TrainConfig
from qllmft.heads import Classifier
from qllmft.tasks import CLASSIFICATION, Task, infer_task
from qllmft.tasks.accuracy import is_uneven
from qllmft.tasks.regression import ROBUST
from qllmft_base.errors import UserError
from qllmft_base.randomness import torch_generator

# deviation of a normal distribution over its median absolute deviation
MEDIAN_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class Examples:
    """Embedded texts and their labels."""

    x: Tensor  # embeddings (N, D) float32
    y: Tensor  # labels (N,) int64, targets (N, T) float64, or several labels (N, L) int64, 0 or 1
    weight: Tensor | None = None  # (N,) float64, not negative; None: all are 1
    task: Task = CLASSIFICATION  # meaning of ``y``

    @classmethod
    def from_arrays(cls, vectors: NDArray[np.float32], labels: NDArray[Any]) -> Examples:
        """Return examples of vectors (N, D), and labels (N,), targets (N, T) or several labels (N, L)."""
        x = torch.from_numpy(np.ascontiguousarray(vectors, np.float32))
        return cls(x, torch.from_numpy(labels.copy()), task=infer_task(labels))

    def take(self, rows: Tensor | NDArray[np.int64]) -> Examples:
        """Return ``rows`` in that order."""
        weight = None if self.weight is None else self.weight[rows]
        return replace(self, x=self.x[rows], y=self.y[rows], weight=weight)

    @cached_property
    def relative(self) -> Tensor | None:
        """Return the weights (N,) with mean 1, or None if all are equal."""
        return None if self.weight is None else self.weight / self.weight.mean()

    @property
    def uneven(self) -> bool:
        """Return whether texts have one label each and more than 60 % have the same one, see `is_uneven`."""
        return self.task.one_label and is_uneven(self.y.numpy())

    @property
    def size(self) -> float:
        """Return the sum of the weights: the number of examples, each counted as often as its weight says."""
        return float(len(self)) if self.weight is None else float(self.weight.sum())

    def __len__(self) -> int:
        return len(self.y)


def with_loss(examples: Examples, config: TrainConfig) -> Examples:
    """Return examples whose task has the loss of ``config``."""
    return replace(examples, task=ROBUST) if config.loss == "huber" else examples


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of T targets, with the weights of their texts."""

    mean: Tensor  # (T,) float64
    deviation: Tensor  # (T,) float64, above 0

    @classmethod
    def from_examples(cls, examples: Examples) -> Scaling:
        """Return the scaling by the targets (N, T) of training examples. A constant target keeps its unit.

        For Huber's loss it is by medians: that of the targets, and that of their distances to it in units of a normal
        distribution's deviation.
        """
        y = examples.y.double()
        weight = examples.weight
        if weight is None:
            weight = torch.ones(len(y), dtype=torch.float64)
        if examples.task is ROBUST:
            median = _weighted_median(y, weight)
            distance = MEDIAN_TO_DEVIATION * _weighted_median((y - median).abs(), weight)
            return cls(median, torch.where(distance > 0, distance, 1.0))
        share = (weight / weight.sum())[:, None]
        mean = (share * y).sum(dim=0)
        deviation = (share * (y - mean).square()).sum(dim=0).sqrt()
        return cls(mean, torch.where(deviation > 0, deviation, 1.0))

    def scale_targets(self, examples: Examples) -> Examples:
        """Return examples with scaled targets, float32."""
        y = ((examples.y.double() - self.mean) / self.deviation).float()
        return replace(examples, y=y)

    def restore(self, model: nn.Module, *, inverse: bool = False) -> None:
        """Give a model of scaled targets the unit of the examples, or with ``inverse`` the other way round."""
        if not isinstance(model, Classifier):
            got_text = f"the model is {type(model).__name__}"
            raise UserError(f"{got_text}, expected one by build_classifier for real targets.")
        factor = self.deviation
        shift = self.mean
        if inverse:
            factor = 1.0 / self.deviation
            shift = -self.mean / self.deviation
        dtype = next(model.parameters()).dtype
        model.rescale(factor.to(dtype), shift.to(dtype))


@contextmanager
def scale_targets(
    model: nn.Module, train: Examples, validation: Examples, config: TrainConfig
) -> Iterator[tuple[Examples, Examples]]:
    """Give the examples of a training with scaled targets, and at the end the model the targets' own unit.

    Labels stay as they are.

    Args:
        model: is trained inside, on the scaled targets.
        train: training examples, which determine the `Scaling`.
        validation: examples with the same unit.
        config: the loss of real targets.
    """
    if not train.task.real:
        yield train, validation
        return
    scaling = Scaling.from_examples(with_loss(train, config))
    scaled_train = scaling.scale_targets(with_loss(train, config))
    scaled_validation = scaling.scale_targets(with_loss(validation, config))
    yield scaled_train, scaled_validation
    scaling.restore(model)


def _weighted_median(values: Tensor, weight: Tensor) -> Tensor:
    """Return the lower median (T,) of values (N, T), each counted as often as its weight (N,) says."""
    ordered, order = values.sort(dim=0)
    below = weight.double()[order].cumsum(dim=0)
    places = (below < 0.5 * below[-1:]).sum(dim=0, keepdim=True)
    return ordered.gather(0, places)[0]


def weigh_rows(examples: Examples, weights: NDArray[np.float64] | None) -> Examples:
    """Return examples with weights (N,) divided by their mean, so that only their ratios count."""
    if weights is None:
        return examples
    return replace(examples, weight=torch.from_numpy(weights / weights.mean()))


def weigh_by_class(
    train: Examples, validation: Examples, config: TrainConfig
) -> tuple[Examples, Examples]:
    """Multiply the weights of both by `balanced_weights` of the training labels if ``config`` says so."""
    if config.class_weight != "balanced":
        return train, validation
    return weigh_classes(train, train), weigh_classes(validation, train)


def weigh_classes(examples: Examples, train: Examples) -> Examples:
    """Return examples with their weights multiplied by `balanced_weights` of the training labels."""
    factor = balanced_weights(examples.y.numpy(), train.y.numpy())
    return replace(examples, weight=factor if examples.weight is None else examples.weight * factor)


def balanced_weights(labels: NDArray[np.int64], reference_labels: NDArray[np.int64]) -> Tensor:
    """Return weights (N,) of labels (N,) such that all labels in ``reference_labels`` have the same total weight there.

    They are M / (k·n), as in scikit-learn: M texts in ``reference_labels``, k labels, n texts with this label.
    """
    counts = np.bincount(reference_labels, minlength=int(labels.max()) + 1)
    label_weights = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
    return torch.from_numpy(label_weights[labels])


def shuffled_batches(n: int, size: int, seed: int, epoch: int) -> list[Tensor]:
    """Return batches of rows in the random order of an epoch.

    Args:
        n: number of examples.
        size: rows (B,) per batch. If it is above 1, a last batch of one joins the previous one, because batch norm
            needs two.
        seed: of all epochs' orders.
        epoch: its number.
    """
    order = torch.randperm(n, generator=torch_generator(seed, "shuffle", epoch))
    batches = list(torch.split(order, size))
    if size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def with_noise(x: Tensor, sigma: float, generator: torch.Generator, sizes: Sequence[int]) -> Tensor:
    """Add Gaussian noise to embeddings.

    Args:
        x: embeddings (N, D).
        sigma: the standard deviation of an entry, divided by the embedding's length; 0 draws nothing.
        generator: source of the noise.
        sizes: of the batches that follow each other in ``x``; noise is drawn batch after batch.
    """
    if not sigma:
        return x
    noise = torch.cat([torch.randn(size, x.shape[1], generator=generator) for size in sizes])
    noisy: Tensor = x + sigma * x.norm(dim=1, keepdim=True) * noise
    return noisy
