"""Options about the backend of a trained head's circuit, and the models and backends that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from qllmft.cli.consent import find_remote_backend
from qllmft.cli.options import Count, Positive, load_predictor
from qllmft_base.errors import UserError

if TYPE_CHECKING:
    from qllmft.answers.decision import Decision
    from qllmft.inference import Predictor
    from qllmft.inference.measuring import MeasuredModel
    from qllmft_backends import Backend

BACKEND = "Backend of the head's circuit"  # panel of the help
Options = Annotated[
    list[str] | None,
    typer.Option("--backend-option", metavar="NAME=VALUE"),
    "Any option of the backend, such as noise=forte1.",
]
Yes = Annotated[bool, "Send paid circuits without confirmation."]
# options of the command line that are options of a backend
_BACKEND_FLAGS = (
    *("shots", "max_cost", "session_max_cost", "session_max_minutes"),
    *("symmetry_verification", "yes", "token_file"),
)


@dataclass(frozen=True)
class CircuitOptions:
    """Options of `qllmft predict` and `qllmft evaluate` about the backend of the head's circuit.

    Attributes:
        backend: Backend of the head's circuit, from `qllmft backends`. qiskit:NAME is qiskit with provider=NAME.
            [default: exact]
        shots: Number of measurements per circuit.
        mitigation: Error mitigation on a noisy backend. readout: measure the readout errors, and invert them.
            [default: none]
    """

    panel: ClassVar = BACKEND

    backend: str | None = None
    shots: Count = None
    backend_option: Options = None
    mitigation: Literal["readout"] | None = None


@dataclass(frozen=True)
class BackendOptions(CircuitOptions):
    """Options of `qllmft predict` and `qllmft evaluate` about a backend, its price and its jobs.

    Attributes:
        max_cost: Cost limit of all jobs of the ledger, in the server's unit.
        session_max_cost: Cost limit of an IonQ session for the jobs, in IonQ's unit (beta at IonQ).
        session_max_minutes: Time limit of an IonQ session for the jobs.
        aggregation: Combination of the variants of a debiased job: average, voting or dnl. Several values, separated
            by commas, share one paid job. [default: average]
        symmetry_verification: Discard measurements that violate symmetries, at IonQ.
        known_texts: Number of calibration texts, which the run did not train on. They are measured too and show the
            errors of the device. Then at most 5 % of the reliable labels are expected to differ from a noiseless
            simulation. [default: 60 on a noisy backend from 240 texts on, else 0]
        rounds: Number of rounds of measurement. Texts with a reliable label get no more shots. The shots of a circuit
            double from round to round, up to --shots.
        dry_run: Count and price the circuits. Nothing is sent. Without an API key, the price is a dated estimate.
        offline: With --dry-run: use published prices, and do not ask the server.
        resume: Collect the jobs of an interrupted call first.
        ledger: Folder of the ledger of paid jobs. [default: RUN/ledger]
        token_file: File with the API key. [default: the environment's key]
    """

    panel: ClassVar = "Quantum hardware and its price"

    max_cost: Annotated[float | None, typer.Option(min=0.0)] = None
    session_max_cost: float | None = None
    session_max_minutes: Count = None
    aggregation: str | None = None
    symmetry_verification: bool = False
    known_texts: Annotated[int | None, typer.Option(min=0)] = None
    rounds: Positive = 1
    yes: Yes = False
    dry_run: bool = False
    offline: bool = False
    resume: bool = False
    ledger: Path | None = None
    token_file: Path | None = None

    @property
    def without_effect_on_a_budget(self) -> list[str]:
        """Return the given options that are about circuits to send, which an error budget has none of."""
        from qllmft.config.settings import parse_settings

        defaults = type(self)()
        limits = ("max_cost", "session_max_cost", "session_max_minutes", "yes")
        names = (*limits, "known_texts", "rounds", "dry_run", "offline", "resume")
        flags = [
            f"--{name.replace('_', '-')}"
            for name in names
            if getattr(self, name) != getattr(defaults, name)
        ]
        options = parse_settings(self.backend_option or [], "--backend-option")
        return flags + [f"--backend-option {name}" for name in limits if name in options]

    @property
    def names_several_backends(self) -> bool:
        """Return whether several backends are named."""
        return self.backend is not None and "," in self.backend

    def open(
        self,
        run: Path,
        row: str | None,
        decision: Decision,
        noise_options: Mapping[str, Any] | None = None,
        *,
        sends_circuits: bool = True,
        jobs: int = 1,
        ray: str | None = None,
    ) -> tuple[Predictor, dict[str, MeasuredModel]]:
        """Return a model of a run, and the same model on each backend that is to answer, see `make_backends`.

        Args:
            run: folder of the run or the model.
            row: of the run's table; None for the head.
            decision: what is asked of the answers.
            noise_options: see `make_backends`.
            sends_circuits: whether the command sends circuits, so that access to a paid backend is checked first.
            jobs: number of processes that embed.
            ray: address of a Ray cluster that embeds.

        Raises:
            UserError: if model, decision and options do not fit together.
        """
        backends = self.make_backends(run, noise_options, sends_circuits=sends_circuits)
        predictor = load_predictor(run, row, jobs, ray)
        measured_models = self.make_measured_models(predictor, backends)
        if backends and decision.coverage is not None:
            raise UserError(
                "--coverage needs exact probabilities, and --backend measures them. Omit one of the two."
            )
        if not predictor.task.real:
            predictor.check_decision(decision)
        elif backends or decision != type(decision)():
            raise UserError(
                "--backend, --threshold, --margin, --coverage and --novelty need labels, and this model predicts "
                "regression targets. Omit them."
            )
        return predictor, measured_models

    def make_measured_models(
        self, predictor: Predictor, backends: Mapping[str, Backend]
    ) -> dict[str, MeasuredModel]:
        """Return a model on each backend by name, with the calibration texts and the rounds of the options."""
        if not backends:
            return {}
        from qllmft.inference.measuring import import_measured_model

        measured_model_class = import_measured_model()
        measured_models = {
            name: measured_model_class(predictor, backend, self.known_texts, self.rounds)
            for name, backend in backends.items()
        }
        if self.known_texts:  # or raise before a text is embedded or a server started
            next(iter(measured_models.values())).calibration_texts()
        several_aggregations = (
            "several values of --aggregation" if "," in (self.aggregation or "") else ""
        )
        if self.rounds > 1 and (several_aggregations or self.mitigation):
            raise UserError(
                f"--rounds does not work with {several_aggregations or '--mitigation'}. Omit one of the two."
            )
        return measured_models

    def make_backends(
        self,
        run: Path,
        noise_options: Mapping[str, Any] | None = None,
        *,
        sends_circuits: bool = True,
    ) -> dict[str, Backend]:
        """Return the backends for a run by name, or by aggregation; none unless one was named.

        They share a ledger, so the others read the jobs that the first has paid for. A backend with a run's section
        ``noise`` has ``noise_options`` unless others are given.
        """
        from qllmft.config.settings import parse_settings

        ledger = self.ledger or run / "ledger"
        settings = parse_settings(self.backend_option or [], "--backend-option")
        flags = {
            name: value
            for name in _BACKEND_FLAGS
            if (value := getattr(self, name)) is not None and value is not False
        }
        described_options = flags | ({"aggregation": self.aggregation} if self.aggregation else {})
        if conflicting_options := sorted(described_options.keys() & settings.keys()):
            raise UserError(
                _conflict_message(
                    conflicting_options[0], f"--{conflicting_options[0].replace('_', '-')}"
                )
            )
        options: dict[str, dict[str, Any]] = {}
        if self.backend is None:
            described_options |= settings | ({"mitigation": True} if self.mitigation else {})
            described_options |= (
                {} if self.known_texts is None else {"known_texts": self.known_texts}
            )
            described_options |= {} if self.rounds == 1 else {"rounds": self.rounds}
            if described_options:
                raise UserError(
                    f"no backend is named for {', '.join('--' + key.replace('_', '-') for key in described_options)}. "
                    "Add --backend, with a name from `qllmft backends`."
                )
        elif self.names_several_backends:
            options = self._options_by_backend(flags, settings)
        elif self.aggregation is None:
            options[""] = flags | settings
        else:
            for name in map(str.strip, self.aggregation.split(",")):
                options[name] = flags | {"aggregation": name} | settings
        backends = {}
        for name, backend_options in options.items():
            label = name if self.names_several_backends else str(self.backend)
            backends[name] = self._create_backend(
                label, backend_options, ledger, noise_options or {}
            )
        self._check_options(backends, ledger)
        if sends_circuits and not self.dry_run and not self.resume:
            _check_access(backends)
        return backends

    def _options_by_backend(
        self, flags: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the options of several backends by name: flags for those that take them, ``NAME.option=`` for one."""
        from qllmft_backends.registry import load_options_class

        labels = [label.strip() for label in (self.backend or "").split(",")]
        if self.aggregation or self.resume or self.dry_run or len(set(labels)) != len(labels):
            raise UserError(
                f"--backend {self.backend}: expected different names, and no --aggregation, --dry-run or --resume "
                "beside several backends. Name one backend for these."
            )
        for name in settings:
            if "." in name and name.rpartition(".")[0] not in labels:
                raise UserError(
                    f"--backend-option {name}: expected an option of all, or NAME.option with a name of --backend: "
                    f"{', '.join(labels)}."
                )
        options_by_label: dict[str, dict[str, Any]] = {}
        for label in labels:
            option_fields = load_options_class(label.partition(":")[0]).model_fields
            options_by_label[label] = {
                flag: value for flag, value in flags.items() if flag in option_fields
            }
            for prefix in ("", label):  # of all, then its own
                options_by_label[label] |= {
                    option.rpartition(".")[2]: value
                    for option, value in settings.items()
                    if option.rpartition(".")[0] == prefix
                }
        return options_by_label

    def _create_backend(
        self, label: str, options: dict[str, Any], ledger: Path, noise_options: Mapping[str, Any]
    ) -> Backend:
        """Return the backend of ``NAME`` or ``NAME:PROVIDER`` with its options."""
        from qllmft_backends import BACKENDS, create

        name, separator, provider = label.partition(":")
        if separator and "provider" in options:
            raise UserError(_conflict_message("provider", f"--backend {label}"))
        options |= {"provider": provider} if separator else {}
        entry = BACKENDS[name]
        if entry.keeps_ledger:
            if "ledger" in options:
                raise UserError(
                    f"--backend-option ledger={options['ledger']} would be overwritten by {ledger}, the folder of this "
                    f"command. Nothing was sent. Name it with --ledger {options['ledger']}."
                )
            options["ledger"] = ledger
        if entry.noise_section:
            # they are of another noise
            overridden_noise_options = (
                {"one_qubit_rate", "two_qubit_rate"} if "noise" in options else set()
            )
            overridden_noise_options |= {"shot_test"} if "trajectories" in options else set()
            options = {
                key: value
                for key, value in noise_options.items()
                if key not in overridden_noise_options
            } | options
        backend = create(name, options)
        # the table names those that take it
        if self.mitigation is None or (
            self.names_several_backends and not backend.capabilities.noisy
        ):
            return backend
        from qllmft_backends.mitigation import MitigatedBackend

        return MitigatedBackend(backend)

    def _check_options(self, backends: Mapping[str, Backend], ledger: Path) -> None:
        """Raise UserError if an option about mitigation, price or ledger has nothing to work on."""
        if self.mitigation and not any(backend.mitigation for backend in backends.values()):
            raise UserError(
                f"--mitigation {self.mitigation}: none of {', '.join(backends)} has noise to mitigate. Omit it."
            )
        if self.offline and not self.dry_run:
            raise UserError(
                "--offline is for --dry-run, which is missing. Add --dry-run, or omit --offline."
            )
        if not self.dry_run and not self.resume:
            return
        flag = "--dry-run" if self.dry_run else "--resume"
        backend = next(iter(backends.values()), None)
        remote = find_remote_backend(backend)
        if remote is None:
            reason = f"{backend.name} sends none" if backend else "no --backend is named"
            raise UserError(
                f"{flag} is for backends that send circuits away, and {reason}. Omit {flag}."
            )
        if self.resume and not remote.has_ledger:
            raise UserError(
                f"there is nothing to resume, because {ledger} has no ledger. Omit --resume, or name the folder with "
                "--ledger."
            )


def _check_access(backends: Mapping[str, Backend]) -> None:
    """Raise a BackendError at once if circuits cannot be sent. The answers in a ledger need no access."""
    from qllmft_backends.protocol import ChecksAccess

    for backend in backends.values():
        if isinstance(backend, ChecksAccess) and not backend.has_ledger:
            backend.check_access()


def _conflict_message(option: str, other_source: str) -> str:
    """Return the error of an ``option`` of a backend that an ``other_source`` part of the command line gives too."""
    return (
        f"--backend-option {option} beside {other_source}: expected one of the two. Nothing was sent. Omit one "
        "of them."
    )
