"""Mitigation of errors on noisy backends: of the readout, and of gates by extrapolation to zero noise."""

from qllmft_backends.mitigation.backend import MitigatedBackend
from qllmft_backends.mitigation.options import MitigationOptions

__all__ = ["MitigatedBackend", "MitigationOptions"]
