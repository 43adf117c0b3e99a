"""Noise of a run: that of the paper, and choices for details that its text leaves open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from qllmft.config.section import NEUTRAL, Count, Positive, Section
from qllmft_backends.noise import CircuitNoise, NoiseName, ShotGradient, ShotModel


class NoiseConfig(CircuitNoise, Section):
    """Noise of the head's circuit on the project's engine, in training, validation and test.

    The encoder has none. Without a head, the encoders are the measured circuit and may have ``shots`` of eq. 2 alone.

    The paper's values are ``gates`` = paper_low or paper_high with 8192 shots. Rates are the r of
    ``depolarizing_error(r, n)`` unless ``rate`` is changed.
    """

    gates: NoiseName = "none"
    shots: Count = 0  # S, measurements per sample; 0 computes exact values
    # gaussian is eq. 2; the gradient of multinomial is blocked (figure 6)
    shot_model: Literal["gaussian", "multinomial"] = "gaussian"
    # error trajectories per sample and pass, averaged; each has all shots
    trajectories: Positive = 1
    # gradient of eq. 2: with the noise outside its path, or through the noise's standard deviation
    gradient: Annotated[ShotGradient, NEUTRAL] = "value"

    @property
    def model(self) -> ShotModel:
        """Return the model of the shots."""
        return self.shot_model if self.shots else "exact"

    @property
    def backend_options(self) -> dict[str, Any]:
        """Return the equivalent options of the backend ``adjoint``."""
        if self.is_none:
            return {}
        no_shots = {} if self.shots else {"shots": None, "shot_model": None}
        noise = CircuitNoise.model_validate({**self.model_dump(), **no_shots})
        return noise.model_dump(exclude_defaults=True)

    def _contradictions(self) -> Iterator[str]:
        if self.shots == 1:
            yield "shots is 1; give 2 or more, or 0 for exact values"
        yield from super()._contradictions()
