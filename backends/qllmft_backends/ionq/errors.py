"""What can go wrong with IonQ. Each message says what happened, what is safe, and the remedy."""

from __future__ import annotations

from qllmft_backends.errors import BackendError


class IonQError(BackendError):
    """Base of the errors of the IonQ backends.

    Attributes:
        retry_after_s: what the server asked to wait, in seconds; None where it did not ask.
        transient: the same request may succeed a little later.
        ambiguous: the request may have taken effect although no answer says so.
        unsent: the request did not reach the server.
        status: of HTTP; None: no answer.
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


class IonQRequestError(IonQError):
    """A request that the server refuses, or that was stopped here before it was sent: limits, options, addresses."""


class IonQAuthError(IonQError):
    """No API key, or one that the server does not accept (401, 403)."""


class IonQQuotaError(IonQError):
    """Too many requests (429), or no credit left (402)."""


class IonQTransientError(IonQError):
    """No connection, a server's failure (5xx), or an answer that is not the API's."""


class IonQJobFailedError(IonQError):
    """A job that ended as failed or canceled, or whose results cannot be read."""


class IonQTimeoutError(IonQError):
    """A job that did not end before the deadline. It goes on at the server, and the ledger knows it."""


class CostRefusedError(IonQError):
    """Circuits that were not sent because of what they would cost."""


class PaidTrainingError(IonQError):
    """A gradient through a paid backend that nobody asked for."""


class LedgerError(IonQError):
    """A ledger that cannot be read or written, or that another process is using."""


class SessionWarning(UserWarning):
    """A session at the server that could not be ended."""


class DuplicateJobWarning(UserWarning):
    """A job at the server that was accepted late and is paid beside the one that answers."""
