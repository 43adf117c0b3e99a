"""Options about a backend that commands share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from qllmft.cli.consent import attended, remote_of
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft_backends import Backend

BACKEND = "Backend of the head's circuit"  # panel of the help
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--backend-option",
        metavar="NAME=VALUE",
        help="Any option of the backend, such as noise=forte1.",
    ),
]
# options of the command line that are options of a backend
_PASSED = (
    *("shots", "max_cost", "session_max_cost", "session_max_minutes"),
    *("symmetry_verification", "yes", "token_file"),
)
Yes = Annotated[bool, typer.Option("--yes", help="Send paid circuits without confirmation.")]


@dataclass(frozen=True)
class CircuitOptions:
    """Options of `qllmft predict` and `qllmft evaluate` about the backend of the head's circuit."""

    panel: ClassVar = BACKEND

    backend: Annotated[
        str | None,
        typer.Option(
            help="Backend of the head's circuit; see `qllmft backends`. evaluate takes several, separated by commas; "
            "qiskit:NAME is qiskit with provider=NAME.",
            show_default="exact",
        ),
    ] = None
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Number of measurements per circuit."),
    ] = None
    backend_option: Options = None
    mitigation: Annotated[
        Literal["readout"] | None,
        typer.Option(
            help="Mitigation of errors on a noisy backend: readout measures its readout errors and inverts them.",
            show_default="none",
        ),
    ] = None


@dataclass(frozen=True)
class BackendOptions(CircuitOptions):
    """Options of `qllmft predict` and `qllmft evaluate` about a backend, its price and its jobs."""

    panel: ClassVar = "Quantum hardware and its price"

    max_cost: Annotated[
        float | None,
        typer.Option(min=0.0, help="Cost limit of all jobs of the ledger, in the server's unit."),
    ] = None
    session_max_cost: Annotated[
        float | None,
        typer.Option(
            help="Cost limit of an IonQ session for the jobs, in IonQ's unit (beta at IonQ)."
        ),
    ] = None
    session_max_minutes: Annotated[
        int | None, typer.Option(min=1, help="Time limit of an IonQ session for the jobs.")
    ] = None
    aggregation: Annotated[
        str | None,
        typer.Option(
            help="Combination of the variants of a debiased job: average, voting or dnl. Several, separated by commas, "
            "give a set of results each from one paid job.",
            show_default="average",
        ),
    ] = None
    symmetry_verification: Annotated[
        bool,
        typer.Option(
            "--symmetry-verification", help="Discard measurements that violate symmetries, at IonQ."
        ),
    ] = False
    known_texts: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Number of training texts that are measured too: their known answers show the errors of the machine, "
            "and at most 5 % of the labels that are decided by them are expected to differ from the exact model's.",
            show_default="60 on a noisy backend if there are 240 texts or more, else 0",
        ),
    ] = None
    rounds: Annotated[
        int,
        typer.Option(
            min=1,
            help="Number of rounds in which the shots are measured: after each, the texts whose labels are decided get "
            "no more. The shots of a circuit double from round to round, up to --shots.",
        ),
    ] = 1
    yes: Yes = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and price the circuits; send nothing.")
    ] = False
    offline: Annotated[
        bool,
        typer.Option("--offline", help="With --dry-run: estimate the price without the server."),
    ] = False
    resume: Annotated[
        bool, typer.Option("--resume", help="Collect the jobs of an interrupted call first.")
    ] = False
    ledger: Annotated[
        Path | None,
        typer.Option(help="Folder of the ledger of paid jobs.", show_default="RUN/ledger"),
    ] = None
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the API key.", show_default="the environment's key"),
    ] = None

    @property
    def several(self) -> bool:
        """Return whether several backends are named."""
        return self.backend is not None and "," in self.backend

    def instruct(self, predictor: Predictor) -> None:
        """Set the texts with known answers and the rounds of a model's measurements."""
        from qllmft.inference.trust import check_known_texts

        check_known_texts(self.known_texts or 0)
        several = "several values of --aggregation" if "," in (self.aggregation or "") else ""
        if self.rounds > 1 and (several or self.mitigation):
            raise UserError(
                f"--rounds and {several or '--mitigation'} are given: a round follows from the answers before it. Omit "
                "one of the two."
            )
        predictor.known_texts, predictor.rounds = self.known_texts, self.rounds

    def make(self, run: Path, noise_options: Mapping[str, Any] | None = None) -> dict[str, Backend]:
        """Return the backends for a run by aggregation, none unless one was named.

        They share a ledger, so the others read the jobs that the first has paid for. A backend with a run's section
        ``noise`` has ``noise_options`` unless others are given.
        """
        from qllmft.config.settings import parse_settings

        ledger, noise = self.ledger or run / "ledger", noise_options or {}
        settings = parse_settings(self.backend_option or [], "--backend-option")
        flags = {*self._flags(), *(["aggregation"] if self.aggregation else [])}
        if twice := sorted(flags & settings.keys()):
            raise UserError(_twice(twice[0], f"--{twice[0].replace('_', '-')}"))
        if self.several:
            return attended(self._several(settings, ledger, noise))
        names: list[str | None] = [None]
        if self.aggregation is not None:
            names = [name.strip() for name in self.aggregation.split(",")]
        given = {
            name or "": self._flags() | ({} if name is None else {"aggregation": name}) | settings
            for name in names
        }
        if self.backend is None:
            unread = next(iter(given.values())) | ({"mitigation": True} if self.mitigation else {})
            unread |= {} if self.known_texts is None else {"known_texts": self.known_texts}
            unread |= {} if self.rounds == 1 else {"rounds": self.rounds}
            if unread:
                raise UserError(
                    f"{', '.join('--' + key.replace('_', '-') for key in unread)} describe a backend, and none is "
                    "named. Add --backend; `qllmft backends` lists them."
                )
            given = {}
        backends = {
            name: self._created(str(self.backend), options, ledger, noise)
            for name, options in given.items()
        }
        self._check_flags(next(iter(backends.values()), None), ledger)
        return attended(backends)

    def _several(
        self, settings: Mapping[str, Any], ledger: Path, noise_options: Mapping[str, Any]
    ) -> dict[str, Backend]:
        """Return the backends of a list by name. A flag goes to those that take it, ``NAME.option=`` to one."""
        from qllmft_backends.registry import options_of

        labels = [label.strip() for label in (self.backend or "").split(",")]
        if self.aggregation or self.resume or self.dry_run or len(set(labels)) != len(labels):
            raise UserError(
                f"--backend {self.backend}: expected different names, and no --aggregation, --dry-run or --resume "
                "beside several backends. Name one backend for these."
            )
        if unknown := [
            name for name in settings if "." in name and name.rpartition(".")[0] not in labels
        ]:
            raise UserError(
                f"--backend-option {unknown[0]}: expected an option of all, or NAME.option with a name of --backend: "
                f"{', '.join(labels)}."
            )
        backends, flags = {}, self._flags()
        for label in labels:
            known = options_of(label.partition(":")[0]).model_fields
            given = {flag: value for flag, value in flags.items() if flag in known}
            given |= {option: value for option, value in settings.items() if "." not in option}
            own = {option for option in settings if option.rpartition(".")[0] == label}
            given |= {option.rpartition(".")[2]: settings[option] for option in own}
            backends[label] = self._created(label, given, ledger, noise_options)
        if self.mitigation and not any(backend.mitigation for backend in backends.values()):
            raise UserError(
                f"--mitigation {self.mitigation}: none of {', '.join(labels)} has noise to mitigate. Omit it."
            )
        return backends

    def _flags(self) -> dict[str, Any]:
        """Return the options of the command line that are options of a backend, as far as they are given."""
        return {
            name: value
            for name in _PASSED
            if (value := getattr(self, name)) is not None and value is not False
        }

    def _created(
        self, label: str, given: dict[str, Any], ledger: Path, noise_options: Mapping[str, Any]
    ) -> Backend:
        """Return the backend of ``NAME`` or ``NAME:PROVIDER`` with its options."""
        from qllmft_backends import BACKENDS, create

        name, separator, provider = label.partition(":")
        if separator and "provider" in given:
            raise UserError(_twice("provider", f"--backend {label}"))
        given |= {"provider": provider} if separator else {}
        entry = BACKENDS[name]
        if entry.keeps_ledger:
            if "ledger" in given:
                raise UserError(
                    f"--backend-option ledger={given['ledger']} would be overwritten by {ledger}, the folder of this "
                    f"command. Nothing was sent. Name it with --ledger {given['ledger']}."
                )
            given["ledger"] = ledger
        if entry.noise_section:
            # they are of another noise
            other = {"one_qubit_rate", "two_qubit_rate"} if "noise" in given else set()
            other |= {"shot_test"} if "trajectories" in given else set()
            given = {key: value for key, value in noise_options.items() if key not in other} | given
        backend = create(name, given)
        # the table names those that take it
        if self.mitigation is None or (self.several and not backend.capabilities.noisy):
            return backend
        from qllmft_backends.mitigation import MitigatedBackend

        return MitigatedBackend(backend)

    def _check_flags(self, backend: Backend | None, ledger: Path) -> None:
        """Raise if ``--dry-run``, ``--offline`` or ``--resume`` have nothing to work on."""
        if self.offline and not self.dry_run:
            raise UserError(
                "--offline estimates a price without the server, and without --dry-run circuits are sent there. Add "
                "--dry-run, or omit --offline."
            )
        if not self.dry_run and not self.resume:
            return
        flag = "--dry-run" if self.dry_run else "--resume"
        remote = remote_of(backend)
        if remote is None:
            name = backend.name if backend else "no backend"
            raise UserError(
                f"{flag} is about circuits that are sent away, and {name} sends none. Omit it."
            )
        if self.resume and not remote.has_ledger:
            raise UserError(
                f"there is nothing to resume: no ledger in {ledger}. Omit --resume, or name the folder with --ledger."
            )


def _twice(option: str, other: str) -> str:
    """Return the error of an ``option`` of a backend that an ``other`` part of the command line gives too."""
    return f"--backend-option {option} beside {other}: expected one of the two. Nothing was sent. Omit one of them."


def check_of_labels(
    predictor: Predictor, decision: Decision, backends: Mapping[str, Backend]
) -> None:
    """Raise UserError if a decision or a backend is given that does not fit the model's answers."""
    if backends and decision.coverage is not None:
        raise UserError(
            "--coverage is that of probabilities computed here, and a backend is given. Omit one of the two."
        )
    if not predictor.task.real:
        predictor.check_decision(decision)
    elif backends or decision != type(decision)():
        raise UserError(
            "--backend, --threshold, --margin, --coverage and --novelty are about labels, and the model gives real "
            "values. Omit them."
        )
