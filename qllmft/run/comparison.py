"""Comparisons of a run's head with its baselines on the same test texts, and their table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qllmft.run.record import WITHOUT_CIRCUIT, ModelResult
from qllmft.tasks.comparison import RESULTS, Comparison, judge_differences
from qllmft.tasks.statistics import p_value

# baselines that differ in their settings alone, and the name of their family
FAMILIES = {
    "logistic regression (C = 1)": "logistic regression",
    "SVC (most vectors)": "SVC",
}


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


def compare_baselines(models: Sequence[ModelResult]) -> list[Comparison]:
    """Return the comparisons of the first model with the others that were tested, one of each family.

    A family is represented by the model that validation prefers, in the measure by which models are compared, and by
    the first of equals. p is corrected over the families.
    """
    representatives = map(best_on_validation, group_by_family(models).values())
    head = models[0]
    differences = [
        (head.name, model.name, model.against_head)
        for model in representatives
        if model.against_head
    ]
    if not differences:
        return []
    measure = head.tested.measure
    return judge_differences(differences, measure.margin / measure.factor)


def group_by_family(models: Sequence[ModelResult]) -> dict[str, list[ModelResult]]:
    """Return the baselines that were tested by their families, see `FAMILIES`."""
    families: dict[str, list[ModelResult]] = {}
    for model in models[1:]:
        if model.against_head is not None:
            name = model.name.strip("`")  # a model card shows names as code
            families.setdefault(FAMILIES.get(name, name), []).append(model)
    return families


def best_on_validation(models: Sequence[ModelResult]) -> ModelResult:
    """Return the model that validation prefers, the first of equals."""
    return max(models, key=lambda model: model.compared_validation)


def find_unbeaten(models: Sequence[ModelResult]) -> list[str]:
    """Return the names of the models that keep the first one from beating its baselines, none if it beats them.

    It beats them if it is significantly better than every baseline of at most its size, than the baseline with the
    highest test score, and than the model without its circuit. A claim of being better than all of several models needs
    no further correction, since each of them must be significantly worse (intersection-union test, Berger 1982).
    """
    head = models[0]
    baselines = [(model, model.against_head) for model in models[1:] if model.against_head]
    if not baselines:
        return []
    best_baseline, _ = max(baselines, key=lambda pair: pair[0].compared_value)
    outcomes = {comparison.baseline: comparison.outcome for comparison in compare_baselines(models)}
    names = []
    for baseline, difference in baselines:
        # the rest of a family is tested by itself
        alone = Comparison(head.name, baseline.name, difference, difference.p)
        rival_outcome = outcomes.get(baseline.name, alone.outcome)
        if rival_outcome != "better" and (
            baseline is best_baseline or baseline.parameters <= head.parameters
        ):
            names.append(baseline.name)
    control = head.without_circuit
    if control is not None and control.gain_interval[0] <= 0:
        names.append(WITHOUT_CIRCUIT)
    return names


def comparison_columns(models: Sequence[ModelResult]) -> tuple[str, ...]:
    """Return the headers of the table of comparisons."""
    measure = models[0].tested.measure
    unit = "balanced points" if models[0].uneven else measure.scale
    return "head minus", f"{unit} [95 % CI]", "p (Holm)", "MDE", "result"


def comparison_rows(models: Sequence[ModelResult]) -> Iterator[tuple[str, ...]]:
    """Yield a row of cells for each comparison of the head, and one for the no-circuit ablation."""
    measure = models[0].tested.measure
    for comparison in compare_baselines(models):
        difference = comparison.difference
        effect = "" if comparison.detectable is None else measure.effect(comparison.detectable)
        yield (
            comparison.baseline,
            measure.difference(difference.value, difference.interval),
            p_value(comparison.p_holm).removeprefix("p = ").removeprefix("p "),
            effect,
            RESULTS[comparison.outcome],
        )
    if control := models[0].without_circuit:
        gain = measure.difference(control.gain, control.gain_interval)
        yield WITHOUT_CIRCUIT, gain, "", "", ""


def comparison_numbers(models: Sequence[ModelResult]) -> Iterator[dict[str, Any]]:
    """Yield the numbers of each row of `comparison_rows`, by their names in JSON."""

    def row(
        name: str,
        value: float,
        interval: tuple[float, float] | None,
        p: float | None = None,
        effect: float | None = None,
    ) -> dict[str, Any]:
        """Return the numbers of a row by their names in JSON.

        Args:
            name: of the other model.
            value: difference, head minus the other model.
            interval: of the difference, at 95 %.
            p: corrected by Holm; None: not tested.
            effect: smallest detectable one; None: not tested.
        """
        low, high = interval or (None, None)
        return {
            "head_minus": name,
            "difference": value,
            "low": low,
            "high": high,
            "p_holm": p,
            "minimum_detectable_effect": effect,
        }

    for comparison in compare_baselines(models):
        difference = comparison.difference
        yield row(
            comparison.baseline,
            difference.value,
            difference.interval,
            comparison.p_holm,
            comparison.detectable,
        )
    if control := models[0].without_circuit:
        yield row(WITHOUT_CIRCUIT, control.gain, control.gain_interval)
