"""Ctrl-C and SIGTERM during training: they wait until finished work is saved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_DEFAULT_HANDLERS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}


class Interruption:
    """Handler of SIGINT and SIGTERM.

    A signal raises KeyboardInterrupt at once, unless finished `steps` are not on disk yet: then the current step
    is finished and saved first. A second signal raises KeyboardInterrupt in any case.

    Attributes:
        signal: number of the first signal, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._has_unsaved_steps = False

    def steps(
        self,
        steps: range,
        save: Callable[[], None] | None,
        every_s: float,
        *,
        save_last: bool = True,
        done: Callable[[], bool] = lambda: False,
    ) -> Iterator[int]:
        """Yield the steps one by one until ``done``, and save between them.

        Args:
            steps: numbers of the steps that are left.
            save: writes the state after the last finished step; None saves nothing.
            every_s: least seconds between two calls of ``save``.
            save_last: save the last step in any case.
            done: whether no further step is needed, asked after each.

        Raises:
            KeyboardInterrupt: after a signal, once finished steps are saved.
        """
        saved = steps.start - 1
        saved_at = time.monotonic()
        for step in steps:
            if done():
                break
            self._has_unsaved_steps = save is not None and step - 1 > saved
            yield step
            last = step == steps[-1] or done()
            due = save_last if last else time.monotonic() - saved_at > every_s
            if save and (due or self.signal):
                save()
                saved = step
                saved_at = time.monotonic()
            self._has_unsaved_steps = False
            if self.signal is not None:
                raise KeyboardInterrupt

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM."""
        waits = self._has_unsaved_steps and self.signal is None
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
    replaced_handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        default_handlers = _DEFAULT_HANDLERS.items()
        replaced_handlers = {
            number: usual for number, usual in default_handlers if signal.getsignal(number) == usual
        }
    try:
        for number in replaced_handlers:
            signal.signal(number, interruption.on_signal)
        yield interruption
    finally:
        for number, handler in replaced_handlers.items():
            signal.signal(number, handler)
