"""Differences of a user's own rows from their separable twins and from their models without a circuit, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qllmft.heads.own_head import SEPARABLE
from qllmft.run.predictions import Predictions
from qllmft.run.record import ModelResult


def own_row_sentences(models: Sequence[ModelResult], predictions: Predictions) -> Iterator[str]:
    """Yield a sentence for each control of a row of the user's own, paired by test text.

    Args:
        models: of a run's record, the head first.
        predictions: their answers.
    """
    names = {model.name for model in models}
    balanced = models[0].uneven is not None
    task = predictions.task
    unit = "balanced points" if balanced else task.measure.scale
    for model in models[1:]:
        twin = f"{model.name}, {SEPARABLE}"
        if twin in names:
            answers = (predictions.model_answers(name) for name in (model.name, twin))
            twin_difference = task.paired_difference(
                predictions.labels, *answers, balanced=balanced
            )
            text = task.measure.difference(twin_difference.value, twin_difference.interval)
            yield f"{model.subject} minus its separable twin: {text} {unit}."
        if control := model.without_circuit:
            text = task.measure.difference(control.gain, control.gain_interval)
            yield f"{model.subject} minus a linear model of its circuit's inputs: {text} {unit}."
