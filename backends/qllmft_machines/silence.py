"""A server that does not answer is named while its requests are repeated, and not only at the end."""

from __future__ import annotations

import time
import warnings

from qllmft_machines.errors import NoAnswerWarning

QUIET_S = 2.0  # repetitions that end within these are not worth a word


class Silence:
    """Repetitions of one request.

    Args:
        patience_s: seconds for which it is repeated.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._begin = time.monotonic()
        self._has_warned = False

    def warn_before_pause(self, pause_s: float, fault: str) -> None:
        """Warn once, before the pause that ends after `QUIET_S`.

        Args:
            pause_s: seconds until the next repetition.
            fault: the server and what is wrong, such as "http://localhost does not answer".
        """
        if self._has_warned or time.monotonic() - self._begin + pause_s < QUIET_S:
            return
        self._has_warned = True
        warnings.warn(
            f"{fault}. The request is repeated for up to {self._patience_s:.0f} s.",
            NoAnswerWarning,
            stacklevel=3,
        )
