"""Options of the IonQ backends, checked before anything is sent."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import Field, field_validator, model_validator

from qllmft_backends.errors import BackendError
from qllmft_backends.noise import PRESETS, GateNoise, NoiseSettings
from qllmft_machines.errors import PaidTrainingError, RemoteRequestError
from qllmft_machines.options import JobOptions, KnownAnswerOptions, Waits

IONQ_URL = "https://api.ionq.co/v0.4"
URL_VARIABLES = ("QISKIT_IONQ_API_URL", "IONQ_API_URL")  # qiskit-ionq's order
QPU_MAX_SHOTS = 10_000
DEBIASING_MIN_SHOTS = 500  # IonQ's: below, debiasing cannot be turned on
JOB_MAX_CIRCUITS = 5_000  # IonQ's limits of a multi-circuit job (API v0.4, POST /jobs)
JOB_MAX_GATES = 150_000
JOB_MAX_BYTES = 10_000_000  # of the request
MOCK_HEADER = "X-QLLMFT-Sandbox"  # of the mock server's answers

Aggregation = Literal["average", "voting", "dnl", "majority"]
ErrorMitigation = Literal["none", "debiasing"]
_Published = Literal["ideal", "aria-1", "aria-2", "forte-1"]  # with their rates
CloudModel = Literal[_Published, "harmony", "harmony-1", "harmony-2", "forte-enterprise-1"]

# The API takes the name of a noise model and a seed, no rates: only noise with a name at IonQ can run
# there. The rates are those of docs.ionq.com/guides/simulation-with-noise-models: depolarizing after
# every gate, with Kraus weights r/4 and r/16, the convention of `qllmft_backends.noise`.
CLOUD_NOISE: dict[str, GateNoise] = {
    "ideal": GateNoise(0, 0),
    "aria-1": GateNoise(0.0005, 0.0133),
    "aria-2": GateNoise(0.0006573333333333332, 0.01856),
    "forte-1": PRESETS["forte1"],
}
_RATE_TOLERANCE = 1e-3  # relative: rates may be printed with four digits


class IonQConnection(Waits):
    """Address of the server, and limits on waiting for it (see `Waits`).

    Attributes:
        url: address of the API, ending in its version. None: the first variable of
            `URL_VARIABLES` that is set, else IonQ's own.
        token_file: file that holds the API key. None: the environment; see `load_token`.
        request_timeout_s: seconds allowed for one request, including its whole answer; an hour at most.
        max_answer_bytes: size limit of one answer's body.
    """

    url: str | None = None
    token_file: Path | None = None
    request_timeout_s: float = Field(30.0, gt=0, le=3600)
    max_answer_bytes: int = Field(64 << 20, gt=0)

    @field_validator("url")
    @classmethod
    def _url_is_safe(cls, url: str | None) -> str | None:
        return None if url is None else check_url(url)

    def address(self) -> str:
        """Return the API's address without a final slash."""
        if self.url is not None:
            return self.url
        for variable in URL_VARIABLES:
            if os.environ.get(variable):
                try:
                    return check_url(os.environ[variable])
                except ValueError as error:
                    raise RemoteRequestError(
                        f"the environment variable {variable}: {error}. Nothing was sent."
                    ) from None
        return IONQ_URL


def check_url(url: str) -> str:
    """Return ``url`` without a final slash, or raise `ValueError` if it is unsafe or does not end in a version."""
    url = url.rstrip("/")
    parts = urlsplit(url)
    if "@" in url:  # a slash in a password hides it from the parser
        raise ValueError(
            "url holds a user or a password, expected none: the API key comes from the environment"
        )
    is_loopback = parts.hostname == "localhost"
    with suppress(ValueError):
        is_loopback |= ipaddress.ip_address(parts.hostname or "").is_loopback
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback):
        raise ValueError(
            f"url is {url!r}, expected https://..., or http:// on this computer (127.0.0.1) for the mock server: "
            "elsewhere the API key would be sent unencrypted"
        )
    if not re.search(r"/v\d+\.\d+$", url):
        raise ValueError(
            f"url is {url!r}, expected it to end in the API's version, like {IONQ_URL}"
        )
    return url


class IonQOptions(IonQConnection, JobOptions):
    """Options of both IonQ backends (see `JobOptions`).

    Attributes:
        ledger: folder of the ledger, by default one per user. Circuits in it are never paid again; see `Ledger`.
        per_shot: also read the basis state of every single shot into the ledger, if the server has them; otherwise
            counts are used, with a warning. It costs nothing, and works for jobs that were paid before.
        spsa_step_rad: perturbation of each angle in `gradient`, in radians; it must exceed the effect of shot noise.
        spsa_batch: number of perturbations averaged for one gradient; each costs two circuits.
        seed: seed of the perturbations, and of the simulator's noise and shots.
    """

    if TYPE_CHECKING:  # declared by each backend's options, with limits of their own
        shots: int | None = None
    ledger: Path = Field(default_factory=lambda: platformdirs.user_state_path("qllmft") / "ionq")
    circuits_per_job: int = Field(50, ge=1, le=JOB_MAX_CIRCUITS)
    per_shot: bool = False
    spsa_step_rad: float = Field(0.2, gt=0)
    spsa_batch: int = Field(1, ge=1)
    seed: int = Field(0, ge=0, lt=2**31)  # the API's int32

    def training_circuits(self, samples: int, epochs: int = 1) -> int:
        """Return the circuits of SPSA training: per sample and epoch a forward pass and two per perturbation.

        Check circuits are not counted: their number depends on the jobs.
        """
        return epochs * samples * (1 + 2 * self.spsa_batch)

    def check_training(self) -> None:
        """Raise `PaidTrainingError` if a gradient would send paid circuits and that is not allowed."""


class IonQSimulatorOptions(NoiseSettings, IonQOptions):
    """Options of the backend ``ionq_simulator``, IonQ's simulator in the cloud.

    Attributes:
        noise, one_qubit_rate, two_qubit_rate, readout_error: see `NoiseSettings`. The server takes names of its own and
            no rates: noise without a name there, such as any readout error, is refused.
        noise_model: instead of ``noise``, IonQ's name of the machine whose noise is simulated.
        shots: number of measurements of a circuit. None, without noise only: the exact probabilities. Without noise the
            shots are drawn here from the server's exact probabilities.
    """

    noise_model: CloudModel | None = None
    shots: int | None = Field(None, ge=1, le=1_000_000)

    @property
    def paid(self) -> bool:
        """Return False."""
        return False

    @property
    def simulated_noise(self) -> GateNoise | None:
        """Return the simulated noise. None for a machine whose rates IonQ does not publish."""
        return CLOUD_NOISE.get(self.noise_model) if self.noise_model else self.gate_noise

    @property
    def cloud_model(self) -> str:
        """Return the server's name for the simulated noise, or raise `BackendError` if it has none with its rates."""
        if self.noise_model is not None:
            return self.noise_model
        noise = self.gate_noise
        known_models = []
        for name, cloud_noise in CLOUD_NOISE.items():
            rates = [(noise.rate(n), cloud_noise.rate(n)) for n in (1, 2)]
            has_same_rates = all(math.isclose(a, b, rel_tol=_RATE_TOLERANCE) for a, b in rates)
            if has_same_rates and not noise.readout_error:
                return name
            known_models.append(
                f"{name} ({cloud_noise.one_qubit_rate:.4g}, {cloud_noise.two_qubit_rate:.4g})"
            )
        readout = f" and readout error {noise.readout_error:g}" if noise.readout_error else ""
        raise BackendError(
            f"IonQ's cloud simulator has no noise with the rates {noise.one_qubit_rate:.4g} and "
            f"{noise.two_qubit_rate:.4g}{readout}: it takes a name, no numbers, and has {', '.join(known_models)}, "
            "without readout error. Set noise='forte1' or noise_model, or run this noise on this computer with the "
            "backend adjoint or aer_forte."
        )

    def _contradictions(self) -> Iterator[str]:
        yield from super()._contradictions()
        fields = NoiseSettings.model_fields
        noise_options = sorted(
            fields[name].alias or name for name in fields.keys() & self.model_fields_set
        )
        if self.noise_model is not None and noise_options:
            yield (
                f"noise_model is {self.noise_model!r} beside {', '.join(noise_options)}, expected one way to name "
                "the noise"
            )
        model = self.cloud_model  # raises if the server has no such noise
        if self.shots is None and model != "ideal":
            yield f"the noise {model!r} without shots, expected shots, for example shots=1000"
        if self.per_shot and model == "ideal":
            yield (
                "per_shot without noise: the server measures no shots then, expected noise, or no per_shot"
            )


class IonQForteOptions(KnownAnswerOptions, IonQOptions):
    """Options of the backend ``ionq_forte``, IonQ's trapped ions, which cost money (see `KnownAnswerOptions`).

    Attributes:
        target: name of the machine, such as ``forte-1`` or ``tempo-1``; the server knows which there are.
        shots: number of measurements of a circuit.
        error_mitigation: always sent, because the server's own default from 500 shots on is debiasing, which costs
            more.
        symmetry_verification: discard measurements that violate the circuit's symmetries, as IonQ finds them. Only
            ``per_shot`` tells how many were kept: without it, standard errors are a lower bound, with a warning.
        aggregation: combination of the variants of a debiased job. It is applied when results are read: the same paid
            job gives each of them. All but ``average`` sharpen the distribution, which biases expectation values.
        session_max_cost: ceiling on the cost of a session that holds the jobs of a call, in the unit of the server's
            prices. A call with a higher estimate is refused, and the server enforces the ceiling. None: no such limit.
        session_max_minutes: minutes after which the server ends the session of a call. None: no such limit.
        allow_paid_training: allow `gradient`, by SPSA; needs ``circuit_budget``.
        compiled_estimate: with ``--dry-run``, IonQ compiles the first circuit in a job that is not charged, and the
            estimate has its native gates and its depth. The circuit leaves this machine.
        variants: also read the results of each variant of a debiased job into the ledger, if the server has them.
            Standard errors then follow from the spread of the variants; otherwise from the shots, with a warning. It
            costs nothing, and works for jobs that were paid before.
    """

    target: str = Field("forte-1", pattern="^[a-z0-9][a-z0-9-]{0,40}$")
    shots: int = Field(1000, ge=1, le=QPU_MAX_SHOTS)
    error_mitigation: ErrorMitigation = "none"
    symmetry_verification: bool = False
    aggregation: Aggregation = "average"
    session_max_cost: float | None = Field(None, gt=0)
    session_max_minutes: int | None = Field(None, ge=1)
    allow_paid_training: bool = False
    compiled_estimate: bool = False
    variants: bool = False

    @property
    def session_cap(self) -> float | None:
        """Return ``session_max_cost``."""
        return self.session_max_cost

    def check_training(self) -> None:
        """Raise `PaidTrainingError` unless ``allow_paid_training`` is set."""
        if not self.allow_paid_training:
            raise PaidTrainingError(
                "training through ionq_forte would send paid circuits at every step. Nothing was sent. "
                "Train on adjoint or aer_statevector, and predict on ionq_forte. "
                "Or add --backend-option allow_paid_training=true and --backend-option circuit_budget=N. "
                f"An epoch sends {self.training_circuits(1)} circuits per text, check circuits not counted."
            )

    @model_validator(mode="after")
    def _fits_together(self) -> IonQForteOptions:
        debiasing = self.error_mitigation == "debiasing"
        if debiasing and self.shots < DEBIASING_MIN_SHOTS:
            raise ValueError(
                f"debiasing with {self.shots} shots, expected {DEBIASING_MIN_SHOTS} shots or more, or 'none'"
            )
        if debiasing and self.per_shot:
            raise ValueError(
                "debiasing beside per_shot: its shots are of many circuits, expected one of the two"
            )
        if self.aggregation != "average" and not debiasing:
            raise ValueError(
                f"aggregation {self.aggregation!r} without variants, expected error_mitigation='debiasing' beside it"
            )
        if self.variants and (self.aggregation != "average" or not debiasing):
            raise ValueError(
                "variants without debiasing, or beside an aggregation that sharpens, expected "
                "error_mitigation='debiasing' and aggregation='average'"
            )
        if self.allow_paid_training and self.circuit_budget is None:
            raise ValueError(
                "training on hardware without circuit_budget, expected a ceiling on the circuits it may send"
            )
        return self
