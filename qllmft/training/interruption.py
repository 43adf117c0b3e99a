"""Ctrl-C and SIGTERM while something is trained: they wait until what is finished is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_TAKEN_OVER: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interruption:
    """Whether training was asked to end.

    A signal raises KeyboardInterrupt at once, unless finished work is not on disk yet (`hold`): then it is only noted,
    until `release`. A second signal raises KeyboardInterrupt whatever is held.

    Attributes:
        signal: number of the first signal that came; None where there was none.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._held = False

    def hold(self) -> None:
        """From now on a first signal waits."""
        self._held = True

    def release(self) -> None:
        """From now on a signal ends training at once; KeyboardInterrupt where one was waiting."""
        self._held = False
        if self.signal is not None:
            raise KeyboardInterrupt

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """The handler of SIGINT and SIGTERM."""
        waits = self._held and self.signal is None
        self.signal = self.signal or number
        if not waits:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM inside the block into an `Interruption`; afterwards they do what they did before.

    Only in the main thread, where Python has its signals, and only where nobody else handles them: a signal that is
    ignored stays ignored.
    """
    interruption = Interruption()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: usual for number, usual in _TAKEN_OVER.items() if signal.getsignal(number) == usual}
    try:
        for number in before:
            signal.signal(number, interruption.on_signal)
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
