"""What the numbers of one run imply, and nothing beyond, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.run.record import ModelResult


def percent(share: float, digits: int = 1) -> str:
    """0.825 as ``82.5``."""
    return f"{100 * share:.{digits}f}"


def verdict(models: Sequence[ModelResult]) -> str:
    """One sentence about the first model of a run's record and its rivals.

    Two heads differ where their 95 % intervals on the test set do not overlap. Where they overlap, one run shows no
    difference: that is said, and no winner is named.
    """
    head, *rivals = models
    score = f"{_score(head)} of {head.tested.total:,} test texts right"
    if not rivals:
        return f"The {head.name} got {score}; no rival was trained, so there is nothing to compare it with."
    above = [m for m in rivals if m.tested.interval[0] > head.tested.interval[1]]
    below = [m for m in rivals if m.tested.interval[1] < head.tested.interval[0]]
    level = [m for m in rivals if m not in above and m not in below]
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


def _score(model: ModelResult, *, interval: bool = True) -> str:
    """``82.5 % [76.6, 87.1]``, or without what is in brackets."""
    low, high = model.tested.interval
    value = f"{percent(model.tested.value)} %"
    return f"{value} [{percent(low)}, {percent(high)}]" if interval else value


def _names(models: Sequence[ModelResult], *, intervals: bool = True) -> str:
    """``SVC (84.0 %) and MLP (80.0 %)``."""
    named = [f"{m.name} ({_score(m, interval=intervals)})" for m in models]
    return named[0] if len(named) == 1 else ", ".join(named[:-1]) + " and " + named[-1]
