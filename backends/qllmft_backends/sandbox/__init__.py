"""Mock server of IonQ's API v0.4 with a small simulator and faults on demand. It needs no package of IonQ's."""

from qllmft_backends.sandbox.request import Fault
from qllmft_backends.sandbox.server import MockServer, serve
from qllmft_backends.sandbox.store import Store

__all__ = ["Fault", "MockServer", "Store", "serve"]
