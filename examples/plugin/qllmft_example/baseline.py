"""The label whose mean embedding is nearest."""

from sklearn.neighbors import NearestCentroid

from qllmft.baselines import Baseline, GridBaseline


def nearest_mean(grid: str) -> GridBaseline:
    """Means shrunk towards each other by a threshold, which validation chooses."""
    thresholds = [None] if grid == "small" else [None, 0.1, 0.3, 1.0]
    settings = ({"shrink_threshold": threshold} for threshold in thresholds)
    return GridBaseline("nearest mean", NearestCentroid, settings, lambda fitted: int(fitted.centroids_.size))


NEAREST_MEAN = Baseline.of_grid("nearest mean", nearest_mean)
