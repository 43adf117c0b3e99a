"""Errors of the backends: what was got, what was expected, the remedy. The CLI turns them into exit code 2."""

from __future__ import annotations

from qllmft_backends.masking import masked


class BackendError(ValueError):
    """A request that a backend cannot serve. No address in its message shows a password."""

    def __init__(self, message: str = "") -> None:
        super().__init__(masked(message))


class UnsupportedGateError(BackendError):
    """A gate, or an angle, that an engine cannot run."""


class UnknownBackendError(BackendError):
    """A backend's name, or an option of it, that does not exist."""


class MissingExtraError(BackendError):
    """A backend whose packages are not installed."""
