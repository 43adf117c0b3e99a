"""Price of paid circuits: the confirmation before they are sent, and the report of their jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qllmft.cli.console import PlainConsole, printable, say
from qllmft.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qllmft.inference import Predictor
    from qllmft.inference.decision import Decision
    from qllmft_backends import Backend, Estimate, RemoteBackend

LEAST_LOAD = 0.05  # below it, sending circuits is asked about
FEWEST_TEXTS = 20  # whose load says something about a model without a record


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


def _attend(backend: RemoteBackend, load: Load | None = None) -> None:
    """Show the jobs' states, price and load, and ask for confirmation before paid circuits are sent."""
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
        if load is not None and load.small and not _confirmed(f"{load}. Go on?", console):
            return False
        if load is not None and not load.small:
            say(str(load), console)
        return _confirmed(f"{estimate}. Send?", console)

    def announce(estimate: Estimate) -> None:
        say(str(estimate), console)
        if load is not None:
            say(str(load), console)

    # without consent the question shows the price
    backend.attend(
        confirm=ask, announce=announce if backend.consented else None, on_progress=on_progress
    )


@dataclass(frozen=True)
class Load:
    """Share of a model's answers that change if the circuit returns only noise, for a question about a price."""

    share: float  # in [0, 1]
    said: str  # in words

    @property
    def small(self) -> bool:
        """Return whether the answers hardly depend on the machine."""
        return self.share < LEAST_LOAD

    def __str__(self) -> str:
        """Return the sentence, with a warning if the load is small."""
        warning = f", less than {LEAST_LOAD:.0%}: the answers hardly depend on the machine"
        return f"load: {self.said}{warning * self.small}"


def load_of(predictor: Predictor, vectors: NDArray[np.float32], decision: Decision) -> Load | None:
    """Return the load of a run's record, or of the given texts if there is none and they are 20 or more.

    Args:
        predictor: the model.
        vectors: embeddings (N, D) of the texts.
        decision: threshold and margin of the answers.
    """
    from qllmft.run import RunFolder

    folder = predictor.folder
    record = RunFolder(folder).read_result() if folder and folder.is_dir() else None
    if record is not None:
        share, texts = record.head.load, "the test texts"
    elif len(vectors) >= FEWEST_TEXTS:
        share, texts = predictor.load_of(vectors, decision), f"these {len(vectors):,} texts"
    else:
        return None
    return None if share is None else Load(share, predictor.task.load_in_words(share, texts))


def attend_load(
    backends: Iterable[Backend],
    predictor: Predictor,
    vectors: NDArray[np.float32],
    decision: Decision,
) -> Load | None:
    """Show the load beside the price of paid circuits, ask about a small one, and return it.

    Args:
        backends: those that would answer; only paid ones are attended.
        predictor: the model.
        vectors: embeddings (N, D) of the texts, read if the run has no record.
        decision: threshold and margin of the answers.

    Returns:
        The load; None if no backend is paid, or as in `load_of`.
    """
    paid = [backend for backend in backends if remote_of(backend) and backend.capabilities.paid]
    load = load_of(predictor, vectors, decision) if paid else None
    if load is not None:
        for remote in filter(None, map(remote_of, paid)):
            _attend(remote, load)
    return load


def say_known_texts(predictor: Predictor, vectors: NDArray[np.float32]) -> None:
    """Print the number of training texts with known answers that a call measures, and their share of its circuits."""
    from qllmft.tasks.measure import percent

    known = predictor.with_known_texts(vectors).known
    if known.any():
        share = percent(float(known.mean()))
        say(
            f"{known.sum()} training texts with known answers are measured too: {share} % of the circuits and of the "
            "price (--known-texts 0 omits them)",
            PlainConsole(stderr=True),
        )


def basis(backend: Backend, known_texts: int) -> str:
    """Return the end of a sentence on decided labels: the errors that they leave out, "" if they include all."""
    if known_texts or not backend.capabilities.noisy:
        return ""
    return "; decided by shot noise alone (--known-texts 60 includes the machine's errors)"


def _confirmed(question: str, console: PlainConsole) -> bool:
    """Return whether a person at the terminal says yes."""
    from rich.prompt import Confirm
    from rich.text import Text

    if sys.stdin is None or not sys.stdin.isatty():
        return False
    # typer.confirm would write the last blank of its question to standard output, before the first
    # answer
    try:
        return Confirm.ask(Text(printable(question)), console=console, default=False)
    except EOFError:  # Ctrl-D
        return False


def show_estimate(estimate: Estimate, load: Load | None = None) -> None:
    """Print the estimate of a call, for ``--dry-run``, and end like the call if its limits would refuse it.

    ``load`` is that of the circuits, if it is known.
    """
    from qllmft_backends.remote.cost import MOCK_UNIT

    if estimate.unit == MOCK_UNIT:
        say(
            "The sandbox's credits are not dollars: --offline estimates the price from published ones."
        )
    say(str(estimate))
    if load is not None:
        say(str(load))
    if estimate.refusal:
        raise UserError(f"dry run: the call would be refused: {estimate.refusal}")
    compiled = getattr(estimate, "native", None) is not None
    say(
        f"dry run: {'one circuit was sent to be compiled, and nothing is charged' if compiled else 'nothing was sent'}"
    )
