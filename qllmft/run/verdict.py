"""What the numbers of one run imply, and nothing beyond, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.run.record import ModelResult
from qllmft.statistics import ClassScores


def percent(share: float, digits: int = 1) -> str:
    """0.825 as ``82.5``."""
    return f"{100 * share:.{digits}f}"


def verdict(models: Sequence[ModelResult]) -> str:
    """One sentence about the first model of a run's record and its baselines.

    Two heads differ where their 95 % intervals on the test set do not overlap. Where they overlap, one run shows no
    difference: that is said, and no winner is named. Compared are accuracies; where more than 60 % of the test texts
    have one label, balanced accuracies. A head that gives every text the same answer has won nothing.
    """
    head, *baselines = models
    if _constant(head):
        return (
            f"The {head.name} gives the same answer to every text, so it beats nothing: it got "
            f"{percent(head.tested.value)} % of {head.tested.total:,} test texts right, the share of that label."
        )
    score = f"{_score(head)} of {head.tested.total:,} test texts right"
    if uneven := _uneven(head):
        score = (
            f"a balanced accuracy of {_score(head)} ({percent(head.tested.value)} % of {head.tested.total:,} test "
            f"texts right, where one label has {percent(uneven.majority)} %)"
        )
    if not baselines:
        return f"The {head.name} got {score}; no baseline was trained, so there is nothing to compare it with."
    low, high = _measured(head)[1]
    above = [m for m in baselines if _measured(m)[1][0] > high]
    below = [m for m in baselines if _measured(m)[1][1] < low]
    level = [m for m in baselines if m not in above and m not in below]
    if not above and not below:
        whose = "that" if len(level) == 1 else "those"
        return (
            f"Nothing can be concluded from this one run about which head is better: the {head.name} got {score}, "
            f"and its interval overlaps {whose} of the {_names(level, intervals=False)}."
        )
    parts = []
    if above:
        parts.append(f"loses to the {_names(above)}")
    if below:
        parts.append(f"beats the {_names(below)}")
    sentence = f"In this one run the {head.name} " + " and ".join(parts) + f": it got {score}"
    if level:
        sentence += f"; nothing can be concluded about the {_names(level, intervals=False)}, where intervals overlap"
    return sentence + "."


def _uneven(model: ModelResult) -> ClassScores | None:
    """The answers class by class, where most test texts have one label."""
    return model.test_classes if model.test_classes and model.test_classes.uneven else None


def _constant(model: ModelResult) -> bool:
    return model.test_classes is not None and model.test_classes.constant


def _measured(model: ModelResult) -> tuple[float, tuple[float, float]]:
    """What models are compared by, and its 95 % interval: balanced accuracy where classes are uneven, else accuracy."""
    if uneven := _uneven(model):
        return uneven.balanced, uneven.interval
    return model.tested.value, model.tested.interval


def _score(model: ModelResult, *, interval: bool = True) -> str:
    """``82.5 % [76.6, 87.1]``, or without what is in brackets."""
    measured, (low, high) = _measured(model)
    value = f"{percent(measured)} %"
    return f"{value} [{percent(low)}, {percent(high)}]" if interval else value


def _names(models: Sequence[ModelResult], *, intervals: bool = True) -> str:
    """``SVC (84.0 %) and MLP (80.0 %)``."""
    named = [
        f"{m.name} ({_score(m, interval=intervals)}{', the same answer to every text' * _constant(m)})" for m in models
    ]
    return named[0] if len(named) == 1 else ", ".join(named[:-1]) + " and " + named[-1]
