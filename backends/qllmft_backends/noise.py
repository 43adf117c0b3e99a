"""Gate noise as numbers whose convention is stated: one value for the engine, for Aer and for IonQ's cloud simulator.

The convention, everywhere in this project, is the r of Aer's ``depolarizing_error(r, n)``, applied to the n qubits of a
gate right after the ideal gate (d = 2^n):

    E(ρ) = (1 - r) ρ + r Tr[ρ] I/d  =  (1 - r (4^n - 1)/4^n) ρ  +  Σ_{P ≠ I} (r/4^n) P ρ P

It is also IonQ's (docs.ionq.com/guides/simulation-with-noise-models, Kraus weights r/4 and r/16). What the same channel
is called elsewhere:

    quantity                                                   n = 1      n = 2
    a Pauli expectation on the gate's qubits is multiplied by  1 - r      1 - r
    probability of a Pauli error, Σ_{P ≠ I} (also: process     3r/4       15r/16
      infidelity; what direct randomized benchmarking gives)
    average gate infidelity, r (d - 1)/d                       r/2        3r/4

So the same "error of 0.5 %" is three different r: name the convention with the number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field

from qllmft_backends.errors import BackendError
from qllmft_base.validation import CheckedModel

NoiseName = Literal["none", "paper_low", "paper_high", "forte1", "explicit"]
ShotModel = Literal["exact", "gaussian", "multinomial"]
ShotGradient = Literal["value", "reparametrised"]
Rate = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
TRAJECTORIES = 1000  # of an expectation value, by default


def pauli_error_probability(rate: float, n_qubits: int) -> float:
    """Return the probability of a Pauli other than the identity, r (4^n - 1)/4^n.

    It equals the process infidelity.

    >>> pauli_error_probability(0.016, 1), pauli_error_probability(0.016, 2)
    (0.012, 0.015)
    """
    return rate * (1 - 0.25**n_qubits)


@dataclass(frozen=True)
class GateNoise:
    """Depolarizing noise after every gate, and flips at the readout.

    Attributes:
        one_qubit_rate: r of ``depolarizing_error(r, 1)`` after every one-qubit gate; from 0 to 4/3.
        two_qubit_rate: r of ``depolarizing_error(r, 2)`` after every two-qubit gate; from 0 to 16/15.
        readout_error: probability that a measured bit is read flipped, the same for 0 and 1 and for every qubit; from 0
            to 1/2. No preset has one, like the paper and IonQ's noise model.
    """

    one_qubit_rate: float
    two_qubit_rate: float
    readout_error: float = 0.0

    def __post_init__(self) -> None:
        for name, n_qubits in (("one_qubit_rate", 1), ("two_qubit_rate", 2)):
            rate = getattr(self, name)
            highest_rate = 4**n_qubits / (4**n_qubits - 1)
            if not 0 <= rate <= highest_rate:
                raise BackendError(
                    f"{name} is {rate}, expected a number from 0 to {highest_rate:.4g}: "
                    f"the r of depolarizing_error(r, {n_qubits})."
                )
        if not 0 <= self.readout_error <= 0.5:
            raise BackendError(
                f"readout_error is {self.readout_error}, expected the probability of a flip, 0 to 0.5."
            )

    @property
    def options(self) -> dict[str, Any]:
        """Return this noise as options of a backend, of those with `NoiseSettings`."""
        return {
            "noise": "explicit",
            "one_qubit_rate": self.one_qubit_rate,
            "two_qubit_rate": self.two_qubit_rate,
            "readout_error": self.readout_error,
        }

    @property
    def is_on_gates(self) -> bool:
        """Return whether any gate carries noise."""
        return self.one_qubit_rate > 0 or self.two_qubit_rate > 0

    def rate(self, n_qubits: int) -> float:
        """Return the r of a gate on one or two qubits. Others are an error."""
        if n_qubits not in (1, 2):
            raise BackendError(
                f"a gate acts on {n_qubits} qubits. Noise is defined for gates on one and two qubits."
            )
        return self.one_qubit_rate if n_qubits == 1 else self.two_qubit_rate

    def readout_factor(self, weight: int) -> float:
        """Return the factor of readout error on a string of ``weight`` Z: (1 - 2e)^weight."""
        return float((1 - 2 * self.readout_error) ** weight)


PRESETS: dict[str, GateNoise] = {
    # The paper prints "error rates" without a convention; they are read as r.
    "paper_low": GateNoise(1e-4, 1e-3),
    "paper_high": GateNoise(2e-4, 2e-3),
    # IonQ's cloud noise model "forte-1": r = 2.667e-4 and 4.949e-3, from process infidelities
    # 2.0e-4 and 46.4e-4.
    "forte1": GateNoise(4 / 3 * 2.0e-4, 16 / 15 * 46.4e-4),
}


class NoiseSettings(CheckedModel):
    """Gate noise and readout error: settings of a run and options of a backend, which call ``gates`` ``noise``."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)
    gates: NoiseName = Field("none", alias="noise")
    one_qubit_rate: Rate | None = None  # both rates belong to gates = "explicit"
    two_qubit_rate: Rate | None = None
    # probability that a measured bit is read flipped
    readout_error: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0

    @property
    def _gates_setting(self) -> str:
        """Return the choice of the gate noise as users write it."""
        return f"{type(self).model_fields['gates'].alias or 'gates'}={self.gates!r}"

    @cached_property
    def gate_noise(self) -> GateNoise:
        """Return the noise of the gates and of the readout."""
        if self.one_qubit_rate is not None and self.two_qubit_rate is not None:
            return GateNoise(self.one_qubit_rate, self.two_qubit_rate, self.readout_error)
        return replace(PRESETS.get(self.gates, GateNoise(0, 0)), readout_error=self.readout_error)

    def _contradictions(self) -> Iterator[str]:
        rates = (self.one_qubit_rate, self.two_qubit_rate)
        if self.gates == "explicit" and None in rates:
            yield f"{self._gates_setting}, got the rates {rates}. It needs both one_qubit_rate and two_qubit_rate"
        if self.gates != "explicit" and rates != (None, None):
            yield (
                f"the rates {rates} would not be used with {self._gates_setting}. Choose 'explicit', or leave them out"
            )
        _ = self.gate_noise  # raises for numbers out of bounds


class CircuitNoise(NoiseSettings):
    """Noise between a circuit and its expectation values on the engine: settings of a run, options, and in a pass."""

    # S, measurements per sample; None: exact values
    shots: int | None = Field(None, ge=1)
    # multinomial: true shots, each a trajectory of its own (the default with shots), with gradients by the
    # parameter-shift rule; gaussian: eq. 2, with gradients in one reverse sweep; exact: none (the default without)
    shot_model: ShotModel | None = None
    # error trajectories per sample and pass, averaged; each has all shots. None: 1 in training,
    # `TRAJECTORIES` of an expectation value under gate noise
    trajectories: int | None = Field(None, ge=1)
    renormalize: bool = False  # divide the counts of eq. 2 by their sum after rectification
    # shots of validation and test: those of training, multinomial, or multinomial with an error
    # trajectory per shot
    shot_test: Literal["same", "multinomial", "per_shot"] = "same"
    # meaning of the rates: r, or the probability of a Pauli error
    rate: Literal["aer", "nonidentity"] = "aer"
    # one trajectory per sample, or one per batch of a pass
    draw: Literal["sample", "batch"] = "sample"
    uploads: bool = True  # add gate noise to the rotations by data
    # gradient of eq. 2: with the noise outside its path, or through the noise's standard deviation
    gradient: ShotGradient = "value"

    @cached_property
    def gate_noise(self) -> GateNoise:
        """Return the noise of the gates and of the readout."""
        named_noise = super().gate_noise
        if self.rate == "aer":
            return named_noise
        for n_qubits in (1, 2):
            if not 0 <= named_noise.rate(n_qubits) <= 1:
                raise BackendError(
                    f"the rate of gates on {n_qubits} qubits is {named_noise.rate(n_qubits)}, expected a "
                    "probability, 0 to 1."
                )
        one_qubit_rate, two_qubit_rate = (
            named_noise.rate(n_qubits) / pauli_error_probability(1.0, n_qubits)
            for n_qubits in (1, 2)
        )
        return GateNoise(one_qubit_rate, two_qubit_rate, self.readout_error)

    @property
    def model(self) -> ShotModel:
        """Return the model of the shots, by default that of `shot_model`."""
        return self.shot_model or ("multinomial" if self.shots else "exact")

    @property
    def runs(self) -> int:
        """Return the number of trajectories per sample in a pass."""
        return self.trajectories or 1

    @property
    def in_evaluation(self) -> Self:
        """Return the noise of validation and test."""
        if self.shot_test == "same":
            return self
        true_shots = {"shot_model": "multinomial", "renormalize": False, "gradient": "value"}
        if self.shot_test == "per_shot":  # which pass has which trajectories is of no account then
            return self.model_copy(update={**true_shots, "trajectories": 1, "draw": "sample"})
        return self.model_copy(update={**true_shots, "shot_test": "same"})

    @property
    def is_none(self) -> bool:
        """Return whether there is no noise of any kind."""
        return not (self.gate_noise.is_on_gates or self.readout_error or self.shots)

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        if self.rate == "nonidentity" and self.gates in ("none", "forte1"):
            yield (
                f"rate={self.rate!r} would not be used with {self._gates_setting}, which has no rates or known ones. "
                "Leave it out"
            )
        if (self.model == "exact") != (not self.shots):
            yield f"shot_model is {self.model!r} with shots={self.shots}. Give both, or neither"
        is_gaussian = self.model == "gaussian"
        has_gate_noise = self.gate_noise.is_on_gates
        is_setting_used = {
            "renormalize": is_gaussian,
            "gradient": is_gaussian,
            "shot_test": is_gaussian
            or (self.model == "multinomial" and self.shot_test == "per_shot"),
            "draw": has_gate_noise,
            "uploads": has_gate_noise,
        }
        if unused_settings := [
            name for name in self.non_default_names(is_setting_used) if not is_setting_used[name]
        ]:
            yield (
                f"{' and '.join(unused_settings)} would not be used: renormalize, gradient and shot_test are about "
                "shots of shot_model='gaussian', draw and uploads about gate noise. Add it, or leave them out"
            )
