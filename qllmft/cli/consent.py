"""Consent to paid circuits: their price and their load before they are sent, and the progress of their jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qllmft.cli.console import confirm, say
from qllmft_base.errors import UserError
from qllmft_base.text import format_count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from qllmft.answers.decision import Decision
    from qllmft.inference import Predictor
    from qllmft.inference.measuring import MeasuredModel
    from qllmft_backends import Backend, Estimate, RemoteBackend

LOW_LOAD = 0.05  # below it, sending circuits is asked about
MIN_TEXTS = 20  # whose load says something about a model without a record


def find_remote_backend(backend: Backend | None) -> RemoteBackend | None:
    """Return a backend that sends circuits away, or None."""
    if backend is None:
        return None
    from qllmft_backends import remote_or_none

    return remote_or_none(backend)


def set_unattended_callbacks(
    backend: Backend,
    report: Callable[[str], None],
    activity: str,
    sentence_end: str = ".",
    *,
    yes: bool,
) -> None:
    """Report the price of each sending of paid circuits, and ask for none.

    Args:
        backend: one that may send paid circuits; others are left alone.
        report: gets a line before each sending.
        activity: what sends the circuits, in words.
        sentence_end: end of the sentence that names ``--yes``.
        yes: whether the user has consented on the command line.

    Raises:
        UserError: without consent.
    """
    remote = find_remote_backend(backend)
    if remote is None or not backend.capabilities.paid:
        return
    if not (yes or remote.consented):
        raise UserError(
            f"{activity}, without confirmation in between. Nothing was sent. Add --yes to send them{sentence_end}"
        )
    remote.attend(
        confirm=(lambda _: True) if yes else None, announce=lambda estimate: report(str(estimate))
    )


@dataclass(frozen=True)
class Load:
    """Share of a model's answers that change if the circuit returns only noise, for a question about a price."""

    share: float  # in [0, 1]
    sentence: str

    @classmethod
    def look_up(
        cls, predictor: Predictor, vectors: NDArray[np.float32], decision: Decision
    ) -> Load | None:
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
            share = record.head.load
        elif len(vectors) >= MIN_TEXTS:
            share = predictor.compute_load(vectors, decision)
        else:
            return None
        if share is None:
            return None
        return cls(share, f"Effect of the device: {predictor.task.circuit_dependence(share)}")

    def __str__(self) -> str:
        """Return the sentence, with a warning if the answers hardly depend on the machine."""
        if self.share >= LOW_LOAD:
            return self.sentence
        return f"{self.sentence} The answers hardly depend on the device."


def set_terminal_callbacks(backends: Iterable[Backend], load: Load | None = None) -> None:
    """Show the states of jobs, prices and the load of circuits, and ask before paid circuits are sent.

    Args:
        backends: those that may send circuits away; others are left alone.
        load: of the circuits, if it is known; a small one is asked about.
    """
    last_states: dict[str, str] = {}

    def on_progress(job: str, status: str) -> None:
        if last_states.get(job) != status:
            last_states[job] = status
            say(f"job {job}: {status}", err=True)

    def ask(estimate: Estimate) -> bool:
        if sys.stdin is None or not sys.stdin.isatty():
            raise UserError(
                f"nobody can confirm the price, because standard input is not a terminal. Nothing was sent. {estimate} "
                "Add --yes to send paid circuits without confirmation."
            )
        if load is not None and load.share >= LOW_LOAD:
            say(str(load), err=True)
        elif load is not None and not confirm(f"{load} Go on?"):
            return False
        return confirm(f"{estimate} Send?")

    def announce(estimate: Estimate) -> None:
        say(str(estimate), *([] if load is None else [str(load)]), err=True)

    for remote in filter(None, map(find_remote_backend, backends)):
        # without consent the question shows the price
        price_callback = announce if remote.consented else None
        remote.attend(confirm=ask, announce=price_callback, on_progress=on_progress)


def ask_in_terminal(
    predictor: Predictor,
    vectors: NDArray[np.float32],
    decision: Decision,
    measured_models: Iterable[MeasuredModel],
) -> Load | None:
    """Let the backends ask in the terminal before paid circuits are sent, and return the load that is shown there.

    Args:
        predictor: the model.
        vectors: embeddings (N, D) of all texts.
        decision: threshold and margin of the answers.
        measured_models: the model on each backend.

    Returns:
        that of the circuits, or None if none is paid or it is unknown.
    """
    backends = [measured_model.backend for measured_model in measured_models]
    is_paid = any(
        find_remote_backend(backend) and backend.capabilities.paid for backend in backends
    )
    load = Load.look_up(predictor, vectors, decision) if is_paid else None
    set_terminal_callbacks(backends, load)
    return load


def report_calibration_texts(
    measured_model: MeasuredModel, vectors: NDArray[np.float32], texts: int | None = None
) -> int:
    """Print the number of calibration texts that are measured too, and the shortage that makes labels unreliable.

    Args:
        measured_model: the model on a backend.
        vectors: embeddings (N, D).
        texts: number of texts to answer, N unless the embeddings stand for more.

    Returns:
        that number.
    """
    from qllmft.tasks.measure import percent

    mixed_texts = measured_model.mix_known_texts(vectors)
    known = int(mixed_texts.known_mask.sum())
    measured = known + (len(vectors) if texts is None else texts)
    if known:
        say(
            f"{format_count(known, 'calibration text', ('is', 'are'))} measured too: "
            f"{percent(known / measured)} % of the circuits and of the price. "
            "To omit them, add --known-texts 0.",
            err=True,
        )
    if mixed_texts.shortage:
        say(mixed_texts.shortage, err=True)
    return known


def show_estimate(estimate: Estimate, load: Load | None = None) -> None:
    """Print the estimate of a call, for ``--dry-run``, and end like the call if its limits would refuse it.

    ``load`` is that of the circuits, if it is known.
    """
    from qllmft_backends.protocol import MOCK_UNIT

    if estimate.unit == MOCK_UNIT:
        say("The sandbox's credits are not dollars. For a price in dollars, add --offline.")
    say(str(estimate), *([] if load is None else [str(load)]))
    if estimate.refusal:
        raise UserError(f"dry run: the call would be refused: {estimate.refusal}")
    if getattr(estimate, "native", None) is None:
        say("dry run: nothing was sent")
    else:
        say("dry run: one circuit was sent to be compiled, and nothing is charged")


def decided_labels_caveat(backend: Backend | None, known_texts: int, shortage: str) -> str:
    """Return the end of a sentence on decided labels: the errors that they leave out, or why they are few.

    It is "" if they include all errors, and enough texts decide them.
    """
    if shortage:
        return f". {shortage.removesuffix('.')}"
    if known_texts or backend is None or not backend.capabilities.noisy:
        return ""
    return ". The device's errors are not included: add --known-texts 60"
