"""Scores of real targets, each with its uncertainty over the texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.bootstrap import INTERVAL, BootstrapScores, resampled_rows

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TargetScores(BootstrapScores):
    """Scores of predicted targets: each is the mean over T targets, with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts. They cover only the sampling of the test set.
    """

    NAME: ClassVar = "R²"
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
    def of(cls, targets: Floats, values: Floats) -> TargetScores:
        """Return the scores of values (N, T) for true targets (N, T)."""
        targets, values = targets.astype(np.float64), values.astype(np.float64)
        each = _scores(targets[None], values[None])[0]  # (T, 3)
        n = len(targets)
        drawn = np.array(
            [
                _scores(targets[rows][None], values[rows][None])[0].mean(axis=0)
                for rows in resampled_rows(n)
            ]
        )
        low, high = np.quantile(drawn, INTERVAL, axis=0)
        r2, mae, spearman = (
            (float(each[:, i].mean()), (float(low[i]), float(high[i]))) for i in range(3)
        )
        return cls(
            n, *r2, *mae, *spearman, tuple((float(a), float(b), float(c)) for a, b, c in each)
        )


def target_values(targets: Floats, values: Floats) -> dict[str, float]:
    """Return the scores of values (N, T) for true targets (N, T) by name, without intervals."""
    each = _scores(targets[None].astype(np.float64), values[None].astype(np.float64))[0]
    return TargetScores.by_name(each.mean(axis=0))


def r2(targets: Floats, values: Floats) -> float:
    """Return R² of values (N, T) for true targets (N, T), the mean over the targets."""
    return float(_r2(targets[None], values[None].astype(np.float64)).mean())


def _r2(targets: Floats, values: Floats) -> Floats:
    """Return R² (S, T) of S samples (S, N, T)."""
    spread = ((targets - targets.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    errors = ((targets - values) ** 2).sum(axis=1)
    return np.asarray(1.0 - errors / np.where(spread > 0, spread, np.inf))


def _scores(targets: Floats, values: Floats) -> Floats:
    """Return R², mean absolute error and Spearman's rank correlation (S, T, 3) of S samples (S, N, T)."""
    from scipy.stats import rankdata

    errors = targets - values
    ranks = [rankdata(each, axis=1) for each in (targets, values)]
    ranks = [each - each.mean(axis=1, keepdims=True) for each in ranks]
    norms = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    spearman = (ranks[0] * ranks[1]).sum(axis=1) / np.where(norms > 0, norms, np.inf)
    return np.stack([_r2(targets, values), np.abs(errors).mean(axis=1), spearman], axis=-1)
