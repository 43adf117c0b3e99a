"""Backends: one interface over the project's own engine and the machines and simulators available through Qiskit.

Qubit order is Qiskit's everywhere: qubit 0 is the least significant bit of a basis state's index.
"""

from qllmft_backends.backend import Backend
from qllmft_backends.errors import (
    BackendError,
    MissingExtraError,
    UnknownBackendError,
    UnsupportedGateError,
)
from qllmft_backends.listing import describe
from qllmft_backends.noise import GateNoise
from qllmft_backends.protocol import (
    Availability,
    Capabilities,
    Estimate,
    Expectations,
    RemoteBackend,
    remote_or_none,
)
from qllmft_backends.registry import BACKENDS, create

__all__ = [
    "BACKENDS",
    "Availability",
    "Backend",
    "BackendError",
    "Capabilities",
    "Estimate",
    "Expectations",
    "GateNoise",
    "MissingExtraError",
    "RemoteBackend",
    "UnknownBackendError",
    "UnsupportedGateError",
    "create",
    "describe",
    "remote_or_none",
]
