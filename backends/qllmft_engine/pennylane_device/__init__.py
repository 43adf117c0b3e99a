"""PennyLane: the engine as its device, its devices as a backend, and the circuit of a QNode. Needs its extra."""

from qllmft_engine.pennylane_device.device import AdjointDevice

__all__ = ["AdjointDevice"]
