"""A run's results in words: one sentence that states only what its paired tests imply, and the table of its models."""

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
from qllmft.tasks.statistics import Outcome, outcome, tested


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


def compare(models: Sequence[ModelResult]) -> list[Compared]:
    """Return the comparisons of the first model with those of the others that were tested."""
    pairs = [(model, model.against_head) for model in models[1:] if model.against_head]
    if not pairs:
        return []
    measure = models[0].tested.measure
    found = tested([difference for _, difference in pairs], measure.margin / measure.factor)
    return [Compared(*pair, *tests) for pair, tests in zip(pairs, found, strict=True)]


def headline(models: Sequence[ModelResult]) -> str:
    """Return the title of a run's page, a few words that imply no more than `verdict`."""
    head = models[0]
    if head.constant:
        return "The same answer to every text"
    if not (compared := compare(models)):
        return "No baseline to compare with"
    worse, better, equal = (
        [each for each in compared if each.outcome == name] for name in ("worse", "better", "equal")
    )
    if worse and better:
        return "Better than some baselines, worse than others"
    if sided := worse or better:
        named = f"{len(sided)} of {len(compared)} baselines"
        named = f"the {sided[0].model.name}" if len(sided) == 1 else named
        return f"The {head.subject} {'loses to' if worse else 'beats'} {named}"
    if len(equal) < len(compared):
        return "No clear winner"
    return f"Equal within {head.tested.measure.within(head.tested.measure.margin)}"


def verdict(models: Sequence[ModelResult], folds: int | None = None) -> str:
    """Return a sentence on the first model of a run's record, or of one pooled over ``folds``, and its baselines.

    Each difference is paired by text: McNemar's test of accuracies; of balanced accuracies, if more than 60 % of the
    test texts have one label, by the differences of each label; a bootstrap of R² and of macro-F1. p is corrected over
    the baselines. A difference
    that is not found is "equal" if two one-sided tests place it within the margin of the score, and otherwise open,
    with the least difference that would have been found. A head that gives every text the same answer beats nothing.
    """
    head = models[0]
    measure, texts = head.tested.measure, count_of(head.tested.total, "test text")
    if head.constant:
        return (
            f"The {head.subject} gives the same answer to every text, so it beats nothing: it got "
            f"{percent(head.tested.value)} % of {texts} right, the share of that label."
        )
    name = "" if measure.in_percent else f"{measure.name} = "
    score = f"{name}{head.compared_score} [{measure.ends(head.tested.interval)}]"
    score += f" of {texts} right" if measure.in_percent else f" on {texts}"
    if uneven := head.uneven:
        score = (
            f"a balanced accuracy of {head.compared_score} [{measure.ends(uneven.interval)}] "
            f"({percent(head.tested.value)} % of {texts} right, where one label has {percent(uneven.majority)} %)"
        )
    if not (compared := compare(models)):
        reason = (
            "the answers of the models were not kept, so they are not compared"
            if len(models) > 1
            else "no baseline was trained, so there is nothing to compare it with"
        )
        return f"The {head.subject} got {score}; {reason}."
    worse, better, equal, open_ones = (
        [each for each in compared if each.outcome == name]
        for name in ("worse", "better", "equal", "open")
    )
    parts = [f"loses to the {_named(each)}" for each in worse]
    parts += [f"beats the {_named(each)}" for each in better]
    if equal:
        names = _listed([each.model.name for each in equal])
        parts.append(f"is equal to the {names} within {measure.within(measure.margin)}")
    left = _open(open_ones, measure) if open_ones else ""
    if not parts:
        return (
            f"Nothing can be concluded from {f'these {folds} folds' if folds else 'this one run'} about which head is "
            f"better: the {head.subject} got {score}, and paired by text {left}."
        )
    where = f"Over {folds} folds" if folds else "In this one run"
    sentence = f"{where}, paired by text, the {head.subject} {_listed(parts)}: it got {score}"
    return f"{sentence}; {left}." if left else f"{sentence}."


def advice(models: Sequence[ModelResult], kept: Collection[str]) -> tuple[str, str]:
    """Return a sentence on the model to use, and that model's name, or two empty strings.

    The model is one of the baselines in ``kept`` that the head does not beat, with the highest validation score, and if
    the head loses to some, one of those. It gives more than one answer.
    """
    found = [
        each for each in compare(models) if each.model.name in kept and not each.model.constant
    ]
    left = [each for each in found if each.outcome == "worse"]
    left = left or [each for each in found if each.outcome in ("equal", "open")]
    if not left:
        return "", ""
    best = max(left, key=lambda each: each.model.validation.value)
    name, measure = best.model.name, models[0].tested.measure
    words = {
        "worse": f"The {name} is better here",
        "equal": f"The {name} is as good here, within {measure.within(measure.margin)}",
        "open": f"The {name} is not told apart from the {models[0].subject} here",
    }[best.outcome]
    return f"{words}; the {models[0].subject} is kept because you asked for one.", name


def _named(each: Compared) -> str:
    """Return ``SVC (84.72 %) by 4.0 points [2.1, 5.9], p = 3e-05``."""
    measure = each.model.tested.measure
    size, low, high = map(measure.size, (each.found.value, *sorted(each.found.interval, key=abs)))
    constant = ", the same answer to every text" if each.model.constant else ""
    score = f"{each.model.compared_score}{constant}"
    return f"{each.model.name} ({score}) by {size} {measure.unit} [{low}, {high}], p = {each.p:.1g}"


def _open(found: Sequence[Compared], measure: Measure) -> str:
    """Return open differences with the least ones that would have been found."""
    shown = [
        f"{measure.signed(each.found.value)} {measure.brackets(each.found.interval)} to the {each.model.name} "
        f"({each.model.compared_score})"
        for each in found
    ]
    known = [measure.size(each.least) for each in found if each.least is not None]
    several = len(found) > 1
    words = (
        f"its {'differences' if several else 'difference'}, {measure.unit}, {'are' if several else 'is'} open: "
        f"{', '.join(shown)}"
    )
    if len(known) < len(found):
        return words
    true = "true ones" if several else "a true one"
    return f"{words}, where {true} of {_listed(known)} would have been found in four of five cases"


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
        yield (
            f"gain: {measure.signed(control.gain)} {measure.brackets(control.gain_interval)} {measure.unit} over "
            f"{WITHOUT_CIRCUIT}, the best linear model of the same latent values"
        )


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or len(scores.texts) > 2):
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
