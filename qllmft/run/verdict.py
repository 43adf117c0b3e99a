"""A run's results in words: sentences that state only what its paired tests imply, and the tables of its models."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from qllmft.config import RunConfig
from qllmft.counts import format_count
from qllmft.run.record import WITHOUT_CIRCUIT, AgainstHead, ModelResult, RunRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.measure import percent
from qllmft.tasks.multilabel import LabelSetScores
from qllmft.tasks.regression import TargetScores
from qllmft.tasks.statistics import Outcome, judge_differences, outcome, p_value

if TYPE_CHECKING:
    from qllmft.templates import ModelDescription

# baselines that differ in their settings alone, and the name of their family
FAMILIES = {
    "logistic regression (C = 1)": "logistic regression",
    "SVC (most vectors)": "SVC",
}

RESULTS = {
    "better": "better",
    "worse": "worse",
    "equal": "equivalent",
    "open": "inconclusive",
}  # of a comparison, for the head or a study's subject


class Comparison(NamedTuple):
    """Comparison of a run's head with a baseline on the same test texts."""

    model: ModelResult
    difference: AgainstHead  # head minus baseline
    p: float | None  # of no difference, after Holm's correction
    equal_p: float | None  # of a difference as large as the margin, after Holm's correction
    detectable: float | None  # minimum detectable effect, with 80 % power, if known

    @property
    def outcome(self) -> Outcome:
        """Return what the tests imply about the head."""
        return outcome(self.difference.value, self.p, self.equal_p)


class Comparisons(NamedTuple):
    """Comparisons of a run's head by their outcomes for it."""

    worse: list[Comparison]
    better: list[Comparison]
    equal: list[Comparison]
    open: list[Comparison]

    @classmethod
    def by_outcome(cls, comparisons: Sequence[Comparison]) -> Comparisons:
        """Sort comparisons by their outcomes."""
        groups = {name: [c for c in comparisons if c.outcome == name] for name in cls._fields}
        return cls(**groups)


def compare(models: Sequence[ModelResult]) -> list[Comparison]:
    """Return the comparisons of the first model with the others that were tested, one of each family.

    A family is represented by the model that validation prefers, in the measure by which models are compared, and by
    the first of equals. p is corrected over the families.
    """
    representatives = map(_best_on_validation, _group_by_family(models).values())
    pairs = [(model, model.against_head) for model in representatives if model.against_head]
    if not pairs:
        return []
    measure = models[0].tested.measure
    tests = judge_differences(
        [difference for _, difference in pairs], measure.margin / measure.factor
    )
    return [
        Comparison(model, difference, *results)
        for (model, difference), results in zip(pairs, tests, strict=True)
    ]


def _group_by_family(models: Sequence[ModelResult]) -> dict[str, list[ModelResult]]:
    """Return the baselines that were tested by their families, see `FAMILIES`."""
    families: dict[str, list[ModelResult]] = {}
    for model in models[1:]:
        if model.against_head is not None:
            name = model.name.strip("`")  # a model card shows names as code
            families.setdefault(FAMILIES.get(name, name), []).append(model)
    return families


def _best_on_validation(models: Sequence[ModelResult]) -> ModelResult:
    """Return the model that validation prefers, the first of equals."""
    return max(models, key=lambda model: model.compared_validation)


def family_sentences(models: Sequence[ModelResult]) -> Iterator[str]:
    """Yield sentences on baselines that differ in their settings alone: what was selected, and which is compared."""
    for family, members in _group_by_family(models).items():
        if len(members) == 1:
            continue
        for model in members:
            if model.name.strip("`") == family and "C" in model.settings:
                yield f"{capitalize(model.name)} has the selected C = {model.settings['C']:g}."
        compared_model = _best_on_validation(members)
        yield f"Compared: {compared_model.name}, the best of the {len(members)} rows on validation."


def find_unbeaten(models: Sequence[ModelResult]) -> list[str]:
    """Return the names of the models that keep the first one from beating its baselines, none if it beats them.

    It beats them if it is significantly better than every baseline of at most its size, than the baseline with the
    highest test score, and than the model without its circuit. A claim of being better than all of several models needs
    no further correction, since each of them must be significantly worse (intersection-union test, Berger 1982).
    """
    head = models[0]
    baselines = [model for model in models[1:] if model.against_head]
    if not baselines:
        return []
    best_baseline = max(baselines, key=lambda model: model.compared_value)
    outcomes = {comparison.model.name: comparison.outcome for comparison in compare(models)}
    names = []
    for baseline in baselines:
        difference = baseline.against_head
        assert difference is not None
        # the rest of a family is tested by itself
        rival_outcome = outcomes.get(baseline.name, outcome(difference.value, difference.p, None))
        if rival_outcome != "better" and (
            baseline is best_baseline or baseline.parameters <= head.parameters
        ):
            names.append(baseline.name)
    control = head.without_circuit
    if control is not None and control.gain_interval[0] <= 0:
        names.append(WITHOUT_CIRCUIT)
    return names


@dataclass(frozen=True)
class Verdict:
    """What the paired tests of a run imply, in five lines. A line that does not apply is empty.

    Attributes:
        headline: Result in at most 12 words.
        result: Sentences on the comparisons with the baselines.
        limits: Sentence on what the run does not cover.
        circuit: Sentence on how much the predictions depend on the circuit.
        next_step: What to do next.
    """

    headline: str
    result: str
    limits: str
    circuit: str = ""
    next_step: str = ""

    @property
    def lines(self) -> list[str]:
        """Return the lines that apply, in their order."""
        sentences = (self.headline, self.result, self.limits, self.circuit)
        return [*filter(None, sentences), *self.next_step.splitlines()]

    def as_dict(self, models: Sequence[ModelResult]) -> dict[str, Any]:
        """Return the lines by their names, and the comparisons of the models as numbers and in words.

        Differences, limits of the 95 % intervals and minimum detectable effects are those of ``measure``, so 0.01 of
        an accuracy is one percentage point. What a comparison does not have is None.
        """
        words = ("difference", "p_holm", "mde")
        rows = [
            {
                **numbers,
                "result": cells[-1] or None,
                "in_words": dict(zip(words, cells[1:-1], strict=True)),
            }
            for numbers, cells in zip(
                _comparison_numbers(models), comparison_rows(models), strict=True
            )
        ]
        return {**asdict(self), "measure": _measure_name(models[0]), "comparisons": rows}

    def __str__(self) -> str:
        """Return the lines as text."""
        return "\n".join(self.lines)


def verdict(
    models: Sequence[ModelResult], folds: int | None = None, next_step: str = ""
) -> Verdict:
    """Return the verdict on the first model of a run's record, or of one pooled over ``folds``, and its baselines.

    Each difference is paired by text. Accuracies have McNemar's test. If more than 60 % of the training texts have one
    label, balanced accuracies are compared by the differences of each label. R² and macro-F1 have a bootstrap. p is
    corrected over the baselines, of which a family is one. A difference without significance is "equivalent" if two
    one-sided tests place it within the margin of the score, and otherwise inconclusive. The head is "better" in the
    headline only if `find_unbeaten` names no model. A head that gives every text the same answer is never better.
    """
    head = models[0]
    comparisons = compare(models)
    if head.is_constant:
        headline = f"{capitalize(head.subject)} gives every text the same answer"
        texts = format_count(head.tested.total, "test text")
        result = f"It got {percent(head.tested.value)} % of {texts} right, the share of that label."
    elif not comparisons:
        headline = "No baseline to compare with"
        reason = "The baselines' answers were not kept" if len(models) > 1 else "None was trained"
        result = f"{reason}, so the {head.subject}'s {_score_text(head)} stands alone."
    else:
        headline, result = _describe_comparisons(models, comparisons)
    return Verdict(headline, result, _limits(head, folds), _circuit(head), next_step)


def _describe_comparisons(
    models: Sequence[ModelResult], comparisons: Sequence[Comparison]
) -> tuple[str, str]:
    """Return headline and sentences on the result of comparisons."""
    head = models[0]
    measure = head.tested.measure
    groups = Comparisons.by_outcome(comparisons)
    missing = find_unbeaten(models)
    total = format_count(len(comparisons), "baseline")
    texts = format_count(head.tested.total, "test text")
    sentences = []
    if groups.worse:
        headline = f"{capitalize(head.subject)} is worse than {_share(groups.worse, comparisons)}"
        higher = _higher(_join_with_and(_names(groups.worse)), head, len(groups.worse))
        sentences.append(f"{higher}.")
    elif groups.better and not missing:
        headline = f"{capitalize(head.subject)} is better than {_share(groups.better, comparisons)}"
    elif len(groups.equal) == len(comparisons):
        headline = f"Equivalent within {measure.within(measure.margin)} on {texts}"
        sentences.append(f"{capitalize(head.subject)} and {total} differ by less than that.")
    else:
        headline = f"No clear winner on {texts}"
        if not groups.better:
            score = _measure_name(head)
            sentences.append(
                f"No baseline differs significantly from the {head.subject} in {score}."
            )
    if groups.better:
        subject = "It" if not groups.worse else f"The {head.subject}"
        higher = _higher(subject, head, 1)
        sentences.append(f"{higher} than {_join_with_and(_names(groups.better))}.")
        if missing and not groups.worse:
            sentences.append(
                f"It is not significantly better than {_join_with_and(list(map(_with_article, missing)))}."
            )
    if groups.equal and len(groups.equal) < len(comparisons):
        within = measure.within(measure.margin)
        verb = "is" if len(groups.equal) == 1 else "are"
        sentences.append(
            f"{capitalize(_join_with_and(_names(groups.equal)))} {verb} equivalent within {within}."
        )
    if groups.open and len(groups.open) < len(comparisons):
        sentences.append(_inconclusive(len(groups.open), others=bool(groups.worse)))
    return headline, " ".join(sentences)


def _inconclusive(count: int, *, others: bool) -> str:
    """Return the sentence on comparisons without a result: ``The other 2 comparisons are inconclusive.``."""
    verb = "is" if count == 1 else "are"
    if not others:
        return f"{format_count(count, 'comparison')} {verb} inconclusive."
    if count == 1:
        return "The other comparison is inconclusive."
    return f"The other {format_count(count, 'comparison')} are inconclusive."


def _higher(subject: str, head: ModelResult, count: int) -> str:
    """Return ``SVC is significantly more accurate`` or, of other measures, ``SVC has significantly higher R²``."""
    if head.tested.measure.in_percent and not head.uneven:
        return f"{capitalize(subject)} {'is' if count == 1 else 'are'} significantly more accurate"
    verb = "has" if count == 1 else "have"
    return f"{capitalize(subject)} {verb} significantly higher {_measure_name(head)}"


def _measure_name(head: ModelResult) -> str:
    """Return the name of the measure by which models are compared, in a sentence."""
    return "balanced accuracy" if head.uneven else head.tested.measure.name


def _share(part: Sequence[Comparison], comparisons: Sequence[Comparison]) -> str:
    """Return ``SVC``, ``all 3 baselines`` or ``2 of 3 baselines``."""
    if len(comparisons) == 1:
        return _with_article(part[0].model.name)
    if len(part) == len(comparisons):
        return f"all {len(part)} baselines"
    return f"{len(part)} of {len(comparisons)} baselines"


def _names(comparisons: Sequence[Comparison]) -> list[str]:
    return [_with_article(comparison.model.name) for comparison in comparisons]


def _with_article(name: str) -> str:
    """Return a baseline's name in a sentence: methods have no article, networks have one."""
    plain = name.strip("`")
    networks = ("MLP", "linear layer", WITHOUT_CIRCUIT)
    return f"the {name}" if plain.startswith(networks) else name


def capitalize(text: str) -> str:
    """Return a sentence with a capital letter at its start, and its other letters as they are."""
    return text[:1].upper() + text[1:]


def _score_text(head: ModelResult) -> str:
    """Return ``accuracy of 75.0 % on 200 test texts``, or ``R² of 0.764 on 200 test texts``."""
    texts = format_count(head.tested.total, "test text")
    return f"{_measure_name(head)} of {head.compared_score} on {texts}"


def _limits(head: ModelResult, folds: int | None) -> str:
    """Return the sentence on what a run does not cover, and one on an interval that is only a bound."""
    if folds:
        sentence = f"One seed over {folds} folds: other seeds give other numbers."
    else:
        sentence = "One split, one seed: other splits and seeds give other numbers."
    if head.uneven and head.uneven.bound:
        sentence += f" {head.uneven.bound}"
    return sentence


def _circuit(head: ModelResult) -> str:
    """Return the sentence on the dependence of the predictions on the circuit, empty without one."""
    if head.load is None:
        return ""
    task = TASK_OF_SCORE[head.validation.measure.name]
    return f"Circuit: {task.circuit_dependence(head.load)}"


def circuit_sentences(head: ModelResult) -> Iterator[str]:
    """Yield the sentences on the dependence on the circuit and on the no-circuit ablation, none without a circuit."""
    if dependence := _circuit(head):
        yield dependence
    if control := head.without_circuit:
        measure = head.tested.measure
        difference = measure.difference(control.gain, control.gain_interval)
        unit = "balanced points" if head.uneven else measure.unit
        yield f"Head minus no-circuit ablation: {difference} {unit}."


def ablation_size(head: ModelResult, description: ModelDescription) -> str:
    """Return the sentence on the trained numbers of the no-circuit ablation of a model, empty without one."""
    if head.without_circuit is None:
        return ""
    encoder = sum(part.parameters for part in description.parts if part.name.startswith("encoder"))
    linear = format_count(head.without_circuit.parameters - encoder, "parameter")
    return (
        f"The no-circuit ablation has a linear model of {linear} instead of {head.parameters - encoder:,} in the "
        "head and the final linear layer."
    )


def comparison_columns(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """Return the headers of the table of comparisons."""
    measure = models[0].tested.measure
    unit = "balanced points" if models[0].uneven else measure.scale
    return "head minus", f"{unit} [95 % CI]", "p (Holm)", "MDE", "result"


def comparison_rows(models: Sequence[ModelResult]) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each comparison of the head, and one for the no-circuit ablation."""
    measure = models[0].tested.measure
    for comparison in compare(models):
        difference = comparison.difference
        effect = "" if comparison.detectable is None else measure.size(comparison.detectable)
        yield (
            comparison.model.name,
            measure.difference(difference.value, difference.interval),
            p_value(comparison.p).removeprefix("p = ").removeprefix("p "),
            effect,
            RESULTS[comparison.outcome],
        )
    if control := models[0].without_circuit:
        gain = measure.difference(control.gain, control.gain_interval)
        yield WITHOUT_CIRCUIT, gain, "", "", ""


def _comparison_numbers(models: Sequence[ModelResult]) -> Iterator[dict[str, Any]]:
    """Yield the numbers of each row of `comparison_rows`, by their names in JSON."""

    def row(
        name: str,
        value: float,
        interval: tuple[float, float],
        p: float | None = None,
        effect: float | None = None,
    ) -> dict[str, Any]:
        low, high = interval
        return {
            "head_minus": name,
            "difference": value,
            "low": low,
            "high": high,
            "p_holm": p,
            "minimum_detectable_effect": effect,
        }

    for comparison in compare(models):
        difference = comparison.difference
        yield row(
            comparison.model.name,
            difference.value,
            difference.interval,
            comparison.p,
            comparison.detectable,
        )
    if control := models[0].without_circuit:
        yield row(WITHOUT_CIRCUIT, control.gain, control.gain_interval)


def advice(models: Sequence[ModelResult], stored_names: Collection[str]) -> tuple[str, str]:
    """Return a sentence on the model to use, and that model's name, or two empty strings.

    The model is the baseline in ``stored_names`` with the highest validation score, if that is at least the head's
    and the head is not significantly better. If validation prefers the head, and baselines are significantly better
    on the test texts, it is the one of them with the highest validation score, and the sentence says that the test
    texts chose. It gives more than one answer.
    """
    head = models[0]
    comparisons = [
        comparison
        for comparison in compare(models)
        if comparison.model.name in stored_names and not comparison.model.is_constant
    ]
    candidates = [comparison for comparison in comparisons if comparison.outcome != "better"]
    if not candidates:
        return "", ""
    best_model = max(candidates, key=lambda comparison: comparison.model.compared_validation).model
    if best_model.compared_validation >= head.compared_validation:
        if best_model.compared_validation == head.compared_validation:
            return (
                f"{best_model.name} is as good as the {head.subject} on validation.",
                best_model.name,
            )
        scores = f"{_validation_text(best_model)} against {_validation_text(head)}"
        return f"{best_model.name} is best on validation: {scores}.", best_model.name
    losses = [comparison for comparison in candidates if comparison.outcome == "worse"]
    if not losses:
        return "", ""
    better_model = max(losses, key=lambda comparison: comparison.model.compared_validation).model
    return (
        f"Only the test texts prefer {better_model.name} to the {head.subject}. Confirm it on other texts.",
        better_model.name,
    )


def next_step(record: RunRecord, config: RunConfig, run: str, kept: Collection[str]) -> str:
    """Return what to do next with a run, whose other models in ``kept`` can be used."""
    groups = Comparisons.by_outcome(compare(record.models))
    if groups.worse or record.head.is_constant:
        sentence, name = advice(record.models, kept)
        if name:
            choice = f"--model {shlex.quote(name)} 'your text'"
            return f"Next: qllmft predict {shlex.quote(run)} {choice}\n{sentence}"
    if not any(groups):
        return "Next: train the baselines on the same texts, without --no-baselines."
    data = config.data
    total = sum(record.data.sizes.values())
    if data.folds or data.protocol != "split" or data.time_column or not record.data.split:
        return "Next: confirm it over several seeds with qllmft study."
    if groups.better and not find_unbeaten(record.models):
        return "Next: confirm it over several seeds with qllmft study."
    return f"Next: test all {total:,} texts with --folds 5."


def _validation_text(model: ModelResult) -> str:
    """Return the validation score by which models are compared: ``84.7 %``, or ``balanced 64.7 %``."""
    measure = model.validation.measure
    balanced = "" if model.validation_balanced is None else "balanced "
    return f"{balanced}{measure.percent(model.compared_validation, measure.coarse)}"


def _join_with_and(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


# --- the table, for a terminal and a notebook


def title(record: RunRecord) -> str:
    """Return texts, language model, seed and epoch of the weights, which each fold has, in two lines."""
    facts = [
        f"language model {record.body}",
        f"D = {record.body.dimension}",
        f"seed {record.seed}",
    ]
    if not record.data.folds:
        facts.append(f"weights of epoch {record.selected_epoch}")
    return f"{record.data.source}: {record.data.counts}\n{', '.join(facts)}"


def columns(record: RunRecord) -> tuple[str, ...]:
    """Return the headers, with the measure if it is no accuracy."""
    in_column = record.head.validation.measure.in_column
    validation = in_column(record.data.validation_heading)
    test = in_column("test")
    return "model", "parameters", validation, f"{test} [95 % interval]", "seconds"


def rows(record: RunRecord) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each model, with an empty test if the test texts were not read."""
    for model in record.models:
        parameters = f"{model.parameters:,}"
        seconds = f"{model.seconds:.1f}"
        test = "" if model.test is None else "\n".join([f"{model.test}", *_second_line(model)])
        yield model.name, parameters, model.validation.plain, test, seconds
        if control := model.without_circuit:
            parameters = f"{control.parameters:,}"
            validation = control.validation.plain
            yield WITHOUT_CIRCUIT, parameters, validation, str(control.test), ""


def table_html(record: RunRecord) -> str:
    """Return title, table, comparisons and verdict as HTML."""

    def line(cells: Sequence[str], tag: str) -> str:
        escaped = (escape(cell).replace("\n", "<br>") for cell in cells)
        return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in escaped)}</tr>"

    def html_table(header: Sequence[str], lines: Iterable[Sequence[str]], caption: str = "") -> str:
        body = "".join(line(cells, "td") for cells in lines)
        return f"<table>{caption}<thead>{line(header, 'th')}</thead><tbody>{body}</tbody></table>"

    caption = escape(title(record)).replace("\n", "<br>")
    models = html_table(columns(record), rows(record), f"<caption>{caption}</caption>")
    if not record.head.test:
        return models
    comparisons = html_table(comparison_columns(record.models), comparison_rows(record.models))
    lines = verdict(record.models, record.data.folds).lines
    headline, *sentences = map(escape, lines)
    return f"{models}{comparisons}<p><strong>{headline}</strong><br>{'<br>'.join(sentences)}</p>"


def _second_line(model: ModelResult) -> Iterator[str]:
    """Yield a line of other scores: of uneven or more than two classes, of real targets or several labels."""
    scores = model.test_classes
    if scores and (scores.uneven or model.uneven or len(scores.texts) > 2):
        yield f"balanced {percent(scores.balanced)}, F1 {percent(scores.macro_f1)}"
    if model.test is not None and model.test.beside:
        yield ", ".join(f"{part.short} {part.plain}" for part in model.test.beside)


def notes(record: RunRecord) -> Iterator[str]:
    """Yield the notes below the table."""
    if record.head.test:
        yield from family_sentences(record.models)
    if isinstance(record.head.test, TargetScores):
        n = len(record.data.labels)
        several = f", means over {n} targets" if n > 1 else ""
        yield f"error: mean absolute error, rank: Spearman's correlation{several}"
    if isinstance(record.head.test, LabelSetScores):
        yield "AP: average precision, exact: texts with exactly their labels, Hamming: share of wrong decisions"
    for model in record.models:
        if model.validation_exact is not None and model.test_exact is not None:
            yield (
                f"{model.name} without its circuit's noise: validation {percent(model.validation_exact)} %, "
                f"test {percent(model.test_exact, 2)} %"
            )
    if record.trajectories:
        yield f"with its noise: {record.trajectories}"
    if (scores := record.head.test_classes) and any(_second_line(record.head)):
        yield "balanced accuracy and macro-F1: means over the labels"
        yield f"most frequent label: {percent(scores.majority)} % of the test texts"
    for model in record.models:
        if model.is_constant:
            yield f"{model.name} gives the same answer to every text"
    if record.body.learned and record.body.learned.with_head and len(record.models) > 1:
        yield "baselines use the language model before it was trained with the head"
