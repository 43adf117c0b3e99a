"""Choice of a run's structure among its candidates, on training and validation texts alone.

The candidates are compared by cross-validation on both parts together, which has several times as many texts to judge
on as the validation part. If the body was tuned on the training texts, only the validation texts are judged on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from qllmft.config import Candidate, RunConfig
from qllmft.heads import build_classifier
from qllmft.randomness import derive_seed
from qllmft.training import Examples, finite_logits, fit, one_torch_thread

FOLDS = 5
MARGIN = 0.01  # difference of accuracies that counts as none: half a standard error on 500 texts

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]  # rows to train on and rows to judge on


@dataclass(frozen=True)
class Tried:
    """Result of one candidate on texts that it was not trained on."""

    name: str  # of its preset
    right: int | float  # number of correct labels; sum of the weights of their texts if those have weights
    total: int  # number of texts
    loss: float  # mean cross-entropy in nats
    parameters: int  # number of trained parameters

    def __str__(self) -> str:
        return f"{self.name} {100 * self.right / self.total:.1f} %"


@dataclass(frozen=True)
class Choice:
    """Candidates of a run and the one that was taken: the smallest of those with about the highest accuracy."""

    tried: tuple[Tried, ...]  # in the order of the configuration
    folds: int  # number of folds; 1: trained on the training texts, judged on the validation texts

    @property
    def taken(self) -> Tried:
        """Return the candidate that the run trains.

        It has the fewest parameters of those whose accuracy is at most `MARGIN` below the highest, then the lowest
        loss.
        """
        limit = max(each.right for each in self.tried) - MARGIN * self.tried[0].total
        return min((each for each in self.tried if each.right >= limit), key=lambda each: (each.parameters, each.loss))

    def __str__(self) -> str:
        """Return one sentence with the rule and the results."""
        where = f"{self.folds}-fold cross-validation" if self.folds > 1 else "validation"
        results = ", ".join(map(str, self.tried))
        return (
            f"structure {self.taken.name}: the smallest of {len(self.tried)} with the highest accuracy, to a point, in "
            f"{where} on {self.taken.total:,} texts: {results}"
        )


class ChoiceInterruptedError(Exception):
    """The choice was interrupted by a signal."""

    def __init__(self, signal: int | None) -> None:
        super().__init__(signal)
        self.signal = signal


def choose(
    config: RunConfig,
    train: Examples,
    validation: Examples | None,
    n_classes: int,
    *,
    tuned_body: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[RunConfig, Choice]:
    """Compare the candidates of ``config`` and return the configuration that takes the best, and the comparison.

    Args:
        config: has candidates.
        train: training examples.
        validation: validation examples; None if there are none.
        n_classes: number k of labels.
        tuned_body: the body was tuned on the training texts.
        advance: called with the number of trained models so far.

    Raises:
        ChoiceInterruptedError: after Ctrl-C or SIGTERM.
    """
    drawn = train.and_others(validation)
    folds = _folds(drawn.y.numpy(), len(train), config.seed, tuned_body and validation is not None)
    tried, done = [], 0
    for candidate in config.candidates:
        losses: list[float] = []
        right: int | float = 0
        parameters = 0
        for rows, held in folds:
            learnt, judged = drawn.take(rows), drawn.take(held)
            logits, parameters = _trained_logits(candidate, learnt, judged, n_classes, config.seed)
            loss, hits = _judged(logits, judged)
            losses.append(loss)
            right += hits
            done += 1
            advance(done)
        total = sum(len(held) for _, held in folds)
        tried.append(Tried(candidate.name, right, total, sum(losses) / total, parameters))
    choice = Choice(tuple(tried), len(folds))
    taken = next(candidate for candidate in config.candidates if candidate.name == choice.taken.name)
    return config.taking(taken, alone=False), choice


def _judged(logits: Tensor, examples: Examples) -> tuple[float, int | float]:
    """Return the sums of the losses in nats and of the correct labels."""
    hits, weight = logits.argmax(dim=1) == examples.y, examples.relative
    if weight is None:
        return cross_entropy(logits.double(), examples.y, reduction="sum").item(), int(hits.sum())
    losses = cross_entropy(logits.double(), examples.y, reduction="none")
    return float((losses * weight).sum()), float((hits * weight).sum())


def n_trained(config: RunConfig) -> int:
    """Return the largest number of models that `choose` trains."""
    return FOLDS * len(config.candidates)


def _trained_logits(
    candidate: Candidate, train: Examples, held: Examples, n_classes: int, seed: int
) -> tuple[Tensor, int]:
    """Return logits of the held-out texts by a trained candidate, and its number of parameters."""
    model = build_classifier(candidate.model, train.x.shape[1], n_classes, seed=seed)
    selection = fit(model, train, held, candidate.train.model_copy(update={"select": "last"}), seed)
    if not selection.finished:
        raise ChoiceInterruptedError(selection.signal)
    with one_torch_thread():
        return finite_logits(model, held.x), model.n_parameters


def _folds(labels: NDArray[np.int64], n_train: int, seed: int, held_out: bool) -> Folds:
    """Return folds with the labels in equal proportions; if a label has one text only, all texts in one fold."""
    from sklearn.model_selection import StratifiedKFold

    rows = np.arange(len(labels))
    if held_out:
        return [(rows[:n_train], rows[n_train:])]
    count = min(FOLDS, int(np.bincount(labels)[np.unique(labels)].min()))
    if count < 2:
        return [(rows, rows)]
    random = derive_seed(seed, "choice") % 2**32
    return list(StratifiedKFold(count, shuffle=True, random_state=random).split(labels, labels))
