"""Errors of the backends. The CLI turns them into exit code 2."""

from __future__ import annotations

from qllmft_base.text import mask_credentials, shorten_numbers
from qllmft_base.versions import install_command


class BackendError(ValueError):
    """Request that a backend cannot serve. No address in its message shows a password."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shorten_numbers(mask_credentials(message)))


class UnsupportedGateError(BackendError):
    """Gate, or angle, that an engine cannot run."""


class NoSweepError(UnsupportedGateError):
    """Circuit that a backend measures, but has no reverse sweep for."""


class UnknownBackendError(BackendError):
    """Name of a backend, or of an option, that does not exist."""


class MissingExtraError(BackendError):
    """Backend whose packages are not installed."""

    @classmethod
    def from_import_error(
        cls, user: str, error: ModuleNotFoundError, extra: str
    ) -> MissingExtraError:
        """Return the error of a ``user`` that a failed import leaves without the package of an extra."""
        return cls(
            f"{user} needs the package {error.name!r}, which is not installed: {install_command(extra)}."
        )


class CostRefusedError(BackendError):
    """Circuits that were not sent because of their price or number, or without consent."""


class LedgerError(BackendError):
    """Ledger that cannot be read or written, or that another process is using."""
