"""TF-IDF and logistic regression: the baseline that reads words, without a language model."""

from __future__ import annotations

from qllmft.baselines.classical import GridBaseline, logistic_regression
from qllmft.baselines.head import MOST_SUPPORTED, Baseline
from qllmft.config import RunConfig


class WordBaseline(GridBaseline):
    """Logistic regression on vectors of words, see `word_body`, in place of those of the run's body."""


def _tfidf(config: RunConfig, *_: int) -> WordBaseline:
    like = logistic_regression(config.baselines.grid)
    return WordBaseline(TFIDF.label, like.make, like.grid).kept(config)


# a vector has as many entries as there are words, so their memory is limited as that of support vectors
TFIDF = Baseline("TF-IDF + logistic regression", _tfidf, tuned=True, most_texts=MOST_SUPPORTED)
