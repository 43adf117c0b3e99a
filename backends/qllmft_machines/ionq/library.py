"""All parts of qiskit-ionq that are used; no other module imports it.

The version is pinned, because its parts are no public interface. Another release needs these, by name and argument
(`tests/machines/ionq/test_ionq_values.py` compares their counts):

- `qiskit_to_ionq` writes the body of a job for an `IonQBackend` with options: gates of ``qis`` by their names,
  untranspiled. `IonQTranspileLevelWarning` is silenced: the circuits are never transpiled by it.
- `get_user_agent` names the library.
- `GPIGate`, `GPI2Gate`, `MSGate` and `add_equivalences`: the native gates, to which circuits are compiled for other
  services that run them.

Its HTTP is not used: it repeats a submission after a failure that may have been a success, reads forever while the
server is away, and asks the address in the environment, without a key, for the number of qubits.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from qiskit_ionq import GPI2Gate, GPIGate, MSGate, add_equivalences
from qiskit_ionq import __version__ as library_version
from qiskit_ionq.exceptions import IonQTranspileLevelWarning
from qiskit_ionq.helpers import get_user_agent, qiskit_to_ionq
from qiskit_ionq.ionq_backend import IonQBackend

from qllmft_base.versions import install_command
from qllmft_machines.batch import Circuits
from qllmft_machines.errors import RemoteRequestError
from qllmft_machines.ionq.options import JOB_MAX_BYTES
from qllmft_machines.ledger.chunk import Setup

__all__ = [
    "GPI2Gate",
    "GPIGate",
    "IonQBackend",
    "MSGate",
    "add_equivalences",
    "get_user_agent",
    "library_version",
    "qiskit_to_ionq",
    "write_job",
]


def write_job(
    circuits: Circuits, setup: Setup, metadata: Mapping[str, str], **job_options: Any
) -> str:
    """Return the body of a job as the library writes it, after a check of its size.

    Args:
        circuits: bound and measured, in the job's order; several make a multi-circuit job.
        setup: machine, width and shots; on the simulator noise and seed, else the mitigation.
        metadata: of the job, besides the library's own.
        job_options: other options of the library's `run`, such as ``name``.

    Raises:
        RemoteRequestError: ``unsent``, if the body is too long, or not of these circuits.
    """
    body = _write_body(circuits, setup, metadata, job_options)
    if (size := len(body.encode())) > JOB_MAX_BYTES:
        raise RemoteRequestError(
            f"the job has {size:,} bytes, and IonQ takes up to {JOB_MAX_BYTES:,}. Nothing was sent. "
            "Send fewer circuits per job: circuits_per_job.",
            unsent=True,
        )
    job_input = json.loads(body)["input"]
    written_size = (job_input.get("qubits"), len(job_input.get("circuits") or [None]))
    expected_size = (max(circuit.num_qubits for circuit in circuits), len(circuits))
    if written_size != expected_size:
        raise RemoteRequestError(
            f"qiskit-ionq {library_version} wrote a job of {written_size[1]} circuits on {written_size[0]} qubits "
            f"for {expected_size[1]} circuits on {expected_size[0]}. Nothing was sent. Install the tested version: "
            f"{install_command('ionq')}.",
            unsent=True,
        )
    return body


def _write_body(
    circuits: Circuits, setup: Setup, metadata: Mapping[str, str], job_options: dict[str, Any]
) -> str:
    """Return the body of a job as the library writes it, unchecked."""
    name = "ionq_simulator" if setup.free else f"ionq_{setup.backend}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", IonQTranspileLevelWarning)
        # Constructed directly, because the library's provider asks for the number of qubits at the
        # address in the environment, or in a stray .env, and falls back to 4.
        backend = IonQBackend(
            provider=None,
            name=name,
            description="through qllmft",
            gateset="qis",
            num_qubits=setup.n_qubits,
            simulator=setup.free,
        )
    if setup.free:
        backend.set_options(noise_model=setup.noise_model, sampler_seed=setup.seed)
    else:
        # As raw settings, which every version of the library passes on: 1.1.1 takes an enum, its
        # successor keywords.
        mitigation = {"debiasing": setup.error_mitigation == "debiasing"}
        if setup.symmetry_verification:
            mitigation["symmetry_verification"] = True
        job_options["job_settings"] = {"error_mitigation": mitigation}
    job_circuits = circuits[0] if len(circuits) == 1 else list(circuits)
    library_options = {**backend.options, "shots": setup.shots, **job_options}
    return str(qiskit_to_ionq(job_circuits, backend, library_options, {}, dict(metadata)))
