"""One sentence that states only what the numbers of one run imply."""

from __future__ import annotations

from collections.abc import Sequence

from qllmft.run.record import ModelResult
from qllmft.tasks.accuracy import ClassScores
from qllmft.tasks.measure import percent


def headline(models: Sequence[ModelResult]) -> str:
    """Return the title of a run's page, a few words that imply no more than `verdict`."""
    head, *baselines = models
    if _constant(head):
        return "The same answer to every text"
    if not baselines:
        return "No baseline to compare with"
    above, below, _ = _sides(head, baselines)
    if above and below:
        return "Better than some baselines, worse than others"
    if not above and not below:
        return "No clear winner"
    sided = above or below
    named = (
        f"the {sided[0].name}" if len(sided) == 1 else f"{len(sided)} of {len(baselines)} baselines"
    )
    return f"The {_subject(head)} {'loses to' if above else 'beats'} {named}"


def verdict(models: Sequence[ModelResult]) -> str:
    """Return a sentence on the first model of a run's record and its baselines.

    Two heads differ if their 95 % intervals on the test set do not overlap. If they overlap, the sentence states that
    one run shows no difference. Accuracies are compared, or balanced accuracies if more than 60 % of the test texts
    have one label; of real targets R², of several labels per text macro-F1. A head that gives every text the same
    answer beats nothing.
    """
    head, *baselines = models
    if _constant(head):
        return (
            f"The {_subject(head)} gives the same answer to every text, so it beats nothing: it got "
            f"{percent(head.tested.value)} % of {head.tested.total:,} test texts right, the share of that label."
        )
    texts = f"{head.tested.total:,} test texts"
    counts = head.tested.measure.in_percent
    score = f"{_score(head)} of {texts} right" if counts else f"{_score(head)} on {texts}"
    if uneven := _uneven(head):
        score = (
            f"a balanced accuracy of {_score(head)} ({percent(head.tested.value)} % of {head.tested.total:,} test "
            f"texts right, where one label has {percent(uneven.majority)} %)"
        )
    if not baselines:
        return f"The {_subject(head)} got {score}; no baseline was trained, so there is nothing to compare it with."
    above, below, level = _sides(head, baselines)
    if not above and not below:
        interval = "that" if len(level) == 1 else "those"
        return (
            f"Nothing can be concluded from this one run about which head is better: the {_subject(head)} got {score}, "
            f"and its interval overlaps {interval} of the {_names(level, intervals=False)}."
        )
    parts = []
    if above:
        parts.append(f"loses to the {_names(above)}")
    if below:
        parts.append(f"beats the {_names(below)}")
    sentence = f"In this one run the {_subject(head)} " + " and ".join(parts) + f": it got {score}"
    if level:
        sentence += f"; nothing can be concluded about the {_names(level, intervals=False)}, as their intervals overlap"
    return sentence + "."


def _sides(head: ModelResult, baselines: Sequence[ModelResult]) -> tuple[list[ModelResult], ...]:
    """Return the baselines with an interval above that of the head, below it, and overlapping it."""
    low, high = _measured(head)[1]
    above = [m for m in baselines if _measured(m)[1][0] > high]
    below = [m for m in baselines if _measured(m)[1][1] < low]
    return above, below, [m for m in baselines if m not in above and m not in below]


def _uneven(model: ModelResult) -> ClassScores | None:
    """Return the answers class by class, or None unless most test texts have one label."""
    return model.test_classes if model.test_classes and model.test_classes.uneven else None


def _subject(model: ModelResult) -> str:
    """Return the name of a model before a verb: a second comma ends an apposition, as of ``quantum head, odd``."""
    return f"{model.name}," if ", " in model.name and not model.name.startswith("`") else model.name


def _constant(model: ModelResult) -> bool:
    return model.test_classes is not None and model.test_classes.constant


def _measured(model: ModelResult) -> tuple[float, tuple[float, float]]:
    """Return the compared value and its 95 % interval: balanced accuracy if classes are uneven, else accuracy."""
    if uneven := _uneven(model):
        return uneven.balanced, uneven.interval
    return model.tested.value, model.tested.interval


def _score(model: ModelResult, *, interval: bool = True) -> str:
    """Return ``82.5 % [76.6, 87.1]``, or ``82.5 %`` without the interval."""
    value, ends = _measured(model)
    measure = model.tested.measure
    name = "" if measure.in_percent else f"{measure.name} = "
    found = name + measure.percent(value, measure.coarse)
    return f"{found} [{measure.ends(ends)}]" if interval else found


def _names(models: Sequence[ModelResult], *, intervals: bool = True) -> str:
    """Return ``SVC (84.0 %) and MLP (80.0 %)``."""
    named = [
        f"{m.name} ({_score(m, interval=intervals)}{', the same answer to every text' * _constant(m)})"
        for m in models
    ]
    return named[0] if len(named) == 1 else ", ".join(named[:-1]) + " and " + named[-1]
