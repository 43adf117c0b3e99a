"""Price of paid circuits: the confirmation before they are sent, and the report of their jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from qllmft.cli.console import PlainConsole, printable, say
from qllmft.errors import UserError

if TYPE_CHECKING:
    from qllmft_backends import Backend, Estimate, RemoteBackend


def attend_unasked(
    backend: Backend, report: Callable[[str], None], doing: str, more: str = ".", *, yes: bool
) -> None:
    """Report the price of each sending of paid circuits, and ask for none.

    Args:
        backend: one that may send paid circuits; others are left alone.
        report: gets a line before each sending.
        doing: what sends the circuits, in words.
        more: end of the sentence that names ``--yes``.
        yes: whether the user has consented on the command line.

    Raises:
        UserError: without consent.
    """
    remote = remote_of(backend)
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


def remote_of(backend: Backend | None) -> RemoteBackend | None:
    """Return a backend that sends circuits away, or None."""
    if backend is None:
        return None
    from qllmft_backends import remote_or_none

    return remote_or_none(backend)


def attended(backends: dict[str, Backend]) -> dict[str, Backend]:
    """Return backends whose price and progress are shown."""
    for remote in filter(None, map(remote_of, backends.values())):
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
