"""Choice of settings by the score that judges: folds of the training texts, and a search over strengths.

Every row of a table is chosen this way, the quantum head as its baselines are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qllmft.tasks import Task
from qllmft.tasks.multilabel import best_thresholds

if TYPE_CHECKING:
    from qllmft.training.examples import Examples

FOLDS = 5
# texts above which one fold alone is held out: its thousand texts and more tell settings apart, and each fit takes long
MAX_FOLDED_TEXTS = 5_000
# texts times labels above which it is one fold too: a fit with 150 labels takes seconds
MAX_FOLDED_OUTPUTS = 200_000
# texts on which each setting of a search is fitted, at most; the chosen one is fitted on all: docs/decisions/0035
MAX_FIT_TEXTS = 20_000
# of C by the score that judges before the search goes on, of the head and of logistic regression beside it
LOGISTIC_STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
MAX_EXTRA_STRENGTHS = 4  # strengths beyond each end of a grid, at most
# of logistic regression, where a limit is none of the settings that are searched
MAX_ITERATIONS = 1000
SCORE_DIGITS = 9  # of a score; the sums of equal ones may differ in the last bits
Settings = dict[str, Any]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class Part(NamedTuple):
    """Texts to fit on, and other texts to judge the fitted model on."""

    train: Examples
    held_out: Examples


class Judgement(NamedTuple):
    """Score of held-out outputs, and the thresholds with which several labels have it."""

    score: float
    thresholds: Floats | None = None  # (L,); None unless texts have several labels


class Trial(NamedTuple):
    """Settings with their judgement."""

    settings: Settings
    judgement: Judgement


def split_rows(task: Task, y: NDArray[Any]) -> list[tuple[Rows, Rows]]:
    """Return rows to fit on and rows to hold out, for each fold of the training texts.

    Each label has its share of the texts in every fold. More than `MAX_FOLDED_TEXTS` texts have one fold, and so have
    more than `MAX_FOLDED_OUTPUTS` for all labels together. Its rows to fit on are at most `MAX_FIT_TEXTS`. There is no
    fold if a label has fewer than two texts, or there are fewer than two texts.

    Args:
        task: meaning of ``y``.
        y: labels (N,), targets (N, T) or several labels (N, L).
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    count = FOLDS
    if task.one_label:
        count = min(count, int(np.unique(y, return_counts=True)[1].min()))
    count = min(count, len(y))
    if count < 2:
        return []
    if task.several:
        folds = deal_rows(y, count)
        rows = [(np.flatnonzero(folds != i), np.flatnonzero(folds == i)) for i in range(count)]
    else:
        splitter = (StratifiedKFold if task.one_label else KFold)(
            count, shuffle=True, random_state=0
        )
        rows = list(splitter.split(y, y if task.one_label else None))
    labels = y.shape[1] if task.several else 1
    if task.one_label:
        labels = len(np.unique(y))
    is_large = len(y) > MAX_FOLDED_TEXTS or len(y) * labels > MAX_FOLDED_OUTPUTS
    if not is_large:
        return rows
    fit_rows, held_out_rows = rows[0]
    return [(_draw_rows(task, y, fit_rows), held_out_rows)]


def _draw_rows(task: Task, y: NDArray[Any], rows: Rows) -> Rows:
    """Return at most `MAX_FIT_TEXTS` of ``rows``, in their order, with a text of each label."""
    if len(rows) <= MAX_FIT_TEXTS:
        return rows
    drawn = np.random.default_rng(0).permutation(rows)
    if task.one_label:
        _, firsts = np.unique(y[drawn], return_index=True)
        drawn = np.concatenate([drawn[firsts], np.delete(drawn, firsts)])
    return np.sort(drawn[:MAX_FIT_TEXTS])


def deal_rows(y: NDArray[np.int64], count: int) -> Rows:
    """Return the fold (N,) of each text with several labels (N, L).

    The texts of a label, the rarest label first, go one by one to the fold that has the fewest of them.
    """
    order = np.random.default_rng(0).permutation(len(y))
    folds = np.full(len(y), -1)
    for label in np.argsort(y.sum(axis=0), kind="stable"):
        has_label = y[:, label] == 1
        sizes = np.bincount(folds[has_label & (folds >= 0)], minlength=count)
        for row in order[(has_label & (folds < 0))[order]]:
            folds[row] = sizes.argmin()
            sizes[folds[row]] += 1
    remaining_rows = order[folds[order] < 0]
    folds[remaining_rows] = np.arange(len(remaining_rows)) % count
    return folds


def split_examples(examples: Examples) -> list[Part]:
    """Return the parts of `split_rows`."""
    rows = split_rows(examples.task, examples.y.numpy())
    return [
        Part(examples.take(fit_rows), examples.take(held_out_rows))
        for fit_rows, held_out_rows in rows
    ]


def judge_outputs(
    task: Task,
    train_labels: NDArray[Any],
    labels: Sequence[NDArray[Any]],
    answers: Sequence[NDArray[Any]],
    usual_threshold: float | None = None,
) -> Judgement:
    """Return the judgement on held-out answers.

    Args:
        task: meaning of labels and answers.
        train_labels: all training labels or targets, which decide on the measure.
        labels: true labels or targets of each part.
        answers: to the texts of each part; of several labels the scores, such as probabilities.
        usual_threshold: the threshold of several labels if no other one is better; None: answers are leads, and no
            threshold is chosen.
    """
    truth = np.concatenate(labels)
    outputs = np.concatenate(answers)
    thresholds = None
    if task.several and usual_threshold is not None:
        thresholds = best_thresholds(outputs, truth, usual_threshold)
        outputs = outputs - thresholds
    return Judgement(round(task.judge(train_labels)(truth, outputs), SCORE_DIGITS), thresholds)


def with_class_weights(grid: Sequence[Settings]) -> list[Settings]:
    """Return all settings without class weights, and then all with scikit-learn's balanced ones."""
    weights = (None, "balanced")
    return [{**settings, "class_weight": weight} for weight in weights for settings in grid]


def ignore_trial(_done: int) -> None:
    """Do nothing."""


def search_settings(
    grid: Sequence[Settings],
    judge: Callable[[Settings], Judgement],
    strength: str | None = None,
    threads: int = 1,
    on_trial: Callable[[int], None] = ignore_trial,
) -> list[Trial]:
    """Return the trials of a search, of equal other settings the most regularised first; see `best_trial`.

    >>> trials = search_settings([{"C": 1.0}, {"C": 3.0}], lambda s: Judgement(-abs(s["C"] - 30)), "C")
    >>> [trial.settings["C"] for trial in trials]
    [1.0, 3.0, 9.0, 27.0, 81.0]

    Args:
        grid: settings, the most regularised first.
        judge: returns the judgement of settings.
        strength: setting whose values go on in their steps, up to `MAX_EXTRA_STRENGTHS` of them, while an end of the
            values is better than all others; None: none.
        threads: in which the settings of the grid are judged at the same time.
        on_trial: receives the number of settings of the grid that are judged, in the calling thread.
    """
    grid_trials: list[Trial] = []
    with ThreadPoolExecutor(threads) as pool:
        for trial in pool.map(lambda settings: Trial(settings, judge(settings)), grid):
            grid_trials.append(trial)
            on_trial(len(grid_trials))
    if strength is None:
        return grid_trials
    families = []
    for settings in grid:
        family = {**settings, strength: None}
        if family not in families:
            families.append(family)
    trials = []
    for family in families:
        family_trials = [
            trial for trial in grid_trials if {**trial.settings, strength: None} == family
        ]
        trials += _continue_strengths(family_trials, strength, judge)
    return trials


def best_trial(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the highest score, the first of equals."""
    return max(trials, key=lambda trial: trial.judgement.score)


def _continue_strengths(
    trials: Sequence[Trial], strength: str, judge: Callable[[Settings], Judgement]
) -> list[Trial]:
    """Return trials that differ in a strength alone, and those of further values beyond an end that is the best."""
    trials = list(trials)
    for _ in ("upwards", "downwards"):
        for _ in range(MAX_EXTRA_STRENGTHS if len(trials) > 1 else 0):
            *inner_scores, end_score = [trial.judgement.score for trial in trials]
            if end_score <= max(inner_scores):
                break
            strengths = [trial.settings[strength] for trial in trials]
            settings = {**trials[-1].settings, strength: next_strength(strengths)}
            trials.append(Trial(settings, judge(settings)))
        trials.reverse()
    return trials


def next_strength(strengths: Sequence[float]) -> float:
    """Return the number that continues strengths in their steps.

    >>> next_strength([1.0, 3.0, 10.0]), next_strength([3.0, 10.0, 30.0]), next_strength([1.0, 10.0])
    (30.0, 100.0, 100.0)
    """
    *_, previous, last = strengths
    if len(strengths) > 2:  # two steps together are a constant factor
        return float(f"{previous * last / strengths[-3]:.6g}")
    return float(f"{last * last / previous:.6g}")
