"""Errors and warnings of remote jobs."""

from __future__ import annotations

from qllmft_backends.errors import BackendError

NOT_FOUND = 404  # HTTP status
# errors of reading a value of another form than expected
PARSE_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class RemoteError(BackendError):
    """Base of the errors of remote jobs.

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

    def with_message(self, message: str) -> RemoteError:
        """Return the same error with another message."""
        error = type(self)(message)
        error.__dict__.update(self.__dict__)
        return error


class RemoteRequestError(RemoteError):
    """Request that the server refuses, or that was stopped before it was sent: limits, options, addresses."""


class RemoteTransientError(RemoteError):
    """Lost connection, failure of the server (5xx), or an answer that cannot be read."""


class IonQAuthError(RemoteError):
    """Missing API key, or one that the server does not accept (401, 403)."""


class IonQKeyMissingError(IonQAuthError):
    """No API key was given, neither in the environment nor in a file."""


class IonQQuotaError(RemoteError):
    """Too many requests (429), or no credit left (402)."""


class JobFailedError(RemoteError):
    """Job that failed or was canceled, or whose results cannot be read."""


class JobTimeoutError(RemoteError):
    """Job that did not end before the deadline. It continues at the server, and the ledger has its id."""


class PaidTrainingError(RemoteError):
    """Gradient through a paid backend without permission."""


class SessionWarning(UserWarning):
    """Session at the server that could not be ended."""


class DuplicateJobWarning(UserWarning):
    """Job that the server accepted late and charges in addition to the first one."""


class UnreportedResultWarning(UserWarning):
    """Results that were asked for and that the server does not report. Less precise ones take their place."""


class NoAnswerWarning(UserWarning):
    """Server that has not answered for seconds, while its request waits or is repeated."""


class DamagedRecordWarning(UserWarning):
    """Last record of a ledger that cannot be read. It is set aside, and the rest is used."""
