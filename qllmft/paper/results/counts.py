"""What is counted, not trained: parameters and gates of a preset."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft.config.presets import Preset
from qllmft.description import describe
from qllmft.published import published
from qllmft.templates import encoder_template, head_template
from qllmft_circuits import CircuitCounts, count

CLASSES = 2
LOGISTIC_REGRESSION = "logistic regression"


@dataclass(frozen=True)
class PresetCounts:
    """Counts of one preset; what is of a circuit is None where head or encoder is classical."""

    parameters: int | None  # trained; None where training decides: the support vectors of an SVC
    head: CircuitCounts | None = None  # of its circuit, as written
    encoder: CircuitCounts | None = None  # of one encoder's, as written
    n_encoders: int = 0  # E; 0 without a quantum encoder


def preset_parameters(preset: Preset) -> int | None:
    """Trained parameters of a preset on D = 768 values and two labels; None for an SVC, where training decides."""
    dimension = published().dimension
    if preset.baseline is None:
        return int(describe(preset.config().model, dimension, CLASSES)["parameters"])
    return dimension + 1 if preset.baseline == LOGISTIC_REGRESSION else None


def preset_counts(preset: Preset) -> PresetCounts:
    """All counts of a preset."""
    model = preset.config().model
    parameters = preset_parameters(preset)
    if preset.baseline is not None:  # the head beside it is not what is meant
        return PresetCounts(parameters)
    head, encoder = head_template(model), encoder_template(model)
    return PresetCounts(
        parameters=parameters,
        head=None if head is None else count(head),
        encoder=None if encoder is None else count(encoder),
        n_encoders=0 if encoder is None else model.most_encoders,
    )
