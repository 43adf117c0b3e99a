"""Ctrl-C or SIGTERM in a stage of a run."""

from __future__ import annotations

from qllmft.baselines import Head
from qllmft.training import TorchHead


class StageInterruptedError(Exception):
    """Ctrl-C or SIGTERM ended a stage of a run.

    Args:
        signal: number of the signal, or None.
        epochs_done: number of epochs of the run's head; None: those of its checkpoint.
    """

    def __init__(self, signal: int | None, epochs_done: int | None = None) -> None:
        super().__init__()
        self.signal = signal
        self.epochs_done = epochs_done


def check_not_interrupted(head: Head, epochs_done: int | None = None) -> None:
    """Raise StageInterruptedError if Ctrl-C or SIGTERM ended the training of a head or a baseline."""
    if head.interrupted:
        selection = head.selection if isinstance(head, TorchHead) else None
        raise StageInterruptedError(selection.signal if selection else None, epochs_done)
