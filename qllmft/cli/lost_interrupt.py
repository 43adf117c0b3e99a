"""Ctrl-C where Python would lose it."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lost_interrupts_repeated() -> Iterator[None]:
    """Repeat a Ctrl-C that falls into a destructor or a callback from C, where Python prints it and goes on."""
    before, timers = sys.unraisablehook, list[threading.Timer]()

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            before(unraisable)
            return
        timers.append(threading.Timer(0.01, _thread.interrupt_main))  # not at once: it would fall into this hook
        timers[-1].daemon = True
        timers[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for timer in timers:
            timer.cancel()
