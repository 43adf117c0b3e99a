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

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from qllmft_backends.errors import BackendError

FidelityKind = Literal["process", "average"]
NoiseName = Literal["none", "paper_low", "paper_high", "forte1", "explicit"]
RateKind = Literal["aer", "nonidentity"]  # r, or the probability of a Pauli error
ShotModel = Literal["exact", "gaussian", "multinomial"]
ShotTest = Literal["same", "multinomial", "per_shot"]
Draw = Literal["sample", "batch"]
ShotGradient = Literal["value", "reparametrised"]
TRAJECTORIES = 1000  # of an expectation value, by default
# by shot_test
_TESTED = {"same": (), "multinomial": ("gaussian",), "per_shot": ("gaussian", "multinomial")}


def pauli_error_probability(rate: float, n_qubits: int) -> float:
    """Return the probability of a Pauli other than the identity, r (4^n - 1)/4^n.

    It equals the process infidelity.

    >>> pauli_error_probability(0.016, 1), pauli_error_probability(0.016, 2)
    (0.012, 0.015)
    """
    return rate * (1 - 0.25**n_qubits)


def rate_from_fidelity(fidelity: float, n_qubits: int, kind: FidelityKind) -> float:
    """Return the r of ``depolarizing_error(r, n)`` whose channel has this fidelity.

    Args:
        fidelity: of the gate with its noise; 1 is perfect.
        n_qubits: 1 or 2, the gate's qubits.
        kind: ``process``: r = (1 - F) 4^n/(4^n - 1); ``average``: r = (1 - F) 2^n/(2^n - 1).

    >>> round(rate_from_fidelity(0.9998, 1, "process"), 9), round(rate_from_fidelity(0.9998, 1, "average"), 9)
    (0.000266667, 0.0004)
    """
    if kind not in ("process", "average"):
        raise BackendError(f"fidelity kind is {kind!r}, expected 'process' or 'average'.")
    if not 0 <= fidelity <= 1:
        raise BackendError(
            f"fidelity is {fidelity}, expected a number from 0 to 1 (0.9998, not 99.98)."
        )
    base = 0.25 if kind == "process" else 0.5
    return (1 - fidelity) / (1 - base**n_qubits)


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
            rate, highest = getattr(self, name), 4**n_qubits / (4**n_qubits - 1)
            if not 0 <= rate <= highest:
                raise BackendError(
                    f"{name} is {rate}, expected a number from 0 to {highest:.4g}: "
                    f"the r of depolarizing_error(r, {n_qubits})."
                )
        if not 0 <= self.readout_error <= 0.5:
            raise BackendError(
                f"readout_error is {self.readout_error}, expected the probability of a flip, 0 to 0.5."
            )

    @classmethod
    def calibrated(
        cls,
        one_qubit_fidelity: float,
        two_qubit_fidelity: float,
        *,
        kind: FidelityKind,
        spam_fidelity: float = 1.0,
    ) -> GateNoise:
        """Return the noise of a characterised machine.

        Args:
            one_qubit_fidelity: mean fidelity of a one-qubit gate, as a number up to 1.
            two_qubit_fidelity: of a two-qubit gate.
            kind: kind of those fidelities. IonQ's characterisations come from direct randomized benchmarking and
                convert as ``process``: Forte's published errors 2.0e-4 and 46.4e-4 (arXiv:2308.05071) give exactly the
                rates of IonQ's own noise model ``forte-1`` that way.
            spam_fidelity: of state preparation and measurement; all of its error is taken as readout error.
        """
        return cls(
            rate_from_fidelity(one_qubit_fidelity, 1, kind),
            rate_from_fidelity(two_qubit_fidelity, 2, kind),
            1 - spam_fidelity,
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
                f"a gate acts on {n_qubits} qubits; noise is defined for gates on one and two qubits."
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


def rate_from_error_probability(probability: float, n_qubits: int) -> float:
    """Return the r whose channel applies a Pauli other than the identity with this probability.

    >>> round(rate_from_error_probability(0.012, 1), 9), round(rate_from_error_probability(0.015, 2), 9)
    (0.016, 0.016)
    """
    if not 0 <= probability <= 1:
        raise BackendError(
            f"the rate of gates on {n_qubits} qubits is {probability}, expected a probability, 0 to 1."
        )
    return probability / (1 - 0.25**n_qubits)


class NoiseSettings(BaseModel):
    """Gate noise and readout error as options of a backend.

    Attributes:
        noise: gate noise: ``none``, a preset, or ``explicit`` with the two rates.
        one_qubit_rate, two_qubit_rate: the r of ``depolarizing_error(r, n)``, for ``explicit``.
        readout_error: probability that a measured bit is read flipped.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    noise: NoiseName = "none"
    one_qubit_rate: float | None = None
    two_qubit_rate: float | None = None
    readout_error: float = 0.0

    def named_noise(self) -> GateNoise:
        """Return the noise that the settings name. Rates that are missing or not used are an error."""
        rates = (self.one_qubit_rate, self.two_qubit_rate)
        if self.noise == "explicit":
            if rates[0] is None or rates[1] is None:
                raise BackendError(f"noise is 'explicit', got the rates {rates}; it needs both.")
            return GateNoise(rates[0], rates[1], self.readout_error)
        if rates != (None, None):
            raise BackendError(
                f"the rates {rates} would not be used with noise={self.noise!r}; set noise='explicit', or leave them "
                "out."
            )
        return replace(PRESETS.get(self.noise, GateNoise(0, 0)), readout_error=self.readout_error)


class CircuitNoise(NoiseSettings):
    """Noise between a circuit and its expectation values on the engine, as options and in a pass.

    Attributes:
        shots: S, measurements per sample; None: none.
        shot_model: ``multinomial``: true shots, each a trajectory of its own (the default with ``shots``);
            ``gaussian``: eq. 2, which training can differentiate; ``exact``: none (the default without).
        trajectories: random runs per sample whose mean is taken, each with all shots. None: 1 in training;
            `TRAJECTORIES` in `expectations` under gate noise.
        renormalize: of ``gaussian``: frequencies are divided by their sum, which rectification raises above 1.
        shot_test: of ``gaussian``: ``multinomial`` for true shots in evaluation and `expectations`; of any shots:
            ``per_shot``, true ones with an error trajectory each, in evaluation as in `expectations`.
        rate: meaning of the paper's or explicit rates: ``aer``: r; ``nonidentity``: the probability of a Pauli error.
        draw: of gate noise in a pass: trajectories for each ``sample``, or the same ones for all of a ``batch``.
        uploads: the rotations by data carry gate noise.
        gradient: of ``gaussian``: ``value``: the noise is outside its path; ``reparametrised``: it passes through the
            noise's standard deviation. The gradient of ``multinomial`` is zero.
    """

    shots: int | None = Field(None, ge=2)
    shot_model: ShotModel | None = None
    trajectories: int | None = Field(None, ge=1)
    renormalize: bool = False
    shot_test: ShotTest = "same"
    rate: RateKind = "aer"
    draw: Draw = "sample"
    uploads: bool = True
    gradient: ShotGradient = "value"

    @cached_property
    def gates(self) -> GateNoise:
        """Return the noise of the gates and of the readout."""
        gates = self.named_noise()
        if self.rate == "aer":
            return gates
        one, two = (rate_from_error_probability(gates.rate(n), n) for n in (1, 2))
        return GateNoise(one, two, self.readout_error)

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
        return not (self.gates.is_on_gates or self.gates.readout_error or self.shots)

    def check(self) -> None:
        """Raise `BackendError` if settings contradict each other, or would not be used."""
        if self.rate == "nonidentity" and self.noise in ("none", "forte1"):
            raise BackendError(
                f"rate={self.rate!r} would not be used with noise={self.noise!r}, which has no rates or known "
                "ones; leave it out."
            )
        if (self.model == "exact") != (self.shots is None):
            raise BackendError(
                f"shot_model is {self.model!r} with shots={self.shots}; give both, or neither."
            )
        on_gates = self.gates.is_on_gates
        unread = [
            name
            for name, is_default, is_read in (
                ("renormalize", not self.renormalize, self.model == "gaussian"),
                ("gradient", self.gradient == "value", self.model == "gaussian"),
                ("shot_test", self.shot_test == "same", self.model in _TESTED[self.shot_test]),
                ("draw", self.draw == "sample", on_gates),
                ("uploads", self.uploads, on_gates),
            )
            if not (is_default or is_read)
        ]
        if unread:
            raise BackendError(
                f"{' and '.join(unread)} would not be used: renormalize, gradient and shot_test are about shots of "
                "shot_model='gaussian', draw and uploads about gate noise. Add it, or leave them out."
            )
