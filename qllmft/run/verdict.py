"""One sentence that states only what the paired tests of one run imply."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from qllmft.run.record import AgainstHead, ModelResult
from qllmft.tasks.accuracy import ClassScores
from qllmft.tasks.measure import Measure, percent
from qllmft.tasks.statistics import holm

ALPHA = 0.05  # of a test, after Holm's correction over the baselines


class Compared(NamedTuple):
    """Comparison of a run's head with a baseline on the same test texts."""

    model: ModelResult
    found: AgainstHead
    p: float  # of no difference, after Holm's correction
    equal_p: float  # of a difference as large as the margin, after Holm's correction
    least: float  # true difference that would have been found with 80 % power

    @property
    def outcome(self) -> Literal["better", "worse", "equal", "open"]:
        """Return what the tests imply about the head."""
        if self.p < ALPHA:
            return "better" if self.found.value > 0 else "worse"
        return "equal" if self.equal_p < ALPHA else "open"


def compare(models: Sequence[ModelResult]) -> list[Compared]:
    """Return the comparisons of the first model with those of the others that were tested."""
    pairs = [(model, model.against_head) for model in models[1:] if model.against_head]
    if not pairs:
        return []
    measure = models[0].tested.measure
    p_values = holm([found.p for _, found in pairs])
    equal = holm([found.equivalence_p(measure.margin / measure.factor) for _, found in pairs])
    return [
        Compared(model, found, p or 0.0, q or 0.0, found.detectable(ALPHA / len(pairs)))
        for (model, found), p, q in zip(pairs, p_values, equal, strict=True)
    ]


def headline(models: Sequence[ModelResult]) -> str:
    """Return the title of a run's page, a few words that imply no more than `verdict`."""
    head = models[0]
    if _constant(head):
        return "The same answer to every text"
    if not (compared := compare(models)):
        return "No baseline to compare with"
    worse, better, equal = (
        [each for each in compared if each.outcome == name] for name in ("worse", "better", "equal")
    )
    if worse and better:
        return "Better than some baselines, worse than others"
    if not worse and not better:
        margin = head.tested.measure.within(head.tested.measure.margin)
        return f"Equal within {margin}" if len(equal) == len(compared) else "No clear winner"
    sided = worse or better
    named = (
        f"the {sided[0].model.name}"
        if len(sided) == 1
        else f"{len(sided)} of {len(compared)} baselines"
    )
    return f"The {_subject(head)} {'loses to' if worse else 'beats'} {named}"


def verdict(models: Sequence[ModelResult]) -> str:
    """Return a sentence on the first model of a run's record and its baselines.

    Each difference is paired by text: McNemar's test of accuracies, and a bootstrap of balanced accuracies, if more
    than 60 % of the test texts have one label, of R² and of macro-F1; p is corrected over the baselines. A difference
    that is not found is "equal" if two one-sided tests place it within the margin of the score, and otherwise open,
    with the least difference that would have been found. A head that gives every text the same answer beats nothing.
    """
    head = models[0]
    if _constant(head):
        return (
            f"The {_subject(head)} gives the same answer to every text, so it beats nothing: it got "
            f"{percent(head.tested.value)} % of {head.tested.total:,} test texts right, the share of that label."
        )
    score = _score_in_words(head)
    if not (compared := compare(models)):
        reason = (
            "the answers of the models were not kept, so they are not compared"
            if len(models) > 1
            else "no baseline was trained, so there is nothing to compare it with"
        )
        return f"The {_subject(head)} got {score}; {reason}."
    found = {
        name: [each for each in compared if each.outcome == name]
        for name in ("worse", "better", "equal", "open")
    }
    measure = head.tested.measure
    parts = [f"loses to the {_named(each)}" for each in found["worse"]]
    parts += [f"beats the {_named(each)}" for each in found["better"]]
    if found["equal"]:
        names = _listed([each.model.name for each in found["equal"]])
        parts.append(f"is equal to the {names} within {measure.within(measure.margin)}")
    left = _open(found["open"], measure) if found["open"] else ""
    if not parts:
        return (
            f"Nothing can be concluded from this one run about which head is better: the {_subject(head)} got {score}, "
            f"and paired by text {left}."
        )
    sentence = (
        f"In this one run, paired by text, the {_subject(head)} {_listed(parts)}: it got {score}"
    )
    return f"{sentence}; {left}." if left else f"{sentence}."


def advice(models: Sequence[ModelResult], kept: Collection[str]) -> tuple[str, str]:
    """Return a sentence on the model to use, and that model's name, or two empty strings.

    The model is one of the baselines in ``kept`` that the head does not beat, with the highest validation score, and if
    the head loses to some, one of those.
    """
    found = [each for each in compare(models) if each.model.name in kept]
    left = [each for each in found if each.outcome == "worse"] or [
        each for each in found if each.outcome in ("equal", "open")
    ]
    if not left:
        return "", ""
    best = max(left, key=lambda each: each.model.validation.value)
    name, head = best.model.name, _subject(models[0])
    measure = models[0].tested.measure
    words = {
        "worse": f"The {name} is better here",
        "equal": f"The {name} is as good here, within {measure.within(measure.margin)}",
        "open": f"The {name} is not told apart from the {head} here",
    }[best.outcome]
    return f"{words}; the {head} is kept because you asked for one.", name


def _named(each: Compared) -> str:
    """Return ``SVC (84.72 %) by 4.0 points [2.1, 5.9], p = 3e-05``."""
    measure, size = each.model.tested.measure, abs(each.found.value)
    low, high = sorted(abs(end) for end in each.found.interval)
    constant = ", the same answer to every text" if _constant(each.model) else ""
    shown = f"{measure.size(size)} {measure.unit} [{measure.size(low)}, {measure.size(high)}]"
    return f"{each.model.name} ({_value(each.model)}{constant}) by {shown}, p = {each.p:.1g}"


def _open(found: Sequence[Compared], measure: Measure) -> str:
    """Return open differences with the least ones that would have been found."""
    shown = [
        f"{measure.signed(each.found.value)} {measure.brackets(each.found.interval)} to the {each.model.name} "
        f"({_value(each.model)})"
        for each in found
    ]
    least = _listed([measure.size(each.least) for each in found])
    several = len(found) > 1
    return (
        f"its {'differences' if several else 'difference'}, {measure.unit}, {'are' if several else 'is'} open: "
        f"{', '.join(shown)}, where {'true ones' if several else 'a true one'} of {least} would have been found in "
        "four of five cases"
    )


def _listed(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _uneven(model: ModelResult) -> ClassScores | None:
    """Return the answers class by class, or None unless most test texts have one label."""
    return model.test_classes if model.test_classes and model.test_classes.uneven else None


def _subject(model: ModelResult) -> str:
    """Return the name of a model before a verb: a second comma ends an apposition, as of ``quantum head, odd``."""
    return f"{model.name}," if ", " in model.name and not model.name.startswith("`") else model.name


def _constant(model: ModelResult) -> bool:
    return model.test_classes is not None and model.test_classes.constant


def _value(model: ModelResult) -> str:
    """Return the compared score: balanced accuracy if classes are uneven."""
    uneven, measure = _uneven(model), model.tested.measure
    return measure.percent(uneven.balanced if uneven else model.tested.value, measure.coarse)


def _score_in_words(head: ModelResult) -> str:
    """Return the score of a run's head on its test texts."""
    measure, texts = head.tested.measure, f"{head.tested.total:,} test texts"
    if uneven := _uneven(head):
        return (
            f"a balanced accuracy of {_value(head)} [{measure.ends(uneven.interval)}] ({percent(head.tested.value)} % "
            f"of {texts} right, where one label has {percent(uneven.majority)} %)"
        )
    name = "" if measure.in_percent else f"{measure.name} = "
    score = f"{name}{_value(head)} [{measure.ends(head.tested.interval)}]"
    return f"{score} of {texts} right" if measure.in_percent else f"{score} on {texts}"
