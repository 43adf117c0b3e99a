"""Task of several labels per text, their scores with their uncertainty over the texts, and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.accuracy import LabelScores, f1, mean_f1
from qllmft.tasks.comparison import PairedDifference, bootstrap_difference
from qllmft.tasks.measure import MACRO_F1, BootstrapScore
from qllmft.tasks.statistics import resampled_rows
from qllmft.tasks.task import Real, Task, evenly_spaced_places

if TYPE_CHECKING:
    from torch import Tensor

MAX_SAMPLE_COUNTS = 4_000_000  # counts of bootstrap samples in memory at once
USUAL_THRESHOLD = 0.5  # of the probability of a label

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class OneLabel(LabelScores):
    """Scores of one label of several per text."""

    # area under precision by recall, as scikit-learn defines it; None without texts
    average_precision: float | None


@dataclass(frozen=True)
class LabelSetScores(BootstrapScore):
    """Scores of the labels that a model gives texts, each with its 95 % interval.

    Intervals are those of 1,000 bootstrap samples of the texts. They cover only the sampling of the test set.
    """

    measure: ClassVar = MACRO_F1
    NAMES: ClassVar = {
        "macro_f1": ("macro-F1", "macro-F1"),
        "micro_f1": ("micro", "micro-F1"),
        "average_precision": ("AP", "average precision"),
        "subset_accuracy": ("exact", "subset accuracy"),
        "hamming_loss": ("Hamming", "Hamming loss"),
    }

    total: int  # N, number of texts
    macro_f1: float  # mean F1 of the labels with texts or answers, in [0, 1]
    macro_f1_interval: tuple[float, float]
    micro_f1: float  # F1 of all decisions on a label of a text together, in [0, 1]
    micro_f1_interval: tuple[float, float]
    # mean over the labels with texts, in [0, 1]; it does not depend on thresholds
    average_precision: float
    average_precision_interval: tuple[float, float]
    subset_accuracy: float  # share of texts with exactly their labels, in [0, 1]
    subset_accuracy_interval: tuple[float, float]
    hamming_loss: float  # share of wrong decisions on a label of a text, in [0, 1]
    hamming_loss_interval: tuple[float, float]
    by_label: tuple[OneLabel, ...]  # L

    @classmethod
    def from_answers(
        cls, labels: Integers, leads: Floats, thresholds: Floats | None = None
    ) -> LabelSetScores:
        """Return the scores of answers to texts.

        Args:
            labels: true labels (N, L), 0 or 1.
            leads: scores of labels (N, L) over their thresholds. A text gets the labels whose lead is not negative.
            thresholds: (N, L), if those of texts differ: average precision ranks scores and not leads.
        """
        ranks = leads if thresholds is None else leads + thresholds
        n = len(labels)
        answers = leads >= 0
        unit_counts = np.ones((1, len(labels)), np.int32)
        size = max(1, MAX_SAMPLE_COUNTS // n)
        samples = [np.bincount(rows, minlength=n).astype(np.int32) for rows in resampled_rows(n)]
        parts = [np.stack(samples[at : at + size]) for at in range(0, len(samples), size)]
        sampled_scores = np.concatenate(
            [_score_samples(part, labels, leads, ranks) for part in parts]
        )
        by_label = tuple(
            OneLabel(
                int(label_column.sum()),
                int(answer_column.sum()),
                int((answer_column * label_column).sum()),
                float(_average_precision(unit_counts, label_column, rank)[0])
                if label_column.any()
                else None,
            )
            for label_column, answer_column, rank in zip(labels.T, answers.T, ranks.T, strict=True)
        )
        fields = cls.with_intervals(
            _score_samples(unit_counts, labels, leads, ranks)[0], sampled_scores
        )
        return cls(n, **fields, by_label=by_label)


def macro_f1(labels: Integers, answers: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Return the mean F1 of the labels with texts or answers, of texts (N,) with weights or without."""
    share = np.ones(len(labels)) if weights is None else weights
    right = share @ (answers * labels)
    return float(mean_f1(right, share @ labels, share @ answers.astype(np.float64)))


def best_thresholds(scores: Floats, labels: Integers, usual: float) -> Floats:
    """Return the thresholds (L,) of scores (N, L) with the highest F1 of each label on texts with labels (N, L).

    They lie halfway between two neighbouring scores, or are the lowest score, with which every text has the label. The
    usual one is kept if none is better, and among equals the nearest to it is taken.
    """
    thresholds = np.full(scores.shape[1], usual)
    for i in range(scores.shape[1]):
        order = np.argsort(scores[:, i])
        ordered = scores[order, i]
        distinct_scores = np.unique(ordered)
        midpoints = (distinct_scores[1:] + distinct_scores[:-1]) / 2
        candidates = np.concatenate([[usual], distinct_scores[:1], midpoints])
        below = np.searchsorted(ordered, candidates)  # number of texts under each threshold
        missed_texts = np.concatenate([[0], np.cumsum(labels[order, i])])[below]
        texts = labels[:, i].sum()
        candidate_f1 = f1(texts - missed_texts, texts, len(ordered) - below)
        best_candidates = np.flatnonzero(candidate_f1 == candidate_f1.max())
        thresholds[i] = candidates[
            best_candidates[np.abs(candidates[best_candidates] - usual).argmin()]
        ]
    return thresholds


def _score_samples(
    counts: NDArray[np.int32], labels: Integers, leads: Floats, ranks: Floats
) -> Floats:
    """Return the five scores (S, 5) of S samples, each with the number of times (S, N) that it holds a text."""
    answers = (leads >= 0).astype(np.float64)
    n_labels = labels.shape[1]
    weights = counts.astype(np.float64)
    decisions = answers * labels, labels.astype(np.float64), answers
    right_counts, text_counts, answer_counts = (weights @ part for part in decisions)
    wrong = answers != labels
    size = weights.sum(axis=1)
    exact = weights @ ~wrong.any(axis=1) / size
    hamming = weights @ wrong.sum(axis=1) / (size * n_labels)
    micro = mean_f1(
        *(part.sum(axis=1, keepdims=True) for part in (right_counts, text_counts, answer_counts))
    )
    average_precisions = [
        _average_precision(counts, labels[:, i], ranks[:, i]) for i in range(n_labels)
    ]
    precision = np.stack(average_precisions, axis=1)
    present = text_counts > 0
    mean = np.where(present, precision, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    return np.stack(
        [mean_f1(right_counts, text_counts, answer_counts), micro, mean, exact, hamming], axis=1
    )


def _average_precision(counts: NDArray[np.int32], labels: Integers, leads: Floats) -> Floats:
    """Return the average precision (S,) of one label: Σ over its texts of the precision at their lead, over their sum.

    It is 0 for a sample without a text of the label.
    """
    order = np.argsort(-leads, kind="stable")
    ordered = leads[order]
    last = np.searchsorted(-ordered, -ordered, side="right") - 1  # last row of equal leads
    label_rows = np.flatnonzero(labels[order])
    ordered_counts = counts[:, order]
    above = np.cumsum(ordered_counts, axis=1)[:, last[label_rows]]  # texts with at least that lead
    hits = np.pad(np.cumsum(ordered_counts[:, label_rows], axis=1), ((0, 0), (1, 0)))
    right = hits[:, np.searchsorted(label_rows, last[label_rows], side="right")]
    total = hits[:, -1]
    precision_sums = (ordered_counts[:, label_rows] * right / np.maximum(above, 1)).sum(axis=1)
    return np.asarray(precision_sums / np.maximum(total, 1))


class MultiLabel(Task):
    """Several labels per text: a logit and a sigmoid each, the mean of their binary cross-entropies, and macro-F1."""

    name: ClassVar = "multilabel"
    measure: ClassVar = MACRO_F1
    scores: ClassVar = LabelSetScores
    loss_name = "binary cross-entropy (nats)"
    dependence: ClassVar = "{share} of texts get other labels if it returns pure noise."
    baselines: ClassVar = ("logistic_regression_ovr", "svc_ovr", "mlp")
    several: ClassVar = True

    def loss(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
        """See `Task`; ``y`` (B, L) are 0 or 1, and the loss is the mean over texts and labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        if weight is None:
            return binary_cross_entropy_with_logits(outputs, y.to(outputs.dtype))
        losses = binary_cross_entropy_with_logits(outputs, y.to(outputs.dtype), reduction="none")
        return (losses * weight[:, None]).mean()

    def gradient(self, outputs: Real, y: Tensor, weight: Tensor | None = None) -> float:
        from scipy.special import expit

        logits = outputs.astype(np.float64)
        labels = y.numpy()
        share = 1.0 if weight is None else weight.numpy()[:, None]
        losses = np.logaddexp(0.0, logits) - labels * logits
        outputs[:] = share * (expit(logits) - labels) / logits.size
        return float((losses * share).mean())

    def score(self, outputs: Tensor, y: Tensor, weight: Tensor | None = None) -> float:
        """See `Task`; a label is given if its logit is not negative."""
        share = None if weight is None else weight.numpy()
        return macro_f1(y.numpy(), (outputs >= 0).numpy(), share)

    def probabilities(self, outputs: Tensor) -> Floats:
        from scipy.special import expit

        return np.asarray(expit(outputs.double().numpy()))

    def answers(self, outputs: Tensor) -> Floats:
        return self.probabilities(outputs) - USUAL_THRESHOLD

    def values(self, labels: Integers, answers: Floats) -> dict[str, float]:
        unit_counts = np.ones((1, len(labels)), np.int32)
        scores = _score_samples(unit_counts, labels, answers, answers)[0]
        return LabelSetScores.by_name(scores)

    def value(self, labels: Integers, answers: Floats) -> float:
        return macro_f1(labels, answers >= 0)

    def paired_difference(
        self, labels: Integers, first: Floats, second: Floats, *, balanced: bool = False
    ) -> PairedDifference:
        del balanced
        # leads differ at every text, and the number of texts with other labels decides on the interval
        return bootstrap_difference(macro_f1, labels, first >= 0, second >= 0)

    def changed_share(self, first: Floats, second: Floats) -> float:
        return float(((first >= 0) != (second >= 0)).any(axis=1).mean())

    def gives(self, names: Sequence[str]) -> str:
        return f"any number of the labels {', '.join(names)}"

    def column_fault(self, targets: Sequence[str]) -> str:
        if len(targets) != 1:
            return ""
        return (
            f"label_column is {targets[0]} alone in a list. Name a column for each of two labels or more, or the "
            "column of lists by its name alone"
        )

    def mistakes(self, answers: Floats, labels: Integers) -> list[int]:
        return evenly_spaced_places(((answers >= 0) != labels).any(axis=1))

    def describe_answer(self, names: Sequence[str], answer: Any) -> tuple[str, ...]:
        has = answer >= (0 if answer.dtype.kind == "f" else 1)  # leads, or labels
        return tuple(name for name, flag in zip(names, has.tolist(), strict=True) if flag)

    def description_from_json(self, json_answer: Any) -> tuple[str, ...]:
        return tuple(map(str, json_answer))

    def labels_from_json(self, json_labels: Any, k: int) -> Integers:
        labels = self.answers_from_json(json_labels, k)
        if not np.isin(labels, (0.0, 1.0)).all():
            raise ValueError("a label is neither 0 nor 1")
        return np.asarray(labels, np.int64)


MULTILABEL = MultiLabel()
