"""Options of the IonQ backends: typed, and checked before anything is sent."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from qllmft_backends.ionq.errors import IonQRequestError
from qllmft_backends.ionq.noise import CLOUD_NOISE, CloudModel, cloud_model_of
from qllmft_backends.noise import GateNoise, NoiseSettings

IONQ_URL = "https://api.ionq.co/v0.4"
URL_VARIABLES = ("QISKIT_IONQ_API_URL", "IONQ_API_URL")  # qiskit-ionq's order
QPU_MAX_SHOTS = 10_000
DEBIASING_MIN_SHOTS = 500  # IonQ's: below, debiasing cannot be turned on
JOB_MAX_CIRCUITS = 5_000  # IonQ's limits of a multi-circuit job (API v0.4, POST /jobs)
JOB_MAX_GATES = 150_000

Target = Literal["forte-1", "forte-enterprise-1"]
Aggregation = Literal["average", "voting", "dnl"]
ErrorMitigation = Literal["none", "debiasing"]


def default_ledger() -> Path:
    """The folder of the ledger where none is named: one for each user."""
    return platformdirs.user_state_path("qllmft") / "ionq"


class IonQConnection(BaseModel):
    """How to reach the server, and how patient to be.

    Attributes:
        url: address of the API, ending in its version. None: the first set of `URL_VARIABLES`, else IonQ's own.
        token_file: file that holds the API key. None: the environment; see `load_token`.
        request_timeout_s: seconds that one request may take, its whole answer included.
        retry_s: seconds for which a read is repeated while the server is busy or away.
        deadline_s: seconds that jobs may take, queue included. At the deadline nothing is lost: collect later.
        poll_interval_s: seconds between two looks at a job.
        settle_s: seconds after a request without an answer until a job that is not among the server's jobs counts as
            never accepted and may be sent again. Generous, because a request can hang on its way and be accepted later.
        max_answer_bytes: of the body of one answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    url: str | None = None
    token_file: Path | None = None
    request_timeout_s: float = Field(30.0, gt=0)
    retry_s: float = Field(120.0, ge=0)
    deadline_s: float = Field(3600.0, gt=0)
    poll_interval_s: float = Field(5.0, gt=0)
    settle_s: float = Field(300.0, ge=0)
    max_answer_bytes: int = Field(64 << 20, gt=0)

    @field_validator("url")
    @classmethod
    def _url_is_safe(cls, url: str | None) -> str | None:
        return None if url is None else check_url(url)

    def address(self) -> str:
        """The API's address, without a slash at its end."""
        if self.url is not None:
            return self.url
        for variable in URL_VARIABLES:
            if os.environ.get(variable):
                try:
                    return check_url(os.environ[variable])
                except ValueError as error:
                    raise IonQRequestError(f"the environment variable {variable}: {error}. Nothing was sent.") from None
        return IONQ_URL


def check_url(url: str) -> str:
    """``url`` without a slash at its end.

    Raises:
        ValueError: where the key would travel in the clear, or the address does not end in a version.
    """
    url = url.rstrip("/")
    parts = urlsplit(url)
    if "@" in url:  # a slash in a password hides it from the parser
        raise ValueError("url holds a user or a password; expected none: the API key comes from the environment")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname)):
        raise ValueError(
            f"url is {url!r}; expected https://..., or http:// on this machine (127.0.0.1) for the sandbox: "
            "elsewhere the API key would travel in the clear"
        )
    if not re.search(r"/v\d+\.\d+$", url):
        raise ValueError(f"url is {url!r}; expected it to end in the API's version, like {IONQ_URL}")
    return url


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class IonQOptions(IonQConnection):
    """What both IonQ backends have in common.

    Attributes:
        ledger: folder of the ledger. What it holds is never paid again; see `Ledger`.
        circuits_per_job: circuits of one job, at most; one with a known answer is not counted.
        repetition: another number means other measurements of the same circuits, paid anew.
        retry_failed: send the circuits of failed jobs again.
        per_shot: read the basis state of every single shot too, where the server has them, into the ledger. Chosen when
            results are read, costs nothing, and works for jobs that were paid before.
        max_cost: ceiling on the price of all jobs of the ledger, those of earlier calls included, in the unit of the
            server's estimate. It is no consent: see ``yes``.
        circuit_budget: ceiling on the number of circuits that this backend object sends, those with a known answer
            among them.
        yes: consent to send paid circuits without asking.
        spsa_step_rad: perturbation of each angle in `gradient`, in radians; large enough to stand out of shot noise.
        spsa_batch: perturbations averaged for one gradient; each costs two circuits.
        seed: of the perturbations, and of the simulator's noise and shots.
    """

    paid: ClassVar[bool]
    if TYPE_CHECKING:  # each backend's options have it, with limits of their own
        shots: int | None = None
    ledger: Path = Field(default_factory=default_ledger)
    circuits_per_job: int = Field(50, ge=1, le=JOB_MAX_CIRCUITS)
    repetition: int = Field(0, ge=0)
    retry_failed: bool = False
    per_shot: bool = False
    max_cost: float | None = Field(None, ge=0)
    circuit_budget: int | None = Field(None, ge=0)
    yes: bool = False
    spsa_step_rad: float = Field(0.2, gt=0)
    spsa_batch: int = Field(1, ge=1)
    seed: int = Field(0, ge=0, lt=2**31)  # the API's int32


class IonQSimulatorOptions(NoiseSettings, IonQOptions):
    """Options of the backend ``ionq_simulator``, IonQ's simulator in the cloud.

    Attributes:
        noise, one_qubit_rate, two_qubit_rate, readout_error: see `NoiseSettings`. The server takes names of its own and
            no rates: noise without a name there, such as any readout error, is refused.
        noise_model: instead of ``noise``, IonQ's name of the machine whose noise is simulated.
        shots: measurements of a circuit. None, without noise only: the exact probabilities. Without noise the shots are
            drawn here from the exact probabilities that the server gives.
    """

    paid: ClassVar[bool] = False
    noise_model: CloudModel | None = None
    shots: int | None = Field(None, ge=1, le=1_000_000)

    @property
    def gate_noise(self) -> GateNoise | None:
        """The noise in force; None for a machine whose rates IonQ does not publish."""
        return CLOUD_NOISE.get(self.noise_model) if self.noise_model else self.named_noise()

    @property
    def cloud_model(self) -> CloudModel:
        """The server's name for the noise in force."""
        return self.noise_model or cloud_model_of(self.named_noise())

    @model_validator(mode="after")
    def _noise_runs_there(self) -> IonQSimulatorOptions:
        named = NoiseSettings.model_fields.keys() & self.model_fields_set
        if self.noise_model is not None and named:
            others = ", ".join(sorted(named))
            raise ValueError(f"noise_model is {self.noise_model!r} beside {others}; expected one way to name the noise")
        model = self.cloud_model  # refuses what the server has no name for
        if self.shots is None and model != "ideal":
            raise ValueError(f"the noise {model!r} without shots; expected shots, for example shots=1000")
        if self.per_shot and model == "ideal":
            raise ValueError(
                "per_shot without noise, where the server measures no shots; expected noise, or no per_shot"
            )
        return self


class IonQForteOptions(IonQOptions):
    """Options of the backend ``ionq_forte``, IonQ's trapped ions. It costs money.

    Attributes:
        target: the machine.
        shots: measurements of a circuit.
        error_mitigation: always sent, never left to the server, whose own default from 500 shots on is the dearer
            debiasing.
        symmetry_verification: discard measurements that violate the circuit's symmetries, as IonQ finds them.
        aggregation: how the variants of a debiased job are combined. Chosen when results are read: the same paid job
            gives each of them. ``voting`` and ``dnl`` sharpen the distribution, which biases expectation values.
        known_answer_shots: shots of the circuit with a known answer that goes first in each job, beside the
            ``circuits_per_job`` others; a wrong answer stops the sending, and the results of its job are not used. All
            circuits of a job have its shots and its mitigation, so that this is ``shots``, or 0: no such circuit. None:
            ``shots`` where they are 20 or more, and no such circuit to the sandbox. It costs as much as another circuit
            of its few gates, a circuit's least price at the least: its share of a full job of 50 is about 2 %, that of
            a job of one circuit up to a half.
        retry_wrong: send the circuits of jobs whose known answer came back wrong again. They are paid again.
        session_max_cost: ceiling that the server keeps: the jobs of a call are sent in a session of theirs, whose cost
            it limits, in the unit of its prices. None: no such ceiling.
        session_max_minutes: the server ends the session of a call after so many minutes. None: no such limit.
        allow_paid_training: let `gradient` work, by SPSA; needs ``circuit_budget``.
    """

    paid: ClassVar[bool] = True
    target: Target = "forte-1"
    shots: int = Field(1000, ge=1, le=QPU_MAX_SHOTS)
    error_mitigation: ErrorMitigation = "none"
    symmetry_verification: bool = False
    aggregation: Aggregation = "average"
    known_answer_shots: int | None = Field(None, ge=0, le=QPU_MAX_SHOTS)
    retry_wrong: bool = False
    session_max_cost: float | None = Field(None, gt=0)
    session_max_minutes: int | None = Field(None, ge=1)
    allow_paid_training: bool = False

    @field_validator("known_answer_shots")
    @classmethod
    def _known_answer_has_the_shots_of_its_job(cls, value: int | None, info: ValidationInfo) -> int | None:
        shots = info.data.get("shots")
        if value and shots is not None and value != shots:
            raise ValueError(
                f"known_answer_shots is {value} beside shots {shots}; expected 0 (no circuit with a known answer) or "
                f"{shots}: all circuits of a job have its shots"
            )
        return value

    @field_validator("aggregation")
    @classmethod
    def _aggregation_needs_debiasing(cls, value: Aggregation, info: ValidationInfo) -> Aggregation:
        if value != "average" and info.data.get("error_mitigation") == "none":
            raise ValueError(f"aggregation {value!r} without variants; expected error_mitigation='debiasing' beside it")
        return value

    @field_validator("error_mitigation")
    @classmethod
    def _debiasing_needs_shots(cls, value: ErrorMitigation, info: ValidationInfo) -> ErrorMitigation:
        shots = info.data.get("shots")
        if value == "debiasing" and shots is not None and shots < DEBIASING_MIN_SHOTS:
            raise ValueError(f"debiasing with {shots} shots; expected {DEBIASING_MIN_SHOTS} shots or more, or 'none'")
        if value == "debiasing" and info.data.get("per_shot"):
            raise ValueError("debiasing beside per_shot: its shots are of many circuits; expected one of the two")
        return value

    @field_validator("allow_paid_training")
    @classmethod
    def _training_needs_a_budget(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("circuit_budget") is None:
            raise ValueError(
                "training on hardware without circuit_budget; expected a ceiling on the circuits it may send"
            )
        return value
