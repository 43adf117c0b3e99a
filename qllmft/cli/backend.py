"""Options about a backend that commands share, and the confirmation of paid circuits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from qllmft.cli.console import PlainConsole, printable, say
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft_backends import Backend, Estimate, RemoteBackend
    from qllmft_backends.mitigation import MitigationOptions

BACKEND = "Backend of the head's circuit"  # panel of the help
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--backend-option",
        metavar="NAME=VALUE",
        help="Any option of the backend, such as noise=forte1.",
        rich_help_panel=BACKEND,
    ),
]
# options of the command line that are options of a backend
_PASSED = (
    *("shots", "max_cost", "session_max_cost", "session_max_minutes"),
    *("symmetry_verification", "yes", "token_file"),
)
Yes = Annotated[bool, typer.Option("--yes", help="Send paid circuits without confirmation.")]


@dataclass(frozen=True)
class BackendOptions:
    """Options of `qllmft predict` and `qllmft evaluate` about the backend of the head's circuit."""

    panel: ClassVar = "Quantum hardware and its price"

    backend: Annotated[
        str | None,
        typer.Option(
            help="Backend of the head's circuit; see `qllmft backends`. evaluate takes several, separated by commas; "
            "qiskit:NAME is qiskit with provider=NAME.",
            show_default="exact",
            rich_help_panel=BACKEND,
        ),
    ] = None
    shots: Annotated[
        int | None,
        typer.Option(min=1, help="Number of measurements per circuit.", rich_help_panel=BACKEND),
    ] = None
    backend_option: Options = None
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Cost limit of the call, in the server's unit.")
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
    mitigation: Annotated[
        str | None,
        typer.Option(
            help="Mitigation of errors on a noisy backend: readout, zne (zero-noise extrapolation) or zne+readout.",
            show_default="none",
            rich_help_panel=BACKEND,
        ),
    ] = None
    scale_factors: Annotated[
        str | None,
        typer.Option(
            help="Noise scales of zne, different odd numbers; each one costs a circuit per text.",
            show_default="1,3,5",
            rich_help_panel=BACKEND,
        ),
    ] = None
    extrapolation: Annotated[
        str | None,
        typer.Option(
            help="Extrapolation of zne: linear, or richardson with less bias and more shot noise.",
            show_default="linear",
            rich_help_panel=BACKEND,
        ),
    ] = None
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

    def make(self, run: Path, noise_options: Mapping[str, Any] | None = None) -> dict[str, Backend]:
        """Return the backends for a run by aggregation, none unless one was named.

        They share a ledger, so the others read the jobs that the first has paid for. A backend with a run's section
        ``noise`` has ``noise_options`` unless others are given.
        """
        ledger = self.ledger or run / "ledger"
        if self.several:
            return self._several(ledger, noise_options or {})
        names = (
            [name.strip() for name in self.aggregation.split(",")]
            if self.aggregation is not None
            else [None]
        )
        found = {name or "": self._named(ledger, name, noise_options or {}) for name in names}
        backends = {name: backend for name, backend in found.items() if backend is not None}
        self._check_flags(next(iter(backends.values()), None), ledger)
        return _attended(backends)

    def _several(self, ledger: Path, noise_options: Mapping[str, Any]) -> dict[str, Backend]:
        """Return the backends of a list by name. A flag goes to those that take it, ``NAME.option=`` to one."""
        from qllmft.config.settings import parse_settings
        from qllmft_backends.registry import options_of

        labels = [label.strip() for label in (self.backend or "").split(",")]
        if self.aggregation or self.resume or self.dry_run or len(set(labels)) != len(labels):
            raise UserError(
                f"--backend {self.backend}: expected different names, and no --aggregation, --dry-run or --resume "
                "beside several backends. Name one backend for these."
            )
        settings = parse_settings(self.backend_option or [], "--backend-option")
        if unknown := [
            name for name in settings if "." in name and name.rpartition(".")[0] not in labels
        ]:
            raise UserError(
                f"--backend-option {unknown[0]}: expected an option of all, or NAME.option with a name of --backend: "
                f"{', '.join(labels)}."
            )
        backends, flags = {}, self._flags()
        for label in labels:
            name = label.partition(":")[0]
            known = options_of(name).model_fields
            given = {flag: value for flag, value in flags.items() if flag in known}
            given |= {option: value for option, value in settings.items() if "." not in option}
            own = {option for option in settings if option.rpartition(".")[0] == label}
            given |= {option.rpartition(".")[2]: settings[option] for option in own}
            backends[label] = self._created(label, given, ledger, noise_options)
        if self.mitigation and not any(backend.mitigation for backend in backends.values()):
            raise UserError(
                f"--mitigation {self.mitigation}: none of {', '.join(labels)} has noise to mitigate. Omit it."
            )
        return _attended(backends)

    def _flags(self) -> dict[str, Any]:
        """Return the options of the command line that are options of a backend, as far as they are given."""
        return {
            name: value
            for name in _PASSED
            if (value := getattr(self, name)) is not None and value is not False
        }

    def _named(
        self, ledger: Path, aggregation: str | None, noise_options: Mapping[str, Any]
    ) -> Backend | None:
        from qllmft.config.settings import parse_settings

        given = self._flags()
        given |= {} if aggregation is None else {"aggregation": aggregation}
        given |= parse_settings(self.backend_option or [], "--backend-option")
        if self.backend is None:
            given |= {} if self._mitigation() is None else {"mitigation": self.mitigation}
            if given:
                raise UserError(
                    f"{', '.join('--' + key.replace('_', '-') for key in given)} describe a backend, and none is "
                    "named. Add --backend; `qllmft backends` lists them."
                )
            return None
        return self._created(self.backend, given, ledger, noise_options)

    def _created(
        self, label: str, given: dict[str, Any], ledger: Path, noise_options: Mapping[str, Any]
    ) -> Backend:
        """Return the backend of ``NAME`` or ``NAME:PROVIDER`` with its options."""
        from qllmft_backends import BACKENDS, create

        name, separator, provider = label.partition(":")
        given |= {"provider": provider} if separator else {}
        entry = BACKENDS[name]
        options = self._mitigation()
        if entry.keeps_ledger:
            given["ledger"] = ledger
        if entry.noise_section:
            # they are of another noise
            other = {"one_qubit_rate", "two_qubit_rate"} if "noise" in given else set()
            other |= {"shot_test"} if "trajectories" in given else set()
            given = {key: value for key, value in noise_options.items() if key not in other} | given
        backend = create(name, given)
        # the table names those that take it
        if options is None or (self.several and not backend.capabilities.noisy):
            return backend
        from qllmft_backends.mitigation import MitigatedBackend

        return MitigatedBackend(backend, options)

    def _mitigation(self) -> MitigationOptions | None:
        """Return the options of the mitigation, or None without one."""
        given = {
            "method": self.mitigation,
            "scale_factors": None if self.scale_factors is None else self.scale_factors.split(","),
            "extrapolation": self.extrapolation,
        }
        given = {name: value for name, value in given.items() if value is not None}
        if not given:
            return None
        if self.mitigation is None:
            raise UserError(
                "--scale-factors and --extrapolation describe --mitigation zne, which is not given."
            )
        from pydantic import ValidationError

        from qllmft_backends.mitigation import MitigationOptions
        from qllmft_backends.validation import faults

        try:
            return MitigationOptions.model_validate(given)
        except ValidationError as error:
            raise UserError(f"--mitigation: {'; '.join(map(str, faults(error)))}.") from None

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
        remote = _remote(backend)
        if remote is None:
            name = backend.name if backend else "no backend"
            raise UserError(
                f"{flag} is about circuits that are sent away, and {name} sends none. Omit it."
            )
        if self.resume and not remote.has_ledger:
            raise UserError(
                f"there is nothing to resume: no ledger in {ledger}. Omit --resume, or name the folder with --ledger."
            )


def attend_training(backend: Backend, report: Callable[[str], None], *, yes: bool) -> None:
    """Report the price of each sending of paid circuits in training."""
    doing = f"training through {backend.name} sends paid circuits at every step"
    more = ", and limits: --backend-option max_cost=..., circuit_budget=..."
    attend_unasked(backend, report, doing, more, yes=yes)


def attend_unasked(
    backend: Backend, report: Callable[[str], None], doing: str, more: str = ".", *, yes: bool
) -> None:
    """Report the price of each sending of paid circuits, and ask for none, or raise UserError without consent."""
    remote = _remote(backend)
    if remote is None or not backend.capabilities.paid:
        return
    if not (yes or remote.consented):
        raise UserError(
            f"{doing}, without confirmation in between. Nothing was sent. Add --yes to send them{more}"
        )
    remote.attend(
        confirm=(lambda _: True) if yes else None, announce=lambda estimate: report(str(estimate))
    )


def resumed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command that resumes an interrupted one.

    >>> resumed(["predict", "runs/a", "a film", "--yes"]), resumed(["train", "--yes"])
    (['predict', '--resume', 'runs/a', 'a film', '--yes'], ['train', '--yes'])
    """
    command, *rest = arguments
    return [
        command,
        *(["--resume"] if command in ("predict", "evaluate") and "--resume" not in rest else []),
        *rest,
    ]


def _remote(backend: Backend | None) -> RemoteBackend | None:
    if backend is None:
        return None
    from qllmft_backends import remote_or_none

    return remote_or_none(backend)


def _attended(backends: dict[str, Backend]) -> dict[str, Backend]:
    """Return backends whose price and progress are shown."""
    for backend in backends.values():
        if (remote := _remote(backend)) is not None:
            _attend(remote)
    return backends


def _attend(backend: RemoteBackend) -> None:
    """Show the jobs' states and the price, and ask for confirmation before paid circuits are sent."""
    from rich.prompt import Confirm
    from rich.text import Text

    console = PlainConsole(stderr=True)
    shown: dict[str, str] = {}

    def on_progress(job: str, status: str) -> None:
        if shown.get(job) != status:
            shown[job] = status
            say(f"job {job}: {status}", console)

    def ask(estimate: Estimate) -> bool:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UserError(
                f"{estimate}. Nothing was sent, because standard input is not a terminal. "
                "Add --yes to send paid circuits without confirmation."
            )
        # typer.confirm would write the last blank of its question to standard output, before the
        # first answer
        try:
            return Confirm.ask(
                Text(printable(f"{estimate}. Send?")), console=console, default=False
            )
        except EOFError:  # Ctrl-D
            return False

    def announce(estimate: Estimate) -> None:
        say(str(estimate), console)

    # without consent the question shows the price
    backend.attend(
        confirm=ask, announce=announce if backend.consented else None, on_progress=on_progress
    )


def show_estimate(estimate: Estimate) -> None:
    """Print the estimate of a call, for ``--dry-run``, and end like the call if its limits would refuse it."""
    if estimate.unit == "sandbox-credit":
        say(
            "The sandbox's credits are not dollars: --offline estimates the price from published ones."
        )
    say(str(estimate))
    if estimate.refusal:
        raise UserError(f"dry run: the call would be refused: {estimate.refusal}")
    compiled = getattr(estimate, "native", None) is not None
    say(
        f"dry run: {'one circuit was sent to be compiled, and nothing is charged' if compiled else 'nothing was sent'}"
    )
