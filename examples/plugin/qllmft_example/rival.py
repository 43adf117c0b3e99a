"""The label whose mean embedding is nearest."""

from sklearn.neighbors import NearestCentroid

from qllmft.rivals import GridRival, Rival


def nearest_mean(grid: str) -> GridRival:
    """Means shrunk towards each other by a threshold, which validation chooses."""
    thresholds = [None] if grid == "small" else [None, 0.1, 0.3, 1.0]
    settings = ({"shrink_threshold": threshold} for threshold in thresholds)
    return GridRival("nearest mean", NearestCentroid, settings, lambda fitted: int(fitted.centroids_.size))


NEAREST_MEAN = Rival.of_grid("nearest mean", nearest_mean)
