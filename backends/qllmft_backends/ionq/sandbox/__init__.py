"""IonQ's API v0.4 on this machine: a server with a small simulator and faults on demand. Needs no package of IonQ's."""

from qllmft_backends.ionq.sandbox.command import serve
from qllmft_backends.ionq.sandbox.faults import Fault
from qllmft_backends.ionq.sandbox.server import Sandbox
from qllmft_backends.ionq.sandbox.store import Store

__all__ = ["Fault", "Sandbox", "Store", "serve"]
