"""The options about a backend that commands share, how they become one, and what is asked before money is spent."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qllmft.cli.console import PlainConsole, printable, say
from qllmft.config.settings import parse_settings
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft_backends import Backend, Estimate, RemoteBackend

Options = Annotated[
    list[str] | None,
    typer.Option("--backend-option", metavar="NAME=VALUE", help="Any option of the backend: noise=forte1."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Send paid circuits without asking.")]


@dataclass(frozen=True)
class BackendOptions:
    """The options of `qllmft predict` and `qllmft evaluate` about the backend that runs the head's circuit."""

    backend: Annotated[
        str | None,
        typer.Option(help="What runs the head's circuit; `qllmft backends` lists them.", show_default="exact"),
    ] = None
    shots: Annotated[int | None, typer.Option(min=1, help="Measurements of each circuit.")] = None
    backend_option: Options = None
    max_cost: Annotated[
        float | None, typer.Option(min=0.0, help="Refuse to send what would cost more, in the server's unit.")
    ] = None
    session_max_cost: Annotated[
        float | None,
        typer.Option(
            help="Send the jobs in a session whose cost IonQ itself limits, in its unit (a beta feature of theirs).",
        ),
    ] = None
    session_max_minutes: Annotated[
        int | None,
        typer.Option(min=1, help="Send the jobs in a session that IonQ itself ends after so long."),
    ] = None
    aggregation: Annotated[
        str | None,
        typer.Option(
            help="How the variants of a debiased job are combined: average, voting or dnl. Several with commas between "
            "them: one paid job, a set of results for each.",
            show_default="average",
        ),
    ] = None
    symmetry_verification: Annotated[
        bool,
        typer.Option(
            "--symmetry-verification", help="Have IonQ discard measurements that violate the circuit's symmetries."
        ),
    ] = False
    yes: Yes = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compile the circuits, count and price them; send nothing.")
    ] = False
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="With --dry-run: do not ask the server for a price; estimate it from published ones."
        ),
    ] = False
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with an interrupted call: what its ledger holds is collected, never paid again."
        ),
    ] = False
    ledger: Annotated[
        Path | None,
        typer.Option(help="Folder of the record of paid jobs.", show_default="ledger, in the run's folder"),
    ] = None
    token_file: Annotated[
        Path | None, typer.Option(help="File that holds the API key.", show_default="the environment's key")
    ] = None

    def make(self, run: Path, noise_options: Mapping[str, Any] | None = None) -> dict[str, Backend]:
        """The backends for a run, by the aggregation that they read results in; empty where none was named.

        They share their ledger: what the first has sent and paid for, the others read.

        Args:
            run: the run's folder, which holds the record of paid jobs unless another folder was named.
            noise_options: default options of a backend that takes a run's section ``noise``.

        Raises:
            UserError: for options of a backend where none was named; for ``--dry-run``, ``--offline`` and ``--resume``
                where there is nothing to send, or to resume.
            BackendError: for a name or an option that does not exist; lists those that do.
        """
        ledger = self.ledger or run / "ledger"
        names = [name.strip() for name in self.aggregation.split(",")] if self.aggregation is not None else [None]
        found = {name or "": self._named(ledger, name, noise_options or {}) for name in names}
        backends = {name: backend for name, backend in found.items() if backend is not None}
        self._check_flags(next(iter(backends.values()), None), ledger)
        for backend in backends.values():
            if (remote := _remote(backend)) is not None:
                _attend(remote)
        return backends

    def _named(self, ledger: Path, aggregation: str | None, noise_options: Mapping[str, Any]) -> Backend | None:
        given: dict[str, Any] = {
            "shots": self.shots,
            "max_cost": self.max_cost,
            "session_max_cost": self.session_max_cost,
            "session_max_minutes": self.session_max_minutes,
            "aggregation": aggregation,
            "symmetry_verification": self.symmetry_verification or None,
            "yes": self.yes or None,
            "token_file": self.token_file,
            **parse_settings(self.backend_option or [], "--backend-option"),
        }
        given = {key: value for key, value in given.items() if value is not None}
        if self.backend is None:
            if given:
                raise UserError(
                    f"{', '.join('--' + key.replace('_', '-') for key in given)} describe a backend, and none is "
                    "named. Add --backend; `qllmft backends` lists them."
                )
            return None
        from qllmft_backends import BACKENDS, create

        entry = BACKENDS[self.backend]
        if entry.keeps_ledger:
            given["ledger"] = ledger
        if entry.noise_section:
            other = {"one_qubit_rate", "two_qubit_rate"} if "noise" in given else set()  # they are of another noise
            other |= {"shot_test"} if "trajectories" in given else set()
            given = {key: value for key, value in noise_options.items() if key not in other} | given
        return create(self.backend, given)

    def _check_flags(self, backend: Backend | None, ledger: Path) -> None:
        """Make sure that ``--dry-run``, ``--offline`` and ``--resume`` have something to work on."""
        if self.offline and not self.dry_run:
            raise UserError(
                "--offline estimates a price without the server, and without --dry-run circuits are sent there. Add "
                "--dry-run, or leave --offline out."
            )
        if not self.dry_run and not self.resume:
            return
        flag = "--dry-run" if self.dry_run else "--resume"
        remote = _remote(backend)
        if remote is None:
            name = backend.name if backend else "no backend"
            raise UserError(f"{flag} is about circuits that are sent away, and {name} sends none. Leave it out.")
        if self.resume and not remote.has_ledger:
            raise UserError(
                f"there is nothing to resume: no ledger in {ledger}. Leave --resume out, or name the folder with "
                "--ledger."
            )


def attend_training(backend: Backend, report: Callable[[str], None], *, yes: bool) -> None:
    """Report the price of paid circuits of a training before each sending; UserError without consent (``yes``)."""
    remote = _remote(backend)
    if remote is None or not backend.capabilities.paid:
        return
    if not (yes or remote.consented):
        raise UserError(
            f"training through {backend.name} sends paid circuits at every step, and asks nobody in between. Nothing "
            "was sent. Add --yes to send them, and ceilings: --backend-option max_cost=..., circuit_budget=..."
        )
    remote.attend(confirm=(lambda _: True) if yes else None, announce=lambda estimate: report(str(estimate)))


def resumed(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command that goes on where the one with ``arguments`` was interrupted.

    >>> resumed(["predict", "runs/a", "a film", "--yes"]), resumed(["train", "--yes"])
    (['predict', '--resume', 'runs/a', 'a film', '--yes'], ['train', '--yes'])
    """
    command, *rest = arguments
    return [command, *(["--resume"] if command in ("predict", "evaluate") and "--resume" not in rest else []), *rest]


def _remote(backend: Backend | None) -> RemoteBackend | None:
    if backend is None:
        return None
    from qllmft_backends import remote_or_none

    return remote_or_none(backend)


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
        if not sys.stdin.isatty():
            raise UserError(
                f"{estimate}. Nothing was sent, because nobody can be asked: standard input is no terminal. "
                "Add --yes to send paid circuits without asking."
            )
        # typer.confirm would write the last blank of its question to standard output, before the first answer
        return Confirm.ask(Text(printable(f"{estimate}. Send?")), console=console, default=False)

    def announce(estimate: Estimate) -> None:
        say(str(estimate), console)

    # without consent the question shows the price
    backend.attend(confirm=ask, announce=announce if backend.consented else None, on_progress=on_progress)


def show_estimate(estimate: object) -> None:
    """Print what a call would send, for ``--dry-run``."""
    say(str(estimate))
    say("dry run: nothing was sent")
