"""Score of a model on the texts of one split, by the task."""

from __future__ import annotations

from qllmft.multilabel import LabelSetScores
from qllmft.regression import TargetScores
from qllmft.statistics import Accuracy

# several scores, with intervals of a bootstrap over the texts
BootstrapScore = TargetScores | LabelSetScores
Score = Accuracy | BootstrapScore


def short(score: Score) -> str:
    """Return a score without its interval.

    >>> short(Accuracy(right=7, total=10))
    '70.0 %'
    """
    return f"{100 * score.value:.1f} %" if isinstance(score, Accuracy) else f"{score.value:.3f}"
