"""`qllmft predict --backend`: the answers that backends measure, and how far they agree with the exact model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qllmft.cli.backend import BackendOptions
from qllmft.cli.consent import (
    ask_in_terminal,
    decided_labels_caveat,
    report_calibration_texts,
    show_estimate,
)
from qllmft.cli.console import say
from qllmft.cli.prediction_output import AnswerOutput, format_prediction

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.answers.probabilities import Bootstrap
    from qllmft.inference import Prediction, Predictor
    from qllmft.inference.items import Item
    from qllmft.inference.measuring import MeasuredModel


def predict_on_backends(
    predictor: Predictor,
    measured_models: Mapping[str, MeasuredModel],
    texts: list[Item],
    backend_options: BackendOptions,
    decision: Decision,
    output: AnswerOutput,
    *,
    json: bool,
    repeats: int | None,
) -> None:
    """Measure all texts in one request, so that a remote backend fills its jobs, and report the agreement."""
    from qllmft.answers.decision import abstention_sentence

    if not texts:
        return
    vectors = predictor.embed(texts)
    predictor.close()
    load = ask_in_terminal(predictor, vectors, decision, measured_models.values())
    for name, measured_model in measured_models.items():
        report_calibration_texts(measured_model, vectors)
        if backend_options.dry_run:
            show_estimate(measured_model.estimate(vectors, offline=backend_options.offline), load)
            return
        answers = measured_model.answer(vectors, decision)
        bootstrap = measured_model.bootstrap(vectors, repeats) if repeats else None
        aggregation = name if len(measured_models) > 1 else ""
        unlike = predictor.unlike(vectors, decision)
        if aggregation and not json:
            say(f"aggregation {name}:")
        for index, prediction in enumerate(predictor.predictions(texts, answers, decision, unlike)):
            record, cells, answer = format_prediction(prediction, measured=True)
            if aggregation:
                record["aggregation"] = name
            if bootstrap is not None:
                text_bootstrap = _bootstrap_record(
                    bootstrap, index, prediction, digits=6 if json else 15
                )
                record["bootstrap"] = text_bootstrap
                error = text_bootstrap["standard_errors"][prediction.label]
                low, high = text_bootstrap["intervals"][prediction.label]
                cells.append(f"bootstrap {error:.4f} [{low:.4f}, {high:.4f}]")
            output.write(record, cells, answer)
        if bootstrap is not None:
            say(_describe_bootstrap(bootstrap), err=True)
        if decision.margin:
            unsure = int(decision.unsure(answers.probabilities).sum())
            say(abstention_sentence(unsure, len(texts), decision.margin), err=True)
        backend = measured_model.backend
        backend_text = ", ".join(filter(None, (backend.name, aggregation, backend.mitigation)))
        agreement = measured_model.agreement(vectors, answers)
        say(
            f"{backend_text}: {agreement}{decided_labels_caveat(backend, answers.known_texts, answers.shortage)}",
            err=True,
        )
        if warning := agreement.exactness_warning(backend):
            say(warning, err=True)


def _describe_bootstrap(bootstrap: Bootstrap) -> str:
    """Return the number of draws, and what was drawn, in words."""
    if bootstrap.single_shots:
        source_text = "the single shots."
    else:
        source_text = "the counts. For the single shots, set per_shot=true."
    return f"Bootstrap: {bootstrap.repeats:,} draws from {source_text}"


def _bootstrap_record(
    bootstrap: Bootstrap, index: int, prediction: Prediction, digits: int
) -> dict[str, Any]:
    """Return the spread of one text's probabilities by label, rounded to a number of digits."""
    labels = prediction.probabilities
    statistics = (bootstrap.standard_errors, bootstrap.low, bootstrap.high)
    errors, low, high = (statistic[index].round(digits).tolist() for statistic in statistics)
    return {
        "repeats": bootstrap.repeats,
        "drawn_from": "shots" if bootstrap.single_shots else "counts",
        "standard_errors": dict(zip(labels, errors, strict=True)),
        "intervals": {name: list(ends) for name, *ends in zip(labels, low, high, strict=True)},
    }
