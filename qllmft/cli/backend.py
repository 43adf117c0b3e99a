"""Options about the backend of a trained head's circuit, and the models and backends that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import typer

from qllmft.cli.consent import Load, attend, remote_of, show_estimate
from qllmft.cli.console import say
from qllmft.cli.options import Count, Positive, loaded
from qllmft.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft_backends import Backend

BACKEND = "Backend of the head's circuit"  # panel of the help
Options = Annotated[
    list[str] | None,
    typer.Option("--backend-option", metavar="NAME=VALUE"),
    "Any option of the backend, such as noise=forte1.",
]
Yes = Annotated[bool, "Send paid circuits without confirmation."]
# options of the command line that are options of a backend
_PASSED = (
    *("shots", "max_cost", "session_max_cost", "session_max_minutes"),
    *("symmetry_verification", "yes", "token_file"),
)


@dataclass(frozen=True)
class CircuitOptions:
    """Options of `qllmft predict` and `qllmft evaluate` about the backend of the head's circuit.

    Attributes:
        backend: Backend of the head's circuit; see `qllmft backends`. evaluate takes several, separated by commas;
            qiskit:NAME is qiskit with provider=NAME. [default: exact]
        shots: Number of measurements per circuit.
        mitigation: Mitigation of errors on a noisy backend: readout measures its readout errors and inverts them.
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
        aggregation: Combination of the variants of a debiased job: average, voting or dnl. Several, separated by
            commas, give a set of results each from one paid job. [default: average]
        symmetry_verification: Discard measurements that violate symmetries, at IonQ.
        known_texts: Number of calibration texts that are measured too, which the run did not train on: their answers
            show the errors of the machine, and at most 5 % of the labels that are decided by them are expected to
            differ from the exact model's. [default: 60 on a noisy backend if there are 240 texts or more, else 0]
        rounds: Number of rounds in which the shots are measured: after each, the texts whose labels are decided get no
            more. The shots of a circuit double from round to round, up to --shots.
        dry_run: Count and price the circuits; send nothing.
        offline: With --dry-run: estimate the price without the server.
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
    def several(self) -> bool:
        """Return whether several backends are named."""
        return self.backend is not None and "," in self.backend

    def open(
        self,
        run: Path,
        row: str | None,
        decision: Decision,
        noise_options: Mapping[str, Any] | None = None,
    ) -> tuple[Predictor, dict[str, Backend]]:
        """Return a model of a run, and the backends that are to answer, see `make`.

        Args:
            run: folder of the run or the model.
            row: of the run's table; None for the head.
            decision: what is asked of the answers.
            noise_options: see `make`.

        Raises:
            UserError: if model, decision and options do not fit together.
        """
        backends, predictor = self.make(run, noise_options), self.loaded(run, row)
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
        return predictor, backends

    def loaded(self, run: Path, row: str | None) -> Predictor:
        """Load a model of a run, to be measured with the known texts and the rounds of the options."""
        from qllmft.inference.trust import check_known_texts

        predictor = loaded(run, row)
        check_known_texts(self.known_texts or 0)
        if self.known_texts:
            predictor.calibration_texts()  # or raise before a text is embedded or a server started
        several = "several values of --aggregation" if "," in (self.aggregation or "") else ""
        if self.rounds > 1 and (several or self.mitigation):
            raise UserError(
                f"--rounds and {several or '--mitigation'} are given: a round follows from the answers before it. Omit "
                "one of the two."
            )
        predictor.known_texts, predictor.rounds = self.known_texts, self.rounds
        return predictor

    def each(
        self,
        predictor: Predictor,
        vectors: NDArray[np.float32],
        decision: Decision,
        backends: Mapping[str, Backend],
    ) -> Iterator[str]:
        """Yield the name of each backend when it is the model's, asked before it sends paid circuits.

        In a dry run the first one's price is printed, and none is yielded.

        Args:
            predictor: the model.
            vectors: embeddings (N, D) of all texts.
            decision: threshold and margin of the answers.
            backends: by name.
        """
        from qllmft.tasks.measure import percent

        paid = any(remote_of(each) and each.capabilities.paid for each in backends.values())
        load = Load.of(predictor, vectors, decision) if paid else None
        attend(backends.values(), load)
        for name, backend in backends.items():
            predictor.backend = backend
            mixed = predictor.with_known_texts(vectors)
            if (known := mixed.known).any():
                say(
                    f"{known.sum()} calibration texts, which trained nothing, are measured too: "
                    f"{percent(float(known.mean()))} % of the circuits and of the price (--known-texts 0 omits them)",
                    err=True,
                )
            if mixed.shortage:
                say(mixed.shortage, err=True)
            if self.dry_run:
                show_estimate(predictor.estimate(vectors, offline=self.offline), load)
                return
            yield name

    def make(self, run: Path, noise_options: Mapping[str, Any] | None = None) -> dict[str, Backend]:
        """Return the backends for a run by name, or by aggregation; none unless one was named.

        They share a ledger, so the others read the jobs that the first has paid for. A backend with a run's section
        ``noise`` has ``noise_options`` unless others are given.
        """
        from qllmft.config.settings import parse_settings

        ledger = self.ledger or run / "ledger"
        settings = parse_settings(self.backend_option or [], "--backend-option")
        flags = {
            name: value
            for name in _PASSED
            if (value := getattr(self, name)) is not None and value is not False
        }
        given = flags | ({"aggregation": self.aggregation} if self.aggregation else {})
        if twice := sorted(given.keys() & settings.keys()):
            raise UserError(_twice(twice[0], f"--{twice[0].replace('_', '-')}"))
        options: dict[str, dict[str, Any]] = {}
        if self.backend is None:
            given |= settings | ({"mitigation": True} if self.mitigation else {})
            given |= {} if self.known_texts is None else {"known_texts": self.known_texts}
            given |= {} if self.rounds == 1 else {"rounds": self.rounds}
            if given:
                raise UserError(
                    f"{', '.join('--' + key.replace('_', '-') for key in given)} describe a backend, and none is "
                    "named. Add --backend; `qllmft backends` lists them."
                )
        elif self.several:
            options = self._of_each(flags, settings)
        elif self.aggregation is None:
            options[""] = flags | settings
        else:
            for name in map(str.strip, self.aggregation.split(",")):
                options[name] = flags | {"aggregation": name} | settings
        backends = {}
        for name, own in options.items():
            label = name if self.several else str(self.backend)
            backends[name] = self._created(label, own, ledger, noise_options or {})
        self._check(backends, ledger)
        return backends

    def _of_each(
        self, flags: Mapping[str, Any], settings: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the options of several backends by name: flags for those that take them, ``NAME.option=`` for one."""
        from qllmft_backends.registry import options_of

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
        found: dict[str, dict[str, Any]] = {}
        for label in labels:
            known = options_of(label.partition(":")[0]).model_fields
            found[label] = {flag: value for flag, value in flags.items() if flag in known}
            for place in ("", label):  # of all, then its own
                found[label] |= {
                    option.rpartition(".")[2]: value
                    for option, value in settings.items()
                    if option.rpartition(".")[0] == place
                }
        return found

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

    def _check(self, backends: Mapping[str, Backend], ledger: Path) -> None:
        """Raise UserError if an option about mitigation, price or ledger has nothing to work on."""
        if self.mitigation and not any(backend.mitigation for backend in backends.values()):
            raise UserError(
                f"--mitigation {self.mitigation}: none of {', '.join(backends)} has noise to mitigate. Omit it."
            )
        if self.offline and not self.dry_run:
            raise UserError(
                "--offline estimates a price without the server, and without --dry-run circuits are sent there. Add "
                "--dry-run, or omit --offline."
            )
        if not self.dry_run and not self.resume:
            return
        flag = "--dry-run" if self.dry_run else "--resume"
        backend = next(iter(backends.values()), None)
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
