"""Table of `qllmft evaluate` with several backends: one trained head on all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qllmft.cli.console import names, numbers, plain_table, say, say_json

if TYPE_CHECKING:
    from rich.console import Console

    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft.inference.evaluation import Evaluation, LabelledTexts
    from qllmft_backends import Backend


def compare_backends(
    predictor: Predictor,
    texts: LabelledTexts,
    decision: Decision,
    backends: Mapping[str, Backend],
    console: Console,
    *,
    json: bool,
) -> None:
    """Evaluate a model on each backend and print a table, also of those before one that fails."""
    from qllmft.inference.evaluation import evaluate

    found: dict[str, Evaluation] = {}
    try:
        for label, backend in backends.items():
            predictor.backend = backend
            found[label] = evaluate(predictor, texts, decision)
    finally:
        if json:
            say_json(
                [evaluation.as_dict() | {"name": label} for label, evaluation in found.items()]
            )
        elif found:
            _print(found, backends, console)


def _print(
    found: Mapping[str, Evaluation], backends: Mapping[str, Backend], console: Console
) -> None:
    first = next(iter(found.values()))
    say(f"{first.source}: {first.accuracy.total:,} texts.", console)
    headers = ("right", "95 %", "differ", "unsure", "|Δ⟨Z⟩|", "error", "shots")
    table = plain_table(*names("backend"), *numbers(*headers))
    for label, evaluation in found.items():
        accuracy, agreement = evaluation.accuracy, evaluation.agreement
        assert agreement is not None
        low, high = accuracy.interval
        table.add_row(
            f"{label}, {how}" if (how := backends[label].mitigation) else label,
            f"{100 * accuracy.value:.1f} %",
            f"{100 * low:.0f}–{100 * high:.0f}",
            f"{agreement.flips:,}",
            f"{agreement.undecided:,}",
            f"{agreement.mean_abs_difference:.4f}",
            f"{agreement.mean_standard_error:.4f}" if agreement.shots else "–",
            f"{agreement.shots:,}" if agreement.shots else "–",
        )
    console.print(table)
    say("Labels that differ from the exact model's, and labels unsure at these shots;", console)
    say("mean |Δ⟨Z⟩| from the exact model, and the mean standard error of ⟨Z⟩.", console)
