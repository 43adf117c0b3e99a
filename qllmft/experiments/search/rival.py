"""Tables VIII and IX: the whole grid of a classical rival, chosen on validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from qllmft.config import RunConfig
from qllmft.data import Table, read_corpus, split_corpus
from qllmft.embed import embed
from qllmft.rivals import logistic_regression, support_vectors
from qllmft.run import Reporter
from qllmft.statistics import Accuracy
from qllmft.training import Examples


@dataclass(frozen=True)
class RivalResult:
    """A rival's best settings on one split.

    Attributes:
        seed: of the split.
        settings: chosen on validation.
        parameters: trained ones; support vectors of an SVC.
        validation: accuracy.
        test: accuracy of the chosen settings.
    """

    seed: int
    settings: dict[str, Any]
    parameters: int
    validation: Accuracy
    test: Accuracy


def search_rival(name: Literal["svc", "logistic_regression"], config: RunConfig, reporter: Reporter) -> RivalResult:
    """Fit a rival with every setting of the paper's grid; the test set is embedded once the choice is made.

    Args:
        name: of the rival.
        config: data, body and seed; what is on top of the body is left aside.
        reporter: who watches.
    """
    splits = split_corpus(read_corpus(config.data), config.data, config.seed)
    train, validation = (_embedded(table, config, reporter) for table in (splits.train, splits.validation))
    rival = support_vectors("paper") if name == "svc" else logistic_regression("paper")
    with reporter.fitting(rival.name):
        rival.fit(train, validation)
    validated = _score(rival.predict(validation.x.numpy()), validation)
    test = _embedded(splits.test, config, reporter)
    tested = _score(rival.predict(test.x.numpy()), test)
    return RivalResult(config.seed, rival.settings, rival.n_parameters, validated, tested)


def _embedded(table: Table, config: RunConfig, reporter: Reporter) -> Examples:
    with reporter.embedding(len(table), config.body.model) as progress:
        embeddings = embed(table.texts, config.body, progress=progress)
    return Examples.from_arrays(embeddings.vectors, table.labels)


def _score(answers: np.ndarray[tuple[int], np.dtype[np.int64]], examples: Examples) -> Accuracy:
    right = answers == examples.y.numpy()
    return Accuracy(int(right.sum()), len(right))
