"""Mitigation of readout errors on noisy backends."""

from qllmft_backends.mitigation.backend import MitigatedBackend

__all__ = ["MitigatedBackend"]
