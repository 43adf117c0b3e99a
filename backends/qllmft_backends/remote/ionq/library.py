"""All parts of qiskit-ionq that are used; no other module imports it.

The version is pinned, because its parts are no public interface. Another release needs these, by name and argument
(`tests/backends/ionq/test_ionq_library.py` checks them):

- `qiskit_to_ionq` writes the body of a job: gates of ``qis`` by their names, untranspiled.
- `IonQClient`: ``api_headers``, ``make_path``, ``get_latest_calibration`` and ``_url``. Its requests are replaced: see
  `qllmft_backends.remote.ionq.client`.
- `IonQBackend.run` with options, ``extra_metadata``, ``job_settings`` and ``session_id``, and the job's ``job_id``. Its
  ``_create_client`` is replaced. Its waiting, its results and its provider are not used.
- `GPIGate`, `GPI2Gate`, `MSGate` and `add_equivalences`: the native gates, to which circuits are compiled for other
  services that run them.
- `IonQTranspileLevelWarning` is silenced: the circuits are never transpiled by it.
"""

from __future__ import annotations

from qiskit_ionq import GPI2Gate, GPIGate, MSGate, add_equivalences
from qiskit_ionq import __version__ as library_version
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.helpers import qiskit_to_ionq
from qiskit_ionq.ionq_backend import IonQBackend
from qiskit_ionq.ionq_client import Characterization, IonQClient

__all__ = [
    "Characterization",
    "GPI2Gate",
    "GPIGate",
    "IonQBackend",
    "IonQClient",
    "IonQTranspileLevelWarning",
    "MSGate",
    "add_equivalences",
    "library_version",
    "qiskit_to_ionq",
]
