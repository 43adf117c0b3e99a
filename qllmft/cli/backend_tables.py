"""Tables of a model on several backends: predicted errors, and evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from qllmft.cli.console import names, numbers, say, say_json, table
from qllmft_base.text import format_count

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.inference import Predictor
    from qllmft.inference.evaluation import Evaluation
    from qllmft.inference.labelled_texts import LabelledTexts
    from qllmft.inference.measuring import MeasuredModel
    from qllmft_backends import Backend


def show_budget(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    measured_models: Mapping[str, MeasuredModel],
    *,
    json: bool,
) -> None:
    """Print the error budget on each backend.

    Args:
        predictor: the model.
        texts: labelled ones, for which it is predicted.
        decision: threshold of the answers.
        measured_models: the model on each backend, by name.
        json: whether to print JSON.
    """
    from qllmft.tasks.measure import ACCURACY, percent

    predictor.check_one_label("--budget predicts")
    budgets = {
        name: measured_model.error_budget(texts.vectors, texts.labels, decision)
        for name, measured_model in measured_models.items()
    }
    if json:
        records = [asdict(budget) | {"name": name} for name, budget in budgets.items()]
        say_json(records if len(records) > 1 else records[0])
        return
    for name, budget in budgets.items():
        shots_text = "" if budget.shots is None else f", {budget.shots:,} shots of a circuit"
        first = budget.rows[0]
        rows = []
        for row in budget.rows:
            low, high = map(percent, row.interval)
            right = f"{percent(row.accuracy)} [{low}, {high}]"
            change = "" if row is first else ACCURACY.with_sign(row.accuracy - first.accuracy)
            rows.append((row.errors, right, change, percent(row.differ)))
        say(
            f"{name or measured_models[name].backend.name}: predicted for "
            f"{format_count(budget.texts, 'text')}{shots_text}. Nothing was sent. "
            f"A noiseless simulation has {percent(budget.exact)} % right.",
            table(*names("errors"), *numbers("right, % [95 %]", "points", "differ, %"), rows=rows),
            "differ: labels that differ from a noiseless simulation, means over draws of the shots",
            budget.sentence,
        )


def show_backends(
    evaluations: Mapping[str, Evaluation], backends: Mapping[str, Backend], *, json: bool
) -> None:
    """Print the table of a model on several backends."""
    from qllmft.tasks.measure import percent

    if json:
        say_json(
            [evaluation.as_dict() | {"name": label} for label, evaluation in evaluations.items()]
        )
        return
    rows = []
    for label, evaluation in evaluations.items():
        accuracy = evaluation.accuracy
        agreement = evaluation.agreement
        assert agreement is not None
        low, high = (percent(end, 0) for end in accuracy.interval)
        rows.append(
            (
                ", ".join(filter(None, (label, backends[label].mitigation))),
                accuracy.plain,
                f"{low}–{high}",
                f"{agreement.flips:,}",
                f"{agreement.undecided:,}",
                f"{agreement.mean_abs_difference:.4f}",
                f"{agreement.mean_standard_error:.4f}" if agreement.shots else "–",
                f"{agreement.shots:,}" if agreement.shots else "–",
            )
        )
    if rows:
        headers = ("right", "95 %", "differ", "unreliable", "|Δ⟨Z⟩|", "error", "shots")
        say(
            f"{evaluation.source}: {format_count(accuracy.total, 'text')}.",
            table(*names("backend"), *numbers(*headers), rows=rows),
            "differ: labels that differ from a noiseless simulation",
            "unreliable: labels whose margin is within the shot noise",
            "|Δ⟨Z⟩|: mean distance from a noiseless simulation",
            "error: mean standard error of ⟨Z⟩",
        )
