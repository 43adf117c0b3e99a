"""A run's results in words: sentences that state only what its paired tests imply, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from qllmft.config import RunConfig
from qllmft.run.comparison import (
    Comparisons,
    best_on_validation,
    compare_baselines,
    comparison_numbers,
    comparison_rows,
    find_unbeaten,
)
from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult, RunRecord
from qllmft.tasks import TASK_OF_SCORE
from qllmft.tasks.comparison import Comparison
from qllmft.tasks.measure import percent
from qllmft.tasks.statistics import interval_side
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.templates import ModelDescription


@dataclass(frozen=True)
class Verdict:
    """What the paired tests of a run or of a study imply.

    Attributes:
        headline: Result in at most 12 words.
        sentences: Sentences below it, by their names. One that does not apply is empty. A run has ``result`` on the
            comparisons, ``limits`` on what it does not cover, ``circuit`` on how much the predictions depend on it, and
            ``next_step``. A study has ``lead`` on the selection of its models and on what its intervals cover.
        facts: Rows of the table of facts of a study, by their names. A run has none.
    """

    headline: str
    sentences: Mapping[str, str]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> list[str]:
        """Return the headline and the lines of the sentences that apply, in their order."""
        return [self.headline, *chain(*map(str.splitlines, self.sentences.values()))]

    def as_dict(self) -> dict[str, Any]:
        """Return headline and sentences by their names, and the facts if there are any."""
        facts = {"facts": dict(self.facts)} if self.facts else {}
        return {"headline": self.headline, **self.sentences, **facts}

    def __str__(self) -> str:
        """Return the lines as text, then a fact on each line."""
        facts = (f"{name}: {value}" for name, value in self.facts.items())
        return "\n".join((*self.lines, *facts))


def verdict_as_dict(
    models: Sequence[ModelResult], folds: int | None = None, next_step: str = ""
) -> dict[str, Any]:
    """Return the `verdict` of a run as JSON values, with its comparisons as numbers and in words.

    Differences, limits of the 95 % intervals and minimum detectable effects are those of ``measure``, so 0.01 of an
    accuracy is one percentage point. What a comparison does not have is None.
    """
    words = ("difference", "p_holm", "mde")
    rows = [
        {
            **numbers,
            "result": cells[-1] or None,
            "in_words": dict(zip(words, cells[1:-1], strict=True)),
        }
        for numbers, cells in zip(comparison_numbers(models), comparison_rows(models), strict=True)
    ]
    content = verdict(models, folds, next_step).as_dict()
    return {**content, "measure": _measure_name(models[0]), "comparisons": rows}


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
    comparisons = compare_baselines(models)
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
    sentences = {
        "result": " ".join(filter(None, [result, *_ordered_sentences(models)])),
        "limits": _limits(head, folds),
        "circuit": _circuit(head),
        "next_step": next_step,
    }
    return Verdict(headline, sentences)


def _ordered_sentences(models: Sequence[ModelResult]) -> Iterator[str]:
    """Yield the scores of ordered labels of the head, and of the baseline with the least error."""
    head = models[0]
    if head.test_ordered is None:
        return
    yield f"{capitalize(head.subject)}: {head.test_ordered.in_words}."
    scores = {model.name: model.test_ordered for model in models[1:] if model.test_ordered}
    if scores:
        name = min(scores, key=lambda name: scores[name].mean_absolute_error)
        yield f"Least error of the baselines, {name}: {scores[name].in_words}."


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
        headline = _losing_headline(models, groups.worse, comparisons)
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
            headline = _leaning_headline(head, comparisons) or headline
    if leaning := [c for c in groups.open if interval_side(c.difference.interval)]:
        sentences.append(_leaning_sentence(leaning))
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


def _losing_headline(
    models: Sequence[ModelResult], worse: Sequence[Comparison], comparisons: Sequence[Comparison]
) -> str:
    """Return the headline if baselines are significantly better, which names the winner if validation chose one."""
    subject = models[0].subject
    best = best_on_validation(models).name
    if best in [comparison.baseline for comparison in worse]:
        winner = capitalize(_with_article(best))
        return f"{winner} is better than the {subject.removesuffix(',')}"
    return f"{capitalize(subject)} is worse than {_share(worse, comparisons)}"


def _leaning_headline(head: ModelResult, comparisons: Sequence[Comparison]) -> str:
    """Return the headline if intervals exclude 0, all on one side, and no p does after its correction, else ""."""
    sides = {c.baseline: interval_side(c.difference.interval) for c in comparisons}
    if {*sides.values()} - {0} not in ({1}, {-1}):
        return ""
    word = "above" if 1 in sides.values() else "below"
    share = _share([c for c in comparisons if sides[c.baseline]], comparisons)
    return f"{capitalize(head.subject)} is {word} {share}, but not significantly"


def _leaning_sentence(leaning: Sequence[Comparison]) -> str:
    """Return the sentence on comparisons whose interval excludes 0, although they are inconclusive."""
    names = _join_with_and(_names(leaning))
    if len(leaning) == 1:
        return f"The 95 % CI of {names} excludes 0, but p is not below 5 %."
    return f"The 95 % CIs of {names} exclude 0, but no p is below 5 %."


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
        return _with_article(part[0].baseline)
    if len(part) == len(comparisons):
        return f"all {len(part)} baselines"
    return f"{len(part)} of {len(comparisons)} baselines"


def _names(comparisons: Sequence[Comparison]) -> list[str]:
    return [_with_article(comparison.baseline) for comparison in comparisons]


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
    if head.circuit_dependence is None:
        return ""
    task = TASK_OF_SCORE[head.validation.measure.name]
    return f"Circuit: {task.circuit_dependence(head.circuit_dependence)}"


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


def advice(models: Sequence[ModelResult], stored_names: Collection[str]) -> tuple[str, str]:
    """Return a sentence on the model to use in place of the head, and that model's name, or two empty strings.

    The model is the baseline in ``stored_names`` with the highest validation score, if the head's is lower, or equal
    and the head is constant. The name is empty if validation prefers the head. If baselines are significantly better on
    the test texts then, the sentence says that these alone prefer them. Neither a constant model nor the test texts
    choose.
    """
    head = models[0]
    rows = [model for model in models[1:] if model.name in stored_names and not model.is_constant]
    if not rows:
        return "", ""
    best_model = best_on_validation(rows)
    if best_model.compared_validation == head.compared_validation and head.is_constant:
        return f"{best_model.name} is as good as the {head.subject} on validation.", best_model.name
    if best_model.compared_validation > head.compared_validation:
        scores = f"{_validation_text(best_model)} against {_validation_text(head)}"
        return f"{best_model.name} is best on validation: {scores}.", best_model.name
    worse = Comparisons.by_outcome(compare_baselines(models)).worse
    names = {comparison.baseline for comparison in worse}
    better_models = [model for model in rows if model.name in names]
    if not better_models:
        return "", ""
    name = best_on_validation(better_models).name
    return (
        f"Only the test texts prefer {name} to the {head.subject}. Confirm it on other texts.",
        "",
    )


def next_step(record: RunRecord, config: RunConfig, run: str, stored_names: Collection[str]) -> str:
    """Return what to do next with a run.

    Args:
        record: of the run.
        config: of the run.
        run: path of its folder, for a command line.
        stored_names: names of the models that were stored and can be used.
    """
    groups = Comparisons.by_outcome(compare_baselines(record.models))
    sentence, name = advice(record.models, stored_names)
    total = _count_texts_for_folds(record, config)
    if name:
        choice = f"--model {shlex.quote(name)} {config.data.example_texts}"
        step = f"Next: qllmft predict {shlex.quote(run)} {choice}\n{sentence}"
        more_texts = f"\nTo compare the rows on all {total:,} texts, add --folds 5."
        return step + (more_texts if total and groups.open else "")
    if sentence:
        return f"Next: compare them on other texts.\n{sentence}"
    if not any(groups):
        return "Next: train the baselines on the same texts, without --no-baselines."
    if not total or (groups.better and not find_unbeaten(record.models)):
        return "Next: confirm it over several seeds with qllmft study."
    return f"Next: test all {total:,} texts with --folds 5."


def _count_texts_for_folds(record: RunRecord, config: RunConfig) -> int:
    """Return the number of texts that folds would test, or 0 of a run that has folds or no split of its own."""
    data = config.data
    has_own_split = data.protocol != "split" or data.split_column or not record.data.split
    if data.folds or has_own_split or data.time_column:
        return 0
    sizes = dict(record.data.sizes)
    if data.validation_folds:  # which validate on the training texts
        del sizes["validation"]
    return sum(sizes.values())


def _validation_text(model: ModelResult) -> str:
    """Return the validation score by which models are compared: ``84.7 %``, or ``balanced 64.7 %``."""
    measure = model.validation.measure
    balanced = "" if model.validation_balanced is None else "balanced "
    return f"{balanced}{measure.percent(model.compared_validation, measure.coarse)}"


def _join_with_and(parts: Sequence[str]) -> str:
    """Return ``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
