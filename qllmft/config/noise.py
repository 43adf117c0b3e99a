"""The noise of a run: the paper's, and the choices that its text leaves open."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from qllmft.config.section import Count, NonNegative, Positive, Section

NOISE_CHOICES = ("renormalize", "shot_test", "rate", "draw", "uploads")  # settings that the paper leaves open


def measured_on(shots: int, trajectories: int, *, per_shot: bool) -> str:
    """What the noisy answer for a text comes from, in the words of training and evaluation alike.

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
    """Noise of the head's circuit on the project's engine, in training, validation and test; the encoder has none.

    The paper's are ``gates`` = paper_low or paper_high and 8192 shots. Rates are the r of ``depolarizing_error(r, n)``
    unless ``rate`` says otherwise.
    """

    gates: Literal["none", "paper_low", "paper_high", "forte1", "explicit"] = "none"
    one_qubit_rate: NonNegative | None = None  # of gates = "explicit"
    two_qubit_rate: NonNegative | None = None
    readout_error: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0  # probability that a measured bit is read flipped
    shots: Count = 0  # S, measurements a sample; 0: exact values
    shot_model: Literal["gaussian", "multinomial"] = (
        "gaussian"  # eq. 2; multinomial: its gradient is blocked (figure 6)
    )
    trajectories: Positive = 1  # random runs a sample and pass, whose mean is taken; each with all shots
    renormalize: bool = False  # eq. 2's counts, once rectified, are divided by their sum
    # of validation and test: those of training; true ones; true ones with an error trajectory each, as on a machine
    shot_test: Literal["same", "multinomial", "per_shot"] = "same"
    rate: Literal["aer", "nonidentity"] = "aer"  # what the rates are: r, or the probability of a Pauli error
    draw: Literal["sample", "batch"] = "sample"  # a trajectory for each sample, or one for the batch of a pass
    uploads: bool = True  # whether the rotations by data carry gate noise

    @property
    def is_none(self) -> bool:
        """Whether values are exact."""
        return self.gates == "none" and not self.readout_error and not self.shots

    @property
    def backend_options(self) -> dict[str, Any]:
        """Options of the backend ``adjoint`` that mean the same."""
        if self.is_none:
            return {}
        options: dict[str, Any] = {"noise": self.gates, "readout_error": self.readout_error}
        options |= {"trajectories": self.trajectories}
        if self.gates == "explicit":
            options |= {"one_qubit_rate": self.one_qubit_rate, "two_qubit_rate": self.two_qubit_rate}
        options |= {"shots": self.shots, "shot_model": self.shot_model} if self.shots else {}
        return options | {name: getattr(self, name) for name in self.given(NOISE_CHOICES)}

    @model_validator(mode="after")
    def _rates_where_explicit(self) -> Self:
        rates = (self.one_qubit_rate, self.two_qubit_rate)
        if self.gates == "explicit" and None in rates:
            raise ValueError("gates is 'explicit'; give one_qubit_rate and two_qubit_rate")
        if self.gates != "explicit" and rates != (None, None):
            raise ValueError(f"the rates are read with gates = 'explicit' only, and gates is {self.gates!r}")
        if self.is_none and (chosen := self.given(NOISE_CHOICES)):
            raise ValueError(f"{', '.join(chosen)} would not be read without noise; set gates or shots too")
        if self.shots == 1:
            raise ValueError("shots is 1; give 2 or more, or 0 for exact values")
        return self
