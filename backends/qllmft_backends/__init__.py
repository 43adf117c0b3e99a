"""Backends: one interface over the project's own engine and the machines and simulators available through Qiskit.

Qubit order is Qiskit's everywhere: qubit 0 is the least significant bit of a basis state's index.
"""

from typing import TYPE_CHECKING

from qllmft_base.lazy import make_lazy_imports

if TYPE_CHECKING:
    from qllmft_backends.availability import Availability as Availability
    from qllmft_backends.backend import Backend as Backend
    from qllmft_backends.errors import BackendError as BackendError
    from qllmft_backends.errors import MissingExtraError as MissingExtraError
    from qllmft_backends.errors import UnknownBackendError as UnknownBackendError
    from qllmft_backends.errors import UnsupportedGateError as UnsupportedGateError
    from qllmft_backends.noise import GateNoise as GateNoise
    from qllmft_backends.protocol import Capabilities as Capabilities
    from qllmft_backends.protocol import Estimate as Estimate
    from qllmft_backends.protocol import Expectations as Expectations
    from qllmft_backends.protocol import RemoteBackend as RemoteBackend
    from qllmft_backends.protocol import remote_or_none as remote_or_none
    from qllmft_backends.registry import BACKENDS as BACKENDS
    from qllmft_backends.registry import create as create
    from qllmft_backends.registry import describe as describe

if not TYPE_CHECKING:  # a type checker that saw it would allow every name
    __all__, __getattr__ = make_lazy_imports(__name__)
