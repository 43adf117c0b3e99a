"""Probabilities of labels: their calibration, the temperature that lowers its error, and sets of labels.

A set contains the true label with a given probability, by split-conformal prediction (Vovk, Gammerman and Shafer 2005)
with the score 1 - p of the true label (Sadinle et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks.measure import percent

MAX_TRUE_PROBABILITIES = 2_000  # of the validation texts' probabilities, at most
BINS = 10  # of equal width, on [0, 1]
FEWEST_FOR_CHANCE = 10  # texts, below which the normal approximation of `by_chance` says nothing
MIN_TEMPERATURE = 0.05
MAX_TEMPERATURE = 20.0
MIN_TEMPERATURE_TEXTS = 50  # validation texts that choose a temperature
MIN_PROBABILITY = 1e-30  # probability whose logarithm is finite in float32


@dataclass(frozen=True)
class Calibration:
    """Probabilities of a model's answers against the share of right ones, in 10 bins of equal width on [0, 1]."""

    texts: tuple[int, ...]  # number of texts by bin
    right: tuple[int, ...]  # number of right answers by bin
    confidence: tuple[float, ...]  # mean probability of the answer by bin; 0 in an empty bin
    # mean of p·(1 - p) by bin, for the probability p of the answer; 0 in an empty bin
    variance: tuple[float, ...]

    def __post_init__(self) -> None:
        if {len(bin_numbers) for bin_numbers in vars(self).values()} != {BINS} or not sum(
            self.texts
        ):
            raise ValueError(f"expected {BINS} numbers of each kind, and a text")

    @classmethod
    def from_probabilities(
        cls, probabilities: NDArray[np.floating], labels: NDArray[np.int64]
    ) -> Calibration:
        """Return the calibration of probabilities (N, k) for true labels (N,).

        >>> Calibration.from_probabilities(np.array([[0.8, 0.2], [0.7, 0.3]]), np.array([0, 1])).error
        0.449...
        """
        answers = probabilities.argmax(axis=1)
        p = probabilities[np.arange(len(answers)), answers].astype(np.float64)
        bins = np.minimum((p * BINS).astype(np.int64), BINS - 1)
        texts = np.bincount(bins, minlength=BINS)

        def mean(values: NDArray[np.float64]) -> tuple[float, ...]:
            sums = np.bincount(bins, values, minlength=BINS)
            return tuple(float(total) for total in sums / np.maximum(texts, 1))

        right = np.bincount(bins, answers == labels, minlength=BINS)
        return cls(tuple(map(int, texts)), tuple(map(int, right)), mean(p), mean(p * (1.0 - p)))

    @property
    def error(self) -> float:
        """Return the expected calibration error in [0, 1] (Naeini et al. 2015).

        It is the mean distance of a bin's mean probability from its share of right answers, weighted by its texts.
        """
        parts = zip(self.texts, self.right, self.confidence, strict=True)
        return math.fsum(abs(right - n * p) for n, right, p in parts) / sum(self.texts)

    @property
    def by_chance(self) -> float:
        """Return the error that exactly calibrated probabilities would have on so many texts, on average.

        It is the mean distance of a binomial share from its expectation, in the normal approximation.
        """
        parts = zip(self.texts, self.variance, strict=True)
        spread = math.fsum(math.sqrt(n * variance) for n, variance in parts)
        return math.sqrt(2.0 / math.pi) * spread / sum(self.texts)

    def __str__(self) -> str:
        if sum(self.texts) < FEWEST_FOR_CHANCE:
            return f"{percent(self.error)} points"
        chance = f"Perfect calibration would give about {percent(self.by_chance)} here"
        conclusion = ", so no miscalibration is visible" if self.error <= self.by_chance else ""
        return f"{percent(self.error)} points. {chance}{conclusion}"

    def as_dict(self) -> dict[str, object]:
        """Return the bins as JSON values, with both errors for people who read the file."""
        errors = {"error": self.error, "by_chance": self.by_chance}
        return {**errors, **{name: list(n) for name, n in vars(self).items()}}


def best_temperature(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Return the divisor of logits (N, k) with the least cross-entropy for labels (N,), from 0.05 to 20 (Guo 2017).

    If all labels are right, the cross-entropy falls with the divisor and has no least value. Each label is then true
    with the probability (N + 1)/(N + k), by Laplace's rule of succession, and each other label with 1/(N + k).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    n, k = logits.shape
    double_logits = logits.astype(np.float64)
    targets = np.eye(k)[labels]
    true_logits = double_logits[np.arange(n), labels]
    if (true_logits >= double_logits.max(axis=1)).all():
        targets = (n * targets + 1.0) / (n + k)

    def loss(log_temperature: float) -> float:
        log_probabilities = log_softmax(double_logits / math.exp(log_temperature), axis=1)
        return float(-(targets * log_probabilities).sum(axis=1).mean())

    limits = math.log(MIN_TEMPERATURE), math.log(MAX_TEMPERATURE)
    optimum = minimize_scalar(loss, bounds=limits, method="bounded", options={"xatol": 1e-6})
    return math.exp(float(optimum.x))


def logits_of(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return logits (N, k) whose softmax are probabilities (N, k)."""
    return np.asarray(np.log(np.maximum(probabilities, MIN_PROBABILITY)))


def divide_logits(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.floating]:
    """Return the probabilities (N, k) of logits that are divided by a temperature.

    >>> divide_logits(np.array([[0.8, 0.2]]), 2.0).round(4).tolist()
    [[0.6667, 0.3333]]
    """
    powers = np.maximum(probabilities, MIN_PROBABILITY) ** (1.0 / temperature)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def true_probabilities(
    probabilities: NDArray[np.floating], labels: NDArray[np.int64]
) -> tuple[float, ...]:
    """Return the probabilities of the true labels in ascending order.

    Of more than `MAX_TRUE_PROBABILITIES` texts they are as many quantiles.

    Args:
        probabilities: (N, k) of validation texts.
        labels: (N,) their true labels.
    """
    sorted_probabilities = np.sort(probabilities[np.arange(len(labels)), labels].astype(np.float64))
    if len(sorted_probabilities) > MAX_TRUE_PROBABILITIES:
        sorted_probabilities = sorted_probabilities[
            np.linspace(0, len(sorted_probabilities) - 1, MAX_TRUE_PROBABILITIES)
            .round()
            .astype(np.int64)
        ]
    return tuple(sorted_probabilities.tolist())


def fewest_texts(coverage: float) -> int:
    """Return the least number of validation texts for sets that are not always all labels.

    >>> fewest_texts(0.9), fewest_texts(0.95)
    (9, 19)
    """
    return math.ceil(round(coverage / (1.0 - coverage), 9))


def least_probability(calibration_probabilities: Sequence[float], coverage: float) -> float:
    """Return the least probability of a label in a set.

    New texts' sets contain the true label with a probability of ``coverage`` or more, over draws of both the kept and
    the new texts, if these are exchangeable.

    Args:
        calibration_probabilities: n values of `true_probabilities`.
        coverage: above 0 and below 1.

    Returns:
        The probability; 0 if n is below `fewest_texts`, so that sets are all labels.
    """
    rank = math.ceil(round((len(calibration_probabilities) + 1) * coverage, 9))
    return (
        0.0
        if rank > len(calibration_probabilities)
        else calibration_probabilities[len(calibration_probabilities) - rank]
    )
