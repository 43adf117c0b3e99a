"""Counts of a preset's parameters and gates, without training."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config.presets import Preset
from qllmft.published import published
from qllmft.templates import encoder_template, head_template, trained_parameters
from qllmft_circuits import CircuitCounts, count

CLASSES = 2
LOGISTIC_REGRESSION = "logistic regression"


@dataclass(frozen=True)
class PresetCounts:
    """Counts of one preset. Those of circuits are before any transpilation, and None if the part is classical."""

    # trained ones; None for an SVC, whose training decides its support vectors
    parameters: int | None
    head: CircuitCounts | None = None
    encoder: CircuitCounts | None = None  # of one encoder
    n_encoders: int = 0  # E; 0 without a quantum encoder


def preset_parameters(preset: Preset) -> int | None:
    """Return the trained parameters of a preset for D = 768 and two labels, or None for an SVC."""
    dimension = published().dimension
    if preset.baseline is None:
        return trained_parameters(preset.config().model, dimension, CLASSES)
    return dimension + 1 if preset.baseline == LOGISTIC_REGRESSION else None


def preset_counts(preset: Preset) -> PresetCounts:
    """Return all counts of a preset."""
    model = preset.config().model
    parameters = preset_parameters(preset)
    if preset.baseline is not None:  # the run's own head is another model
        return PresetCounts(parameters)
    head, encoder = head_template(model), encoder_template(model)
    return PresetCounts(
        parameters=parameters,
        head=None if head is None else count(head),
        encoder=None if encoder is None else count(encoder),
        n_encoders=0 if encoder is None else model.most_encoders,
    )
