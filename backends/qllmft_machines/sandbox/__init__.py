"""Mock server of IonQ's API v0.4 on Qiskit Aer. It needs no package of IonQ's."""

from qllmft_machines.sandbox.server import MockServer, serve
from qllmft_machines.sandbox.store import Store

__all__ = ["MockServer", "Store", "serve"]
