"""Baseline that predicts the label with the nearest mean embedding."""

from sklearn.neighbors import NearestCentroid

from qllmft.baselines import Baseline, GridBaseline


def nearest_mean(grid: str) -> GridBaseline:
    """Return the baseline with means shrunk towards each other by a threshold, which validation selects."""
    thresholds = [None] if grid == "small" else [None, 0.1, 0.3, 1.0]
    settings = [{"shrink_threshold": threshold} for threshold in thresholds]
    return GridBaseline(
        "nearest mean", NearestCentroid, settings, lambda fitted: int(fitted.centroids_.size)
    )


NEAREST_MEAN = Baseline.from_grid("nearest mean", nearest_mean)
