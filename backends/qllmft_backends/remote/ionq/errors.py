"""Errors and warnings of IonQ's backends."""

from __future__ import annotations

from qllmft_backends.errors import BackendError

NOT_FOUND = 404  # HTTP status


class IonQError(BackendError):
    """Base of the errors of the IonQ backends.

    Attributes:
        retry_after_s: seconds that the server asks to wait; None if it names none.
        transient: if True, the same request may succeed a little later.
        ambiguous: if True, the request may have taken effect although no answer confirms it.
        unsent: if True, the request did not reach the server.
        status: HTTP status; None without an answer.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        transient: bool = False,
        ambiguous: bool = False,
        unsent: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.transient = transient
        self.ambiguous = ambiguous
        self.unsent = unsent
        self.status = status

    def reworded(self, message: str) -> IonQError:
        """Return the same error with another message."""
        error = type(self)(message)
        error.__dict__.update(self.__dict__)
        return error


class IonQRequestError(IonQError):
    """Request that the server refuses, or that was stopped before it was sent: limits, options, addresses."""


class IonQAuthError(IonQError):
    """Missing API key, or one that the server does not accept (401, 403)."""


class IonQQuotaError(IonQError):
    """Too many requests (429), or no credit left (402)."""


class IonQTransientError(IonQError):
    """Lost connection, server failure (5xx), or an answer that is not the API's."""


class IonQJobFailedError(IonQError):
    """Job that failed or was canceled, or whose results cannot be read."""


class IonQTimeoutError(IonQError):
    """Job that did not end before the deadline. It continues at the server, and the ledger has its id."""


class PaidTrainingError(IonQError):
    """Gradient through a paid backend without permission."""


class SessionWarning(UserWarning):
    """Session at the server that could not be ended."""


class DuplicateJobWarning(UserWarning):
    """Job that the server accepted late and charges in addition to the first one."""
