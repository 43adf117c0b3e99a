"""A run's results in words: sentences that state only what its paired tests imply, and the table of its models."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from html import escape
from typing import NamedTuple

from qllmft.counts import count_of
from qllmft.run.record import WITHOUT_CIRCUIT, AgainstHead, ModelResult, RunRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import Measure, percent
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores
from qllmft.tasks.statistics import Outcome, outcome, p_value, tested

# baselines that differ in their settings alone, and the name of their family
FAMILIES = {
    "logistic regression (C = 1)": "logistic regression",
    "SVC (most vectors)": "SVC",
}


class Compared(NamedTuple):
    """Comparison of a run's head with a baseline on the same test texts."""

    model: ModelResult
    found: AgainstHead
    p: float | None  # of no difference, after Holm's correction
    equal_p: float | None  # of a difference as large as the margin, after Holm's correction
    least: float | None  # true difference that would have been found with 80 % power, if known

    @property
    def outcome(self) -> Outcome:
        """Return what the tests imply about the head."""
        return outcome(self.found.value, self.p, self.equal_p)


class Comparisons(NamedTuple):
    """Comparisons of a run's head by their outcomes for it."""

    worse: list[Compared]
    better: list[Compared]
    equal: list[Compared]
    open: list[Compared]

    @classmethod
    def of(cls, comparisons: Sequence[Compared]) -> Comparisons:
        """Sort comparisons by their outcomes."""
        return cls(
            *([each for each in comparisons if each.outcome == name] for name in cls._fields)
        )


def compare(models: Sequence[ModelResult]) -> list[Compared]:
    """Return the comparisons of the first model with the others that were tested, one of each family.

    A family is represented by the model that validation prefers, in the measure by which models are compared, and by
    the first of equals. p is corrected over the families.
    """
    families: dict[str, ModelResult] = {}
    for model in models[1:]:
        if model.against_head is None:
            continue
        name = model.name.strip("`")  # a model card shows names as code
        family = FAMILIES.get(name, name)
        rival = families.setdefault(family, model)
        if model.compared_validation > rival.compared_validation:
            families[family] = model
    pairs = [(model, model.against_head) for model in families.values() if model.against_head]
    if not pairs:
        return []
    measure = models[0].tested.measure
    tests = tested([difference for _, difference in pairs], measure.margin / measure.factor)
    return [Compared(*pair, *results) for pair, results in zip(pairs, tests, strict=True)]


def unbeaten(models: Sequence[ModelResult]) -> list[str]:
    """Return the names of the models that keep the first one from beating its baselines, none if it beats them.

    It beats them if it is found better than every baseline of at most its size, than the baseline with the highest
    test score, and than the same model without its circuit. A claim of being better than all of several models needs no
    further correction, since each of them must be found worse (intersection-union test, Berger 1982).
    """
    head, rivals = models[0], [model for model in models[1:] if model.against_head]
    if not rivals:
        return []
    best = max(rivals, key=lambda model: model.compared_value)
    outcomes = {comparison.model.name: comparison.outcome for comparison in compare(models)}
    names = []
    for rival in rivals:
        difference = rival.against_head
        assert difference is not None
        # of a family, the rest is tested by itself
        found = outcomes.get(rival.name, outcome(difference.value, difference.p, None))
        if found != "better" and (rival is best or rival.parameters <= head.parameters):
            names.append(rival.name)
    control = head.without_circuit
    if control is not None and control.gain_interval[0] <= 0:
        names.append(WITHOUT_CIRCUIT)
    return names


def headline(models: Sequence[ModelResult]) -> str:
    """Return the title of a run's page, a few words that imply no more than `verdict`."""
    head = models[0]
    if head.constant:
        return "The same answer to every text"
    if not (compared := compare(models)):
        return "No baseline to compare with"
    by_outcome = Comparisons.of(compared)
    if by_outcome.worse:
        return f"The {head.subject} loses to {_baselines(by_outcome.worse, compared)}"
    if by_outcome.better and not unbeaten(models):
        return f"The {head.subject} beats {_baselines(by_outcome.better, compared)}"
    if len(by_outcome.equal) < len(compared):
        return "No clear winner"
    return f"Equal within {head.tested.measure.within(head.tested.measure.margin)}"


def _baselines(part: Sequence[Compared], compared: Sequence[Compared]) -> str:
    """Return ``the SVC``, or ``2 of 3 baselines``."""
    if len(part) == 1:
        return f"the {part[0].model.name}"
    return f"{len(part)} of {len(compared)} baselines"


def verdict(models: Sequence[ModelResult], folds: int | None = None) -> str:
    """Return sentences on the first model of a run's record, or of one pooled over ``folds``, and its baselines.

    Each difference is paired by text: McNemar's test of accuracies; of balanced accuracies, if more than 60 % of the
    training texts have one label, by the differences of each label; a bootstrap of R² and of macro-F1. p is corrected
    over the baselines, of which a family is one. A difference that is not found is "equal" if two one-sided tests place
    it within the margin of the score, and otherwise open, with the least difference that would have been found. The
    head "beats" its baselines only if `unbeaten` names none. A head that gives every text the same answer beats
    nothing.
    """
    head = models[0]
    measure, texts = head.tested.measure, count_of(head.tested.total, "test text")
    if head.constant:
        return (
            f"The {head.subject} gives the same answer to every text, so it beats nothing: it got "
            f"{percent(head.tested.value)} % of {texts} right, the share of that label."
        )
    score = _score(head)
    bound = f" {head.uneven.bound}" if head.uneven and head.uneven.bound else ""
    if not (compared := compare(models)):
        reason = (
            "the answers of the models were not kept, so they are not compared"
            if len(models) > 1
            else "no baseline was trained, so there is nothing to compare it with"
        )
        return f"The {head.subject} got {score}; {reason}.{bound}"
    by_outcome, missing = Comparisons.of(compared), unbeaten(models)
    beats = bool(by_outcome.better) and not missing
    parts = [f"loses to the {_named(each)}" for each in by_outcome.worse]
    if beats:
        parts += [f"beats the {_named(each)}" for each in by_outcome.better]
    if by_outcome.equal:
        names = _listed([each.model.name for each in by_outcome.equal])
        parts.append(f"is equal to the {names} within {measure.within(measure.margin)}")
    undecided = _open(by_outcome.open, measure) if by_outcome.open else ""
    if parts:
        where = f"Over {folds} folds" if folds else "In this one run"
        sentence = f"{where}, paired by text, the {head.subject} {_listed(parts)}: it got {score}"
        sentence += f"; {undecided}" if undecided else ""
    else:
        where = f"these {folds} folds" if folds else "this one run"
        sentence = f"Nothing can be concluded from {where} about which head is better: the {head.subject} got {score}"
        sentence += f", and paired by text {undecided}" if undecided else ""
    if by_outcome.better and not beats:
        sentence += (
            f". It is above {_listed([f'the {_named(each)}' for each in by_outcome.better])}"
        )
        if not by_outcome.worse:
            rest = [name if name == WITHOUT_CIRCUIT else f"the {name}" for name in missing]
            sentence += (
                f". It is not found above {_listed(rest)}, so it does not beat the baselines"
            )
    return f"{sentence}.{bound}"


def _score(head: ModelResult) -> str:
    """Return ``75.0 % [68.6, 80.5] of 200 test texts right``, ``R² = 0.764 [0.721, 0.803] on 200 test texts``."""
    measure, texts = head.tested.measure, count_of(head.tested.total, "test text")
    if uneven := head.uneven:
        return (
            f"a balanced accuracy of {head.compared_score} [{measure.ends(uneven.interval)}] "
            f"({percent(head.tested.value)} % of {texts} right, where one label has {percent(uneven.majority)} %)"
        )
    score = f"{head.compared_score} [{measure.ends(head.tested.interval)}]"
    return (
        f"{score} of {texts} right"
        if measure.in_percent
        else f"{measure.name} = {score} on {texts}"
    )


def advice(models: Sequence[ModelResult], kept: Collection[str]) -> tuple[str, str]:
    """Return sentences on the model to use, and that model's name, or two empty strings.

    The model is the baseline in ``kept`` with the highest validation score, if that is at least the head's and the head
    is not found above it. If validation prefers the head, and the head loses to baselines on the test texts, it is the
    one of them with the highest validation score, and the sentences say that the test texts chose. It gives more than
    one answer.
    """
    head = models[0]
    comparisons = [
        each for each in compare(models) if each.model.name in kept and not each.model.constant
    ]
    candidates = [each for each in comparisons if each.outcome != "better"]
    if not candidates:
        return "", ""
    best = max(candidates, key=lambda each: each.model.compared_validation).model
    if best.compared_validation >= head.compared_validation:
        if best.compared_validation == head.compared_validation:
            return (
                f"On the validation texts the {_validated(best)} is as good as the head.",
                best.name,
            )
        return f"Validation prefers the {_validated(best)} to the {_validated(head)}.", best.name
    losses = [each for each in candidates if each.outcome == "worse"]
    if not losses:
        return "", ""
    better = max(losses, key=lambda each: each.model.compared_validation).model
    return (
        f"The {better.name} is better on the test texts, and validation prefers the {head.subject}. This advice was "
        "read off the test texts: confirm it on other texts.",
        better.name,
    )


def _validated(model: ModelResult) -> str:
    """Return ``SVC (84.7 %)``, or ``SVC (balanced 64.7 %)``, with the validation score."""
    measure = model.validation.measure
    balanced = "" if model.validation_balanced is None else "balanced "
    score = measure.percent(model.compared_validation, measure.coarse)
    return f"{model.name} ({balanced}{score})"


def _named(each: Compared) -> str:
    """Return ``SVC (84.72 %) by 4.0 points [2.1, 5.9], p < 0.001``."""
    measure = each.model.tested.measure
    size, low, high = map(measure.size, (each.found.value, *sorted(each.found.interval, key=abs)))
    constant = ", the same answer to every text" if each.model.constant else ""
    score = f"{each.model.compared_score}{constant}"
    return (
        f"{each.model.name} ({score}) by {size} {measure.unit} [{low}, {high}], {p_value(each.p)}"
    )


def _open(comparisons: Sequence[Compared], measure: Measure) -> str:
    """Return open differences with the least ones that would have been found."""
    differences = [
        f"{measure.signed(each.found.value)} {measure.brackets(each.found.interval)} to the {each.model.name} "
        f"({each.model.compared_score})"
        for each in comparisons
    ]
    least = [measure.size(each.least) for each in comparisons if each.least is not None]
    several = len(comparisons) > 1
    words = (
        f"its {'differences' if several else 'difference'}, {measure.unit}, {'are' if several else 'is'} open: "
        f"{', '.join(differences)}"
    )
    if len(least) < len(comparisons):
        return words
    true = "true ones" if several else "a true one"
    return f"{words}, where {true} of {_listed(least)} would have been found in four of five cases"


def _listed(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


# --- the table, for a terminal and a notebook


def title(record: RunRecord) -> str:
    """Return texts, body, seed and selected epoch, which each fold has, in two lines."""
    epoch = "" if record.data.folds else f"; epoch {record.selected_epoch} selected"
    return (
        f"{record.data.source}: {record.data.counts}\nbody {record.body}, D = {record.body.dimension}; "
        f"seed {record.seed}{epoch}"
    )


def columns(record: RunRecord) -> tuple[str, ...]:
    """Return the headers, with the measure if it is no accuracy."""
    in_column = record.head.validation.measure.in_column
    validation, test = in_column(record.data.validated), in_column("test")
    return "model", "parameters", validation, f"{test} [95 % interval]", "seconds"


def rows(record: RunRecord) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each model, with an empty test if the test texts were not read."""
    for model in record.models:
        parameters, seconds = f"{model.parameters:,}", f"{model.seconds:.1f}"
        test = "" if model.test is None else "\n".join([f"{model.test}", *_second_line(model)])
        yield model.name, parameters, model.validation.plain, test, seconds
        if control := model.without_circuit:
            parameters, validation = f"{control.parameters:,}", control.validation.plain
            yield WITHOUT_CIRCUIT, parameters, validation, str(control.test), ""


def table_html(record: RunRecord) -> str:
    """Return title and table as HTML."""

    def cells(values: tuple[str, ...], tag: str) -> str:
        shown = (escape(value).replace("\n", "<br>") for value in values)
        return f"<tr>{''.join(f'<{tag}>{value}</{tag}>' for value in shown)}</tr>"

    caption = escape(title(record)).replace("\n", "<br>")
    body = "".join(cells(row, "td") for row in rows(record))
    head = cells(columns(record), "th")
    table = f"<table><caption>{caption}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
    return (
        f"{table}<p>{escape(verdict(record.models, record.data.folds))}</p>"
        if record.head.test
        else table
    )


def circuit_notes(record: RunRecord) -> Iterator[str]:
    """Yield the sentences on load and gain of a run's circuit, none without one."""
    head = record.head
    if head.load is not None:
        task = TASK_OF_SCORE[head.validation.measure.name]
        yield f"load: {task.load_in_words(head.load, 'the test texts')}"
    if control := head.without_circuit:
        measure = control.test.measure
        unit = "points of balanced accuracy" if head.uneven and head.balanced else measure.unit
        yield (
            f"gain: {measure.signed(control.gain)} {measure.brackets(control.gain_interval)} {unit} over "
            f"{WITHOUT_CIRCUIT}, the best linear model of the same latent values"
        )


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or model.uneven or len(scores.texts) > 2):
        yield f"balanced {percent(scores.balanced)}, F1 {percent(scores.macro_f1)}"
    if model.test is not None and model.test.beside:
        yield ", ".join(f"{part.short} {part.plain}" for part in model.test.beside)


def notes(record: RunRecord) -> Iterator[str]:
    """Yield the notes below the table."""
    if isinstance(record.head.test, TargetScores):
        n = len(record.data.labels)
        several = f", means over {n} targets" if n > 1 else ""
        yield f"error: mean absolute error; rank: Spearman's correlation{several}"
    if isinstance(record.head.test, LabelSetScores):
        yield "AP: average precision; exact: texts with exactly their labels; Hamming: share of wrong decisions"
    yield from circuit_notes(record)
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {percent(model.validation_exact)} %, "
                f"test {percent(model.test_exact, 2)} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    if (scores := record.head.test_classes) and any(_second_line(record.head)):
        yield f"balanced accuracy and macro-F1: means over the labels; one label has {percent(scores.majority)} %"
    for model in record.models:
        if model.constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "baselines use the body before it was trained with the head"
