"""Noise of a run: that of the paper, and choices for details that its text leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from qllmft.config.section import NEUTRAL, Count, NonNegative, Positive, Section
from qllmft_backends.noise import Draw, NoiseName, RateKind, ShotGradient, ShotTest

NOISE_CHOICES = (
    "renormalize",
    "shot_test",
    "rate",
    "draw",
    "uploads",
    "gradient",
)  # details that the paper leaves open


def measured_on(shots: int, trajectories: int, *, per_shot: bool) -> str:
    """Return the number of shots and error trajectories behind a noisy value, in words.

    >>> measured_on(8192, 1, per_shot=True), measured_on(8192, 1, per_shot=False)
    ('8,192 shots, one error trajectory each', 'one error trajectory for all 8,192 shots of a text (cheap)')
    """
    if shots and per_shot:
        return f"{shots:,} shots, one error trajectory each"
    number = "one error trajectory" if trajectories == 1 else f"{trajectories:,} error trajectories"
    if not shots:
        return f"{number} a text"
    if trajectories > 1:
        return f"{number}, {shots:,} shots each"
    return f"{number} for all {shots:,} shots of a text (cheap)"


class NoiseConfig(Section):
    """Noise of the head's circuit on the project's engine, in training, validation and test.

    The encoder has none. Without a head, the encoders are the measured circuit and may have ``shots`` of eq. 2 alone.

    The paper's values are ``gates`` = paper_low or paper_high with 8192 shots. Rates are the r of
    ``depolarizing_error(r, n)`` unless ``rate`` is changed.
    """

    gates: NoiseName = "none"
    one_qubit_rate: NonNegative | None = None  # both rates belong to gates = "explicit"
    two_qubit_rate: NonNegative | None = None
    # probability that a measured bit is read flipped
    readout_error: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    shots: Count = 0  # S, measurements per sample; 0 computes exact values
    # gaussian is eq. 2; the gradient of multinomial is blocked (figure 6)
    shot_model: Literal["gaussian", "multinomial"] = "gaussian"
    # error trajectories per sample and pass, averaged; each has all shots
    trajectories: Positive = 1
    renormalize: bool = False  # divide the counts of eq. 2 by their sum after rectification
    # shots of validation and test: those of training, multinomial, or multinomial with an error
    # trajectory per shot
    shot_test: ShotTest = "same"
    # meaning of the rates: r, or the probability of a Pauli error
    rate: RateKind = "aer"
    # one trajectory per sample, or one per batch of a pass
    draw: Draw = "sample"
    uploads: bool = True  # add gate noise to the rotations by data
    # gradient of eq. 2: with the noise outside its path, or through the noise's standard deviation
    gradient: Annotated[ShotGradient, NEUTRAL] = "value"

    @property
    def is_none(self) -> bool:
        """Return whether values are exact."""
        return self.gates == "none" and not self.readout_error and not self.shots

    @property
    def backend_options(self) -> dict[str, Any]:
        """Return the equivalent options of the backend ``adjoint``."""
        if self.is_none:
            return {}
        options: dict[str, Any] = {"noise": self.gates, "readout_error": self.readout_error}
        options |= {"trajectories": self.trajectories}
        if self.gates == "explicit":
            options |= {
                "one_qubit_rate": self.one_qubit_rate,
                "two_qubit_rate": self.two_qubit_rate,
            }
        options |= {"shots": self.shots, "shot_model": self.shot_model} if self.shots else {}
        return options | {name: getattr(self, name) for name in self.given(NOISE_CHOICES)}

    def _contradictions(self) -> Iterator[str]:
        rates = (self.one_qubit_rate, self.two_qubit_rate)
        if self.gates == "explicit" and None in rates:
            yield "gates is 'explicit'; give one_qubit_rate and two_qubit_rate"
        if self.gates != "explicit" and rates != (None, None):
            yield f"the rates are read with gates = 'explicit' only, and gates is {self.gates!r}"
        if self.is_none and (chosen := self.given(NOISE_CHOICES)):
            yield f"{', '.join(chosen)} would not be read without noise; set gates or shots as well"
        if self.shots == 1:
            yield "shots is 1; give 2 or more, or 0 for exact values"
