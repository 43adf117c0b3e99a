"""Decision on check circuits, one per job, whose answers are known."""

from __future__ import annotations

from qllmft_backends.requests import MIN_CHECKED_SHOTS
from qllmft_machines.batch import CircuitBatch
from qllmft_machines.ledger.ledger import Ledger
from qllmft_machines.options import JobOptions, KnownAnswerOptions

# a check circuit adds more than a tenth to the price of a job of fewer
_MIN_CHECKED_CIRCUITS = 10


def decide_on_check_circuits(batch: CircuitBatch, options: JobOptions, ledger: Ledger) -> None:
    """Set whether a check circuit goes first in each job of a call, and why not.

    Args:
        batch: circuits of the call, whose ``checked`` and ``check_note`` are set.
        options: of the backend.
        ledger: of its jobs.
    """
    batch.checked = False
    batch.check_note = ""
    if not (
        isinstance(options, KnownAnswerOptions) and batch.known_answer_template and batch.missing
    ):
        return
    reason = _find_reason_against(batch, options, ledger)
    if reason is None:
        batch.checked = True
        return
    batch.check_note = f"No check circuit is sent: {reason}."
    if batch.most_circuits > 1:
        shots = batch.setup.shots
        batch.check_note += f" Set known_answer_shots = {shots} to add one to each job."


def _find_reason_against(
    batch: CircuitBatch, options: KnownAnswerOptions, ledger: Ledger
) -> str | None:
    """Return why no check circuit goes first in the jobs of a call, None if one does."""
    if options.known_answer_shots is not None:
        return None if options.known_answer_shots else "known_answer_shots is 0"
    if any(
        c.attempts and c.state == "planned" and c.checked and c.setup == batch.setup
        for c in ledger.chunks.values()
    ):  # sent again as they were, so that the server can recognise them by their client tokens
        return None
    if batch.most_circuits <= 1:
        return f"{batch.machine} takes one circuit per job"
    if batch.setup.shots < MIN_CHECKED_SHOTS:
        return f"by default only circuits of {MIN_CHECKED_SHOTS} shots or more have one"
    if len(batch.values) < _MIN_CHECKED_CIRCUITS:
        return f"by default only calls of {_MIN_CHECKED_CIRCUITS} circuits or more have one"
    return None
