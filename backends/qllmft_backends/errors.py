"""Errors of the backends: what was got, what was expected, the remedy. The CLI turns them into exit code 2."""


class BackendError(ValueError):
    """A request that a backend cannot serve."""


class UnsupportedGateError(BackendError):
    """A gate, or an angle, that an engine cannot run."""


class UnknownBackendError(BackendError):
    """A backend's name, or an option of it, that does not exist."""


class MissingExtraError(BackendError):
    """A backend whose packages are not installed."""
