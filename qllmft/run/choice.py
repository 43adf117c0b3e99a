"""Choice of a run's structure among its candidates, on training and validation texts alone.

The candidates are compared by cross-validation on both parts together, which has several times as many texts to judge
on as the validation part. If the body was tuned on the training texts, only the validation texts are judged on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from qllmft.config import Candidate, RunConfig
from qllmft.heads import build_classifier
from qllmft.randomness import derive_seed
from qllmft.run.record import Choice, Tried
from qllmft.training import Examples, finite_logits, fit, one_torch_thread

FOLDS = 5

Folds = list[tuple[NDArray[np.int64], NDArray[np.int64]]]  # rows to train on and rows to judge on


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
        config: with candidates; its seed draws the folds.
        train: training texts as vectors (N, D).
        validation: validation texts, which are pooled with the training texts; None: there are none.
        n_classes: k, number of labels.
        tuned_body: whether the body was tuned on the training texts; models are then judged on the others alone.
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
    taken = next(
        candidate for candidate in config.candidates if candidate.name == choice.taken.name
    )
    return config.taking(taken, alone=False), choice


def _judged(logits: Tensor, examples: Examples) -> tuple[float, int | float]:
    """Return the sums of the losses in nats and of the correct labels."""
    hits, weight = logits.argmax(dim=1) == examples.y, examples.relative
    if weight is None:
        return cross_entropy(logits.double(), examples.y, reduction="sum").item(), int(hits.sum())
    losses = cross_entropy(logits.double(), examples.y, reduction="none")
    return float((losses * weight).sum()), float((hits * weight).sum())


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
