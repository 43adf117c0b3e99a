"""Ctrl-C and SIGTERM during training: they wait until finished work is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_TAKEN_OVER: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


class Interruption:
    """Handler of SIGINT and SIGTERM.

    A signal raises KeyboardInterrupt at once, unless finished work is not on disk yet (`hold`): then it waits for
    `release`. A second signal raises KeyboardInterrupt in any case.

    Attributes:
        signal: number of the first signal, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._held = False

    def hold(self) -> None:
        """Let a first signal wait."""
        self._held = True

    def release(self) -> None:
        """Let signals end training at once, including a waiting one."""
        self._held = False
        if self.signal is not None:
            raise KeyboardInterrupt

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM."""
        waits = self._held and self.signal is None
        self.signal = self.signal or number
        if not waits:
            raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn Ctrl-C and SIGTERM inside the block into an `Interruption`, and restore the handlers afterwards.

    This works in the main thread only, because Python handles signals there, and only for signals with their usual
    handler: an ignored signal stays ignored.
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
