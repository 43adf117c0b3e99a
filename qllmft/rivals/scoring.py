"""A head after training, with what it gets right on the validation texts."""

from __future__ import annotations

import time
from dataclasses import dataclass

from qllmft.rivals.head import Head
from qllmft.statistics import Accuracy
from qllmft.training import Examples


@dataclass(frozen=True)
class FittedHead:
    """A head after training, not yet tested.

    Attributes:
        head: the head.
        validation: its accuracy on the validation texts.
        seconds: wall time of the training.
        validation_exact: share of right validation answers without the noise of the head's circuit, in [0, 1]; None
            where it has none.
    """

    head: Head
    validation: Accuracy
    seconds: float
    validation_exact: float | None = None


def fit_and_score(head: Head, train: Examples, validation: Examples) -> FittedHead:
    """Fit a head on ``train`` and ``validation``, and score it on the latter."""
    started = time.perf_counter()
    head.fit(train, validation)
    return scored(head, validation, time.perf_counter() - started)


def scored(head: Head, validation: Examples, seconds: float) -> FittedHead:
    """A head that was trained in ``seconds``, scored on the validation texts."""
    exact = head.exact_accuracy(validation)
    return FittedHead(head, accuracy_of(head, validation), seconds, exact)


def accuracy_of(head: Head, examples: Examples) -> Accuracy:
    """What a fitted head gets right."""
    return Accuracy.of(examples.y.numpy(), head.predict(examples.x.numpy()))
