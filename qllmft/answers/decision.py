"""Answer for one text, and the rule that turns probabilities into it: a threshold and a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.probabilities import LabelProbabilities
from qllmft.embed.reading import MOSTLY_UNKNOWN_SHARE
from qllmft.tasks.calibration import fewest_texts, least_probability
from qllmft.tasks.measure import percent
from qllmft_base.errors import UserError
from qllmft_base.text import format_count


@dataclass(frozen=True)
class Prediction:
    """Answer for one text."""

    text: str
    label: str  # name of the most probable label
    # by label name; softmax of the logits, or a sigmoid each if texts have several
    probabilities: dict[str, float]
    standard_error: float = 0.0  # of the label's probability; 0 if the head was computed exactly
    # whether the lead of the label exceeds its 95 % interval at this number of shots
    decided: bool = True
    unsure: bool = False  # whether the lead of the label is below the asked margin
    labels: tuple[str, ...] = ()  # names of all labels of the text
    several: bool = False  # whether a text can have any number of labels
    # probability that `labels` contain the true one; None: they are the answer
    coverage: float | None = None
    unlike: bool = False  # whether the text is unlike the training texts, see `Novelty`
    # share of the text's tokens that the language model does not know, in [0, 1]
    unknown: float = 0.0
    cut: bool = False  # whether the language model does not read its end

    @property
    def mostly_unknown(self) -> bool:
        """Return whether the language model does not know half of the text's tokens or more."""
        return self.unknown >= MOSTLY_UNKNOWN_SHARE

    def as_dict(self, *, measured: bool = False) -> dict[str, Any]:
        """Return label or labels and probabilities for JSON, and if ``measured`` the statistical error."""
        labels = list(self.labels)
        record: dict[str, Any] = {"labels": labels} if self.several else {"label": self.label}
        if self.coverage is not None:
            record |= {"set": labels, "coverage": self.coverage}
        if self.unlike:
            record["unlike"] = True
        if self.unknown:
            record["unknown"] = round(self.unknown, 6)
        if self.cut:
            record["cut"] = True
        record["probabilities"] = {name: round(p, 6) for name, p in self.probabilities.items()}
        if measured:
            record |= {"standard_error": round(self.standard_error, 6), "decided": self.decided}
        return record | ({"unsure": True} if self.unsure else {})


@dataclass(frozen=True)
class TargetPrediction:
    """Values of one text."""

    text: str
    values: dict[str, float]  # by the target's name


@dataclass(frozen=True)
class Decision:
    """Threshold for the second of two labels or for each of several labels per text, and least lead of an answer.

    With a threshold t the lead is that of p over t: |p - t|, divided by the larger of t and 1 - t.
    """

    # least probability of the second label, or of each of several; None: the most probable label,
    # or the model's own
    threshold: float | None = None
    margin: float = 0.0  # least lead in probability; a smaller one is no answer
    coverage: float | None = None  # probability that a text's set of labels contains the true one
    # share of the validation texts beyond whose distance a text counts as unlike the training texts
    novelty: float | None = None

    def check(self, label_names: Sequence[str], *, several: bool = False) -> None:
        """Raise UserError for numbers outside of (0, 1), or what does not fit the labels, or ``several`` per text."""
        if several and self.margin:
            raise UserError(
                "a margin is for models of one label per text, and this one gives any number. Leave it out, or use a "
                "threshold."
            )
        if not 0.0 <= self.margin < 1.0:
            raise UserError(
                f"the margin is {self.margin:g}, expected a difference of probabilities, from 0 to below 1."
            )
        if several and self.coverage is not None:
            raise UserError(
                "a coverage is for models of one label per text, and this one gives any number. Leave it out."
            )
        for name in ("coverage", "threshold"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise UserError(
                    f"the {name} is {value:g}, expected a probability above 0 and below 1."
                )
        if self.threshold is not None and self.coverage is not None:
            raise UserError(
                "a coverage makes sets by probabilities, and a threshold decides by itself. Give one of them."
            )
        if self.threshold is not None and len(label_names) != 2 and not several:
            raise UserError(
                f"the model has {len(label_names)} labels, and a threshold is for two. Leave it out, or use a margin."
            )

    def sets(
        self, probabilities: NDArray[np.floating], true_probabilities: Sequence[float] | None
    ) -> NDArray[np.bool_]:
        """Return the labels (N, k) in the set of each text; the most probable one is in it always.

        Args:
            probabilities: (N, k).
            true_probabilities: see `true_probabilities`; None if the model has none.

        Raises:
            UserError: if the model has none, or too few for the coverage.
        """
        coverage = float(self.coverage or 0.0)
        if true_probabilities is None or len(true_probabilities) < fewest_texts(coverage):
            count_text = "none" if true_probabilities is None else f"{len(true_probabilities)}"
            raise UserError(
                f"a coverage of {coverage:g} needs the probabilities of {fewest_texts(coverage)} validation texts or "
                f"more, and the model has {count_text}. Train it with more texts, or ask for a lower coverage."
            )
        within = probabilities >= least_probability(true_probabilities, coverage)
        within[np.arange(len(within)), probabilities.argmax(axis=1)] = True
        return np.asarray(within)

    def labels(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """Return the index (N,) of the answer for probabilities (N, k)."""
        if self.threshold is None:
            return np.asarray(probabilities.argmax(axis=1), np.int64)
        return (probabilities[:, 1] >= self.threshold).astype(np.int64)

    def answers(self, label_probabilities: LabelProbabilities) -> NDArray[Any]:
        """Return the index (N,) of each answer, or the leads (N, L) over the thresholds of several labels per text."""
        if label_probabilities.thresholds is None:
            return self.labels(label_probabilities.probabilities)
        return np.asarray(label_probabilities.probabilities - label_probabilities.thresholds)

    def unsure(self, probabilities: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Return whether (N,) the lead of the answer is below the margin."""
        if not self.margin:
            return np.zeros(len(probabilities), bool)
        if (t := self.threshold) is not None:
            lead = abs(probabilities[:, 1] - t) / max(t, 1.0 - t)
            return np.asarray(lead < self.margin)
        ordered = np.sort(probabilities, axis=1)
        return np.asarray(ordered[:, -1] - ordered[:, -2] < self.margin)


MOST_PROBABLE = Decision()


def abstention_sentence(unsure: int, total: int, margin: float) -> str:
    """Return the sentence on the texts without an answer.

    >>> abstention_sentence(3, 20, 0.2)
    'Abstained on 3 of 20 texts (15.0 %), whose margin is below 0.2.'
    """
    share_text = f"{unsure:,} of {format_count(total, 'text')} ({percent(unsure / total)} %)"
    return f"Abstained on {share_text}, whose margin is below {margin:g}."
