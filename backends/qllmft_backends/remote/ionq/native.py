"""Native gates of a circuit, counted before it is paid: IonQ compiles it in a job with ``dry_run``, which is free."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit

from qllmft_backends.remote.errors import (
    JobFailedError,
    JobTimeoutError,
    RemoteRequestError,
)
from qllmft_backends.remote.ionq.client import Client
from qllmft_backends.remote.ionq.route import post_dry_run
from qllmft_backends.remote.ledger.chunk import Setup
from qllmft_backends.remote.ledger.payload import mapping
from qllmft_backends.remote.options import Deadline
from qllmft_backends.remote.rows import ENDED_FREE

_WIDTHS = {"gpi": 1, "gpi2": 1, "ms": 2, "zz": 2}  # qubits of each native gate; "nop" is none
_OMIT = "Omit compiled_estimate."


@dataclass(frozen=True)
class NativeSize:
    """Size of one circuit in the machine's own gates.

    Attributes:
        job_id: the dry run that compiled it.
        one_qubit_gates, two_qubit_gates: numbers of GPI and GPI2, and of MS and ZZ.
        depth: number of layers of gates.
    """

    job_id: str
    one_qubit_gates: int
    two_qubit_gates: int
    depth: int

    def __str__(self) -> str:
        return (
            f"compiled by IonQ, the first circuit has {self.one_qubit_gates} GPI and GPI2 gates, "
            f"{self.two_qubit_gates} MS and ZZ gates and depth {self.depth} (dry run {self.job_id}, not charged)"
        )


def compile_there(
    client: Client, setup: Setup, circuit: QuantumCircuit, patience_s: float
) -> NativeSize:
    """Send a bound, measured circuit as a dry run, wait for it, and return its native size.

    Args:
        client: of the server.
        setup: machine and settings of the job.
        circuit: bound and measured.
        patience_s: seconds to wait for the compiler.

    Raises:
        RemoteRequestError: if the server does not take the job for a dry run. It is canceled then.
        JobTimeoutError: if it has not ended after ``patience_s`` seconds. It is canceled then.
        JobFailedError: if it was not compiled.
        RemoteError: if the server cannot be asked.
    """
    job_id, deadline = post_dry_run(client, setup, circuit), Deadline(patience_s)
    while True:
        job = client.job(job_id)
        if job.get("dry_run") is not True:
            client.cancel_job(job_id)
            raise RemoteRequestError(
                f"the server took the dry run {job_id} for a job to run; it was canceled. Check its charge with "
                f"`qllmft jobs list`. {_OMIT}"
            )
        status = str(job.get("status"))
        if status == "completed":
            return _native(client, setup, job)
        if status in ENDED_FREE:
            raise JobFailedError(
                f"the dry run {job_id} is {status}: {str(job.get('failure'))[:300]}. {_OMIT}"
            )
        if deadline.left() == 0:
            client.cancel_job(job_id)
            raise JobTimeoutError(
                f"the dry run {job_id} was {status} after {patience_s:g} s and was canceled. {_OMIT}"
            )
        time.sleep(min(client.connection.poll_interval_s, deadline.left()))


def _native(client: Client, setup: Setup, job: Mapping[str, Any]) -> NativeSize:
    compiled = client.compiled(job)
    gates = mapping(compiled).get("circuit")
    try:
        if not isinstance(gates, list):
            raise TypeError("it has no list of gates")
        counts, layers = {1: 0, 2: 0}, [0] * setup.n_qubits
        for gate in gates:
            if gate["gate"] == "nop":
                continue
            width = _WIDTHS[gate["gate"]]
            qubits = gate["targets"] if width == 2 else [gate["target"]]
            if len(set(qubits)) != width or not all(
                math.isfinite(q) and 0 <= q == int(q) for q in qubits
            ):
                raise ValueError(f"gate {gate['gate']!r} acts on {qubits}")
            counts[width] += 1
            layer = 1 + max(layers[int(q)] for q in qubits)
            for qubit in qubits:
                layers[int(qubit)] = layer
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise JobFailedError(
            f"the compiled circuit of the dry run {job['id']} cannot be read: {type(error).__name__}: {error}. {_OMIT}"
        ) from None
    return NativeSize(str(job["id"]), counts[1], counts[2], max(layers, default=0))
