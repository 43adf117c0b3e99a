"""Counts of a preset's parameters and gates, without training."""

from __future__ import annotations

from dataclasses import dataclass

from qllmft import load_preset
from qllmft.published import published
from qllmft.templates import encoder_template, head_template, preset_parameters
from qllmft_circuits import CircuitCounts, count

CLASSES = 2


@dataclass(frozen=True)
class PresetCounts:
    """Counts of one preset. Those of circuits are before any transpilation, and None if the part is classical."""

    # trained ones; None for an SVC, whose training decides its support vectors
    parameters: int | None
    head: CircuitCounts | None = None
    encoder: CircuitCounts | None = None  # of one encoder
    n_encoders: int = 0  # E; 0 without a quantum encoder


def parameters_of(name: str) -> int | None:
    """Return the trained parameters of a preset for D = 768 and two labels, or None for an SVC."""
    return preset_parameters(load_preset(name), published().dimension, CLASSES)


def preset_counts(name: str) -> PresetCounts:
    """Return all counts of a preset."""
    preset, parameters = load_preset(name), parameters_of(name)
    model = preset.config().model
    if preset.baseline is not None:  # the run's own head is another model
        return PresetCounts(parameters)
    head, encoder = head_template(model), encoder_template(model)
    return PresetCounts(
        parameters=parameters,
        head=None if head is None else count(head),
        encoder=None if encoder is None else count(encoder),
        n_encoders=0 if encoder is None else model.most_encoders,
    )
