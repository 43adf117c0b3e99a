"""Task of real targets, and their scores, each with its uncertainty over the texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.measure import LOWEST_R2, R2, BootstrapScore
from qllmft.tasks.statistics import resampled_rows
from qllmft.tasks.task import MAX_MISTAKES, Real, Task

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]

MAX_SAMPLE_VALUES = 100_000  # values of bootstrap samples in memory at once
HUBER_DELTA = 1.35  # scaled error from which Huber's loss is linear, as in scikit-learn


@dataclass(frozen=True)
class TargetScores(BootstrapScore):
    """Scores of predicted targets: each is the mean over T targets, with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts. They cover only the sampling of the test set.
    """

    measure: ClassVar = R2
    NAMES: ClassVar = {
        "r2": ("R²", "R²"),
        "mae": ("error", "mean absolute error"),
        "spearman": ("rank", "rank correlation"),
    }

    total: int  # N, number of texts
    r2: float  # share of the targets' variance that is explained, at most 1
    r2_interval: tuple[float, float]
    mae: float  # mean absolute error, in the unit of the targets
    mae_interval: tuple[float, float]
    spearman: float  # rank correlation in [-1, 1]; 0 for constant values
    spearman_interval: tuple[float, float]
    # R², mean absolute error and rank correlation of each target
    by_target: tuple[tuple[float, float, float], ...]

    @classmethod
    def from_answers(cls, targets: Floats, values: Floats) -> TargetScores:
        """Return the scores of values (N, T) for true targets (N, T)."""
        target_scores = _score_targets(targets, values)
        samples = resampled_rows(len(targets))
        size = max(1, MAX_SAMPLE_VALUES // targets.size)
        sampled_scores = []
        while block := list(islice(samples, size)):
            rows = np.stack(block)
            sampled_scores.append(_score_targets(targets[rows], values[rows]).mean(axis=-2))
        parts = cls.with_intervals(target_scores.mean(axis=0), np.concatenate(sampled_scores))
        return cls(len(targets), **parts, by_target=tuple(map(tuple, target_scores.tolist())))


def r2(targets: Floats, values: Floats, weights: Floats | None = None) -> Floats:
    """Return R² (..., T) of values (..., N, T) for true targets (..., N, T), of texts (N,) with weights or without.

    It is scikit-learn's `r2_score`, of any number of samples at once, and at least `LOWEST_R2`. Targets that all have
    one value give 1 if all values are right, and 0 otherwise, whatever their mean rounds to.
    """
    share = 1.0 if weights is None else weights[:, None]
    mean = np.average(targets, axis=-2, weights=weights, keepdims=True)
    squared_deviations = (share * (targets - mean) ** 2).sum(axis=-2)
    errors = (share * (targets - values) ** 2).sum(axis=-2)
    counted_targets = targets if weights is None else targets[..., weights > 0, :]
    varies = (np.ptp(counted_targets, axis=-2) > 0) & (squared_deviations > 0)
    scores = 1.0 - errors / np.where(varies, squared_deviations, 1.0)
    return np.asarray(np.where(varies, np.maximum(scores, LOWEST_R2), errors == 0))


def _score_targets(targets: Floats, values: Floats) -> Floats:
    """Return R², mean absolute error and Spearman's rank correlation (..., T, 3) of values (..., N, T)."""
    from scipy.stats import rankdata

    targets = targets.astype(np.float64)
    values = values.astype(np.float64)
    ranks = [rankdata(columns, axis=-2) for columns in (targets, values)]
    ranks = [rank_columns - rank_columns.mean(axis=-2, keepdims=True) for rank_columns in ranks]
    norms = np.sqrt((ranks[0] ** 2).sum(axis=-2) * (ranks[1] ** 2).sum(axis=-2))
    spearman = (ranks[0] * ranks[1]).sum(axis=-2) / np.where(norms > 0, norms, np.inf)
    return np.stack(
        [r2(targets, values), np.abs(targets - values).mean(axis=-2), spearman], axis=-1
    )


class Regression(Task):
    """Real targets: the loss is the mean squared error, and the score is R², the mean over T targets, at least -1.

    A score below that says no more, and the lower loss then selects the epoch.

    Args:
        delta: scaled error from which an error e counts 2·delta·|e| - delta² in place of e², Huber's loss as in
            scikit-learn's `HuberRegressor`; infinite for squares alone.
        farthest: largest scaled target of a linear start.
        loss_name: the loss with its unit.
    """

    name: ClassVar = "regression"
    measure: ClassVar = R2
    scores: ClassVar = TargetScores
    dependence: ClassVar = "Predictions lose {share} of their variance if it returns pure noise."
    baselines: ClassVar = ("ridge", "svr", "linear")
    real: ClassVar = True
    fewest_names: ClassVar = 1

    def __init__(self, delta: float, farthest: float, loss_name: str) -> None:
        self.delta = delta
        self.farthest = farthest
        self.loss_name = loss_name

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        from torch.nn.functional import huber_loss

        losses = 2.0 * huber_loss(outputs, y.to(outputs.dtype), reduction="none", delta=self.delta)
        return (losses if weight is None else losses * weight[:, None]).mean()

    def gradient(self, outputs: Real, y: Tensor, weight: Tensor | None = None) -> float:
        errors = outputs.astype(np.float64) - y.numpy()
        near = np.clip(errors, -self.delta, self.delta)  # of infinite delta: all of it
        weighted = near if weight is None else near * weight.numpy()[:, None]
        outputs[:] = 2.0 / errors.size * weighted
        return float((weighted * (2.0 * errors - near)).mean())

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        share = None if weight is None else weight.numpy()
        return max(-1.0, float(r2(y.double().numpy(), outputs.double().numpy(), share).mean()))

    def answers(self, outputs: Tensor) -> Floats:
        return np.asarray(outputs.double().numpy())

    def values(self, labels: Floats, answers: Floats) -> dict[str, float]:
        return TargetScores.by_name(_score_targets(labels, answers).mean(axis=0))

    def value(self, labels: Floats, answers: Floats) -> float:
        return float(r2(labels.astype(np.float64), answers.astype(np.float64)).mean())

    def changed_share(self, first: Floats, second: Floats) -> float:
        """See `Task`; it is the mean over targets of the variance of the difference over that of the first values."""
        changed_variance = (first - second).var(axis=0)
        total_variance = first.var(axis=0)
        shares = np.minimum(
            1.0, changed_variance / np.where(total_variance > 0, total_variance, 1.0)
        )
        return float(np.where(total_variance > 0, shares, 0.0).mean())

    def gives(self, names: Sequence[str]) -> str:
        return f"regression targets ({', '.join(names)}) and no labels"

    def mistakes(self, answers: Floats, labels: Floats) -> list[int]:
        """See `Task`; the errors are in deviations of a target."""
        unit = labels.std(axis=0) + np.finfo(float).tiny
        largest = (np.abs(answers - labels) / unit).max(axis=1)
        return [int(i) for i in np.argsort(-largest, kind="stable")[:MAX_MISTAKES]]

    def describe_answer(self, names: Sequence[str], answer: Any) -> tuple[float, ...]:
        del names
        return tuple(answer.tolist())

    def description_from_json(self, json_answer: Any) -> tuple[float, ...]:
        return tuple(map(float, json_answer))


REGRESSION = Regression(math.inf, math.inf, "squared error, scaled")
ROBUST = Regression(HUBER_DELTA, 3.0, "Huber's loss, scaled")
