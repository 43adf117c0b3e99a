"""Labels of a machine to believe: calibration texts among the measured ones, and what they show.

A calibration text is measured as the others are, and its exact answer is computed here. It trained nothing, as the
texts to answer: the leads that the machine overstates for it are, up to chance, those that it overstates for the
others. Training texts have larger leads, which hide the errors. That gives a p-value for
"this label is not the exact model's" (conformal: Jin and Candès, *Selection by prediction with conformal p-values*,
JMLR 24, 2023), and the labels that the procedure of Benjamini and Hochberg selects are decided.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qllmft.answers.probabilities import LabelProbabilities, leads
from qllmft.config.data import MIN_CALIBRATION_TEXTS
from qllmft_base.errors import UserError

KNOWN_TEXTS = 60  # of 60, one may overstate a lead by more if two thirds of the texts are decided
MIN_TEXTS = 4 * KNOWN_TEXTS  # of a call, of which known texts are then a fifth of the circuits
# expected share of decided labels that differ from the exact model's, at most; the least p-value of fewer than
# `MIN_CALIBRATION_TEXTS` is above it
WRONG_SHARE = 0.05
ROUNDING = 1e-12  # of a corrected p-value, which may equal the share exactly

_PARTS_OF_SEED = (
    16  # of the texts; of each, two entries of a sum would have to be equal but for rounding
)


def check_known_texts(count: int) -> None:
    """Raise UserError for a number of known texts that cannot decide a label."""
    if count != 0 and count < MIN_CALIBRATION_TEXTS:
        raise UserError(
            f"--known-texts is {count}, expected {MIN_CALIBRATION_TEXTS} or more, or 0 for none. With fewer, no label "
            f"is reliable at an error rate of {WRONG_SHARE:.0%}. The usual number is {KNOWN_TEXTS}."
        )


def shortage_sentence(available: int, wanted: int) -> str:
    """Return why fewer labels are decided than with the wanted number of known texts, "" if there are as many.

    >>> shortage_sentence(30, 60)
    'Fewer labels are reliable: the run has 30 of 60 calibration texts.'
    """
    if available >= wanted:
        return ""
    return f"Fewer labels are reliable: the run has {available} of {wanted} calibration texts."


@dataclass(frozen=True)
class MixedTexts:
    """Texts to answer, with texts of known answers at random places among them."""

    vectors: NDArray[np.float32]  # (N + K, D)
    known_mask: NDArray[np.bool_]  # (N + K,)
    shortage: str = ""  # why there are fewer known texts than wanted; "" if there are as many


def mix_known_texts(
    vectors: NDArray[np.float32], candidates: NDArray[np.float32], count: int
) -> MixedTexts:
    """Return texts with known ones among them, one in each of ``count`` parts of equal size.

    The choice and the places follow from the texts: the same call has the same, another one others. They do not follow
    from the rounding of embeddings, so a call that another machine continues has the same, too.

    Args:
        vectors: embeddings (N, D) to answer.
        candidates: embeddings (M, D) of calibration texts.
        count: K, number of known texts, M at most.
    """
    rng = np.random.default_rng(_seed_of_texts(vectors))
    candidate_rows = rng.permutation(len(candidates))[:count]
    known_mask = np.zeros(len(vectors) + count, bool)
    known_mask[[rng.choice(part) for part in np.array_split(np.arange(len(known_mask)), count)]] = (
        True
    )
    mixed_vectors = np.empty((len(known_mask), vectors.shape[1]), np.float32)
    mixed_vectors[known_mask] = candidates[candidate_rows]
    mixed_vectors[~known_mask] = vectors
    return MixedTexts(mixed_vectors, known_mask)


def _seed_of_texts(vectors: NDArray[np.float32]) -> list[int]:
    """Return numbers that other embeddings (N, D) change, and other rounding does not: largest entries of sums."""
    parts = np.array_split(vectors.astype(np.float64), min(_PARTS_OF_SEED, max(1, len(vectors))))
    return [len(vectors), *(int(np.abs(part.sum(axis=0)).argmax()) for part in parts)]


def decide_by_known_texts(
    measured: LabelProbabilities, exact: LabelProbabilities, known_mask: NDArray[np.bool_]
) -> LabelProbabilities:
    """Return the answers to the texts that are not known, decided by those that are.

    A lead is divided by its scale: by the shots behind it, and by the machine's errors as the known texts show them. If
    all texts have the same scale, the expected share of decided labels that differ from the exact model's is
    `WRONG_SHARE` at most. With several scales the bound is approximate, because the same texts estimate them.

    Args:
        measured: answers to N + K texts.
        exact: exact answers to the K known ones.
        known_mask: (N + K,) whether a text is known.
    """
    from scipy.stats import false_discovery_control  # slow, and exact backends do not need it

    lead = measured.least_lead
    errors = measured.lead_errors
    assert errors is not None
    assert exact.logits is not None
    true_leads = leads(exact.logits, measured.sets[known_mask], measured.thresholds).min(axis=1)
    overstated = lead[known_mask] - true_leads
    scale = np.sqrt(errors**2 + machine_variance(overstated, errors[known_mask]))
    scale = np.where(scale > 0, scale, 1.0)
    p = p_values(lead[~known_mask] / scale[~known_mask], overstated / scale[known_mask])
    answers = measured.take(~known_mask)
    decided = false_discovery_control(p) <= WRONG_SHARE + ROUNDING
    return replace(answers, decided=decided, known_texts=int(known_mask.sum()))


def machine_variance(overstated: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """Return the variance of overstated leads (K,) that their standard errors (K,) leave unexplained.

    It is 0 if the errors explain them at the level of 5 %.
    """
    from scipy.stats import chi2

    in_errors = np.square(overstated) / np.maximum(np.square(errors), 1e-300)
    if in_errors.sum() <= chi2.ppf(0.95, len(errors)):
        return 0.0
    return max(0.0, float(np.mean(np.square(overstated) - np.square(errors))))


def p_values(leads: NDArray[np.float64], overstated: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return conformal p-values (N,) of the hypotheses that labels with these leads (N,) are wrong.

    A wrong label's lead is overstated by all of it or more, as are those of a share of the known texts.

    >>> p_values(np.array([0.1, 0.5]), np.array([0.0, 0.2, 0.3]))
    array([0.75, 0.25])
    """
    n_above = len(overstated) - np.searchsorted(np.sort(overstated), leads, side="left")
    return np.asarray((1 + n_above) / (len(overstated) + 1))
